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

/// Đo độ trễ khi bị tấn công / Measures the latency of one application while others attack.
#[derive(Debug, Parser)]
#[command(
    name = "hostile",
    after_help = "Examples:\n  \
        cargo run --release -p lienthong-tests --bin hostile\n  \
        cargo run --release -p lienthong-tests --bin hostile -- --calls 2000 --rate 100"
)]
struct Arguments {
    /// Số cuộc gọi mỗi lượt / Calls of each phase
    #[arg(long, default_value_t = 10_000)]
    calls: usize,
    /// Số cuộc gọi mỗi giây / Calls a second
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Chỉ tấn công địa chỉ này / Only attack this gateway, until the process is killed
    #[arg(long, hide = true)]
    attack: Option<SocketAddr>,
}

/// The figures of one phase.
#[derive(Debug)]
struct Phase {
    p50: Duration,
    p99: Duration,
    slowest: Duration,
    failed: usize,
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
    let phase = |calls| runtime.block_on(run(&gateway, &numbers, calls, arguments.rate));
    phase(arguments.calls / 10);
    let before = phase(arguments.calls);
    print("alone", &before);
    let log = folder.path().join("attack");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--attack", gateway.trim_start_matches("http://")]);
    let attacking = Guarded::spawn(&command, &log);
    std::thread::sleep(Duration::from_secs(5));
    let attacked = phase(arguments.calls);
    drop(attacking);
    print("attacked", &attacked);
    let report = std::fs::read_to_string(&log).unwrap_or_default();
    println!("attack: {}", report.lines().last().unwrap_or("no report"));
    let after = phase(arguments.calls);
    print("alone again", &after);
    let alone = before.p99.max(after.p99).as_secs_f64();
    println!(
        "p99 under attack / p99 alone: {:.2} (before), {:.2} (slower of the two)",
        attacked.p99.as_secs_f64() / before.p99.as_secs_f64(),
        attacked.p99.as_secs_f64() / alone
    );
}

fn print(what: &str, phase: &Phase) {
    let ms = |it: Duration| it.as_secs_f64() * 1_000.0;
    let (p50, p99, slowest) = (ms(phase.p50), ms(phase.p99), ms(phase.slowest));
    println!(
        "{what}: p50 {p50:.2} ms, p99 {p99:.2} ms, slowest {slowest:.2} ms, {} failed",
        phase.failed
    );
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
async fn run(gateway: &str, numbers: &AtomicUsize, calls: usize, rate: u32) -> Phase {
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
    let mut times: Vec<_> = outcomes.iter().map(|it| it.0).collect();
    Phase {
        p50: percentile(&mut times, 0.5),
        p99: percentile(&mut times, 0.99),
        slowest: percentile(&mut times, 1.0),
        failed: outcomes.iter().filter(|it| !it.1).count(),
    }
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
