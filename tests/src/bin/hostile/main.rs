//! The latency of a well-behaved application, alone and while ten hostile clients attack the same
//! gateway, in one run.
//!
//! The attack is a process of its own, as it would be on other machines. Build it with `--release`;
//! a figure of a debug build says nothing about speed.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement, read by people; it stops at the first surprise"
)]

mod attack;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use lienthong_tests::guarded::Guarded;
use lienthong_tests::measure::percentile;
use lienthong_tests::up::{Agency, Up, write_registry};
use proto::exchange::v1::SubmitRequest;
use proto::exchange::v1::exchange_client::ExchangeClient;
use proto::exchange::v1::submit_request::Body;
use tokio::task::JoinSet;
use tonic::Request;

use crate::attack::{Done, attack};

const GOOD: Agency = Agency { key: "gui-1", code: "A99.1", takes: "edxml.document" };
const RECEIVER: Agency = Agency { key: "nhan-1", code: "A98.1", takes: "edxml.document" };
const HOSTILE: [Agency; attack::CLIENTS as usize] = [
    Agency { key: "xau-0", code: "A97.10", takes: "edxml.document" },
    Agency { key: "xau-1", code: "A97.11", takes: "edxml.document" },
    Agency { key: "xau-2", code: "A97.12", takes: "edxml.document" },
    Agency { key: "xau-3", code: "A97.13", takes: "edxml.document" },
    Agency { key: "xau-4", code: "A97.14", takes: "edxml.document" },
    Agency { key: "xau-5", code: "A97.15", takes: "edxml.document" },
    Agency { key: "xau-6", code: "A97.16", takes: "edxml.document" },
    Agency { key: "xau-7", code: "A97.17", takes: "edxml.document" },
    Agency { key: "xau-8", code: "A97.18", takes: "edxml.document" },
    Agency { key: "xau-9", code: "A97.19", takes: "edxml.document" },
];

/// How long the attack goes on before calls are measured: slow bodies and idle connections have
/// reached their bounds by then.
const ATTACK_BEFORE: Duration = Duration::from_secs(5);

/// Đo độ trễ khi bị tấn công / Measures the latency of one application while others attack.
#[derive(Debug, Parser)]
#[command(
    name = "hostile",
    after_help = "Examples:\n  \
        cargo run --release -p lienthong-tests --bin hostile\n  \
        cargo run --release -p lienthong-tests --bin hostile -- --calls 2000 --rate 100"
)]
struct Arguments {
    /// Số cuộc gọi / Calls alone, and as many under attack
    #[arg(long, default_value_t = 10_000)]
    calls: usize,
    /// Số cuộc gọi mỗi giây / Calls a second
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Số lượt xen kẽ / Rounds that alternate between alone and attacked, so that what else the
    /// machine does falls on both
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Chỉ tấn công địa chỉ này / Only attack this gateway, until the process is killed
    #[arg(long, hide = true)]
    attack: Option<SocketAddr>,
}

/// How long each call took, and how many failed.
#[derive(Debug, Default)]
struct Calls {
    times: Vec<Duration>,
    failed: usize,
}

impl Calls {
    fn add(&mut self, more: Self) {
        self.times.extend(more.times);
        self.failed += more.failed;
    }

    /// Prints the figures; the 99th percentile.
    fn print(&mut self, what: &str) -> Duration {
        let [p50, p99, slowest] = [0.5, 0.99, 1.0].map(|it| percentile(&mut self.times, it));
        let ms = |it: Duration| it.as_secs_f64() * 1_000.0;
        let (count, failed) = (self.times.len(), self.failed);
        println!(
            "{what}: {count} calls, p50 {:.2} ms, p99 {:.2} ms, slowest {:.2} ms, {failed} failed",
            ms(p50),
            ms(p99),
            ms(slowest)
        );
        p99
    }
}

fn main() {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let Some(gateway) = arguments.attack {
        return runtime.block_on(attack_and_report(gateway));
    }
    if cfg!(debug_assertions) {
        eprintln!("a debug build: the figures say nothing about speed");
    }
    let folder = tempfile::tempdir().unwrap();
    let agencies: Vec<_> = [GOOD, RECEIVER].into_iter().chain(HOSTILE).collect();
    write_registry(&folder.path().join("registry"), &agencies);
    let up = Up::start(folder.path(), &[]);
    let gateway = up.gateway();
    let numbers = AtomicUsize::new(0);
    let calls = arguments.calls / arguments.rounds.max(1);
    let run = |calls| runtime.block_on(run(&gateway, &numbers, calls, arguments.rate));
    run(calls / 2);
    let (mut alone, mut attacked) = (Calls::default(), Calls::default());
    for round in 0..arguments.rounds {
        alone.add(run(calls));
        let log = folder.path().join(format!("attack-{round}"));
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--attack", gateway.trim_start_matches("http://")]);
        let attacking = Guarded::spawn(&command, &log);
        std::thread::sleep(ATTACK_BEFORE);
        attacked.add(run(calls));
        drop(attacking);
        let report = std::fs::read_to_string(&log).unwrap_or_default();
        println!("attack {round}: {}", report.lines().last().unwrap_or("no report"));
    }
    let (before, under) = (alone.print("alone"), attacked.print("attacked"));
    println!("p99 under attack / p99 alone: {:.2}", under.as_secs_f64() / before.as_secs_f64());
}

async fn attack_and_report(gateway: SocketAddr) {
    let done = Arc::new(Done::default());
    let _working = attack(gateway, |it| format!("xau-{it}-token"), &done);
    let started = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let of = |it: &AtomicUsize| it.load(Ordering::Relaxed);
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "{} connections, {} stalled streams, {} refused calls in {seconds:.0} s",
            of(&done.connections),
            of(&done.stalled_streams),
            of(&done.refused)
        );
    }
}

/// Submits documents at a rate. Latency counts from the scheduled time, so a delay is not hidden.
async fn run(gateway: &str, numbers: &AtomicUsize, calls: usize, rate: u32) -> Calls {
    let client = ExchangeClient::connect(gateway.to_owned()).await.unwrap();
    let begun = Instant::now();
    let mut working = JoinSet::new();
    for call in 0..calls {
        let due = begun + Duration::from_secs(1) / rate * u32::try_from(call).unwrap();
        tokio::time::sleep_until(due.into()).await;
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let mut client = client.clone();
        working.spawn(async move {
            let is_ok = client.submit(submit_request(number)).await.is_ok();
            (due.elapsed(), is_ok)
        });
    }
    let outcomes = working.join_all().await;
    let failed = outcomes.iter().filter(|it| !it.1).count();
    Calls { times: outcomes.into_iter().map(|it| it.0).collect(), failed }
}

fn submit_request(number: usize) -> Request<SubmitRequest> {
    let body = lienthong_tests::packet::packet(number, &GOOD, &RECEIVER);
    let mut request = Request::new(SubmitRequest {
        key: format!("k{number}"),
        format: "edxml.document".to_owned(),
        body: Some(Body::Inline(body.into())),
        ..SubmitRequest::default()
    });
    let token = format!("Bearer {}-token", GOOD.key).parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    request
}
