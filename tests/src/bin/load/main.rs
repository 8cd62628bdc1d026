//! Documents a second through the whole system, beside what the broker alone carries in the same
//! run.
//!
//! Senders submit national packets over gRPC; the receivers take the portal's JSON. Every role is a
//! process of the real binary, over a RabbitMQ node and a PostgreSQL of this run. Build it with
//! `--release`; a figure of a debug build says nothing.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement, read by people; it stops at the first surprise"
)]

#[path = "../../../../services/journal/tests/it/postgres_cluster.rs"]
#[expect(clippy::expect_used, reason = "a measurement stops at the first surprise")]
mod cluster;
mod end_to_end;
#[path = "../../../../bus/tests/it/node.rs"]
#[expect(dead_code, reason = "the bus's own tests use more of it")]
mod node;
mod raw_relay;

use std::path::Path;
use std::time::Duration;

use clap::Parser;
use lienthong_tests::measure::{ProcessGroup, descendant, peak_bytes, reset_peak};
use lienthong_tests::packet::packet;
use lienthong_tests::roles::Roles;
use lienthong_tests::up::{Agency, Up, write_registry};
use serde_json::{Value, json};

use crate::end_to_end::{EndToEnd, Load, Run};
use crate::raw_relay::Limit;

/// The allocator of production builds, so that the raw relay is measured with the same one.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
#[cfg(not(feature = "jemalloc"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Pairs of a sending and a receiving agency.
const AGENCIES: [Agency; 8] = [
    Agency { key: "gui-1", code: "A99.1", takes: "edxml.document" },
    Agency { key: "gui-2", code: "A99.2", takes: "edxml.document" },
    Agency { key: "gui-3", code: "A99.3", takes: "edxml.document" },
    Agency { key: "gui-4", code: "A99.4", takes: "edxml.document" },
    Agency { key: "nhan-1", code: "A98.1", takes: "ioffice.portal" },
    Agency { key: "nhan-2", code: "A98.2", takes: "ioffice.portal" },
    Agency { key: "nhan-3", code: "A98.3", takes: "ioffice.portal" },
    Agency { key: "nhan-4", code: "A98.4", takes: "ioffice.portal" },
];

/// Đo tải toàn hệ thống / Measures the whole system under load.
#[derive(Debug, Parser)]
#[command(
    name = "load",
    after_help = "Examples:\n  \
        cargo run --release -p lienthong-tests --bin load\n  \
        cargo run --release -p lienthong-tests --bin load -- --json --messages 60000\n  \
        cargo run --release -p lienthong-tests --bin load -- --embedded"
)]
struct Arguments {
    /// In JSON / Print one JSON object
    #[arg(long)]
    json: bool,
    /// Trong một tiến trình, SQLite / One process, channels in memory, SQLite, no raw relay
    #[arg(long)]
    embedded: bool,
    /// Số văn bản đo / Documents of the measured run
    #[arg(long, default_value_t = 30_000)]
    messages: usize,
    /// Số văn bản đang đi cùng lúc / Documents in flight at a time
    #[arg(long, default_value_t = 1_024)]
    in_flight: usize,
}

/// The system under load: one process per role, or all roles in one process.
enum System {
    Processes { roles: Roles, groups: Vec<ProcessGroup> },
    OneProcess { up: Up },
}

impl System {
    fn start(arguments: &Arguments, folder: &Path) -> (Self, Option<node::Node>) {
        if arguments.embedded {
            return (Self::OneProcess { up: Up::start(folder, &[]) }, None);
        }
        let node = node::Node::start(2);
        let database = cluster::database();
        let mut groups = vec![
            ProcessGroup { name: "broker".to_owned(), root: descendant("beam.smp").unwrap() },
            ProcessGroup { name: "database".to_owned(), root: postmaster(&database) },
        ];
        let roles = Roles::start(folder, (&node.url(0), &database), &[]);
        groups.extend(
            roles
                .processes()
                .into_iter()
                .map(|(name, root)| ProcessGroup { name: name.to_owned(), root }),
        );
        (Self::Processes { roles, groups }, Some(node))
    }

    fn gateway(&self) -> String {
        match self {
            Self::Processes { roles, .. } => roles.gateway(),
            Self::OneProcess { up } => up.gateway(),
        }
    }

    /// The hops of a document, as the operators' command shows them.
    fn journey(&self, number: &str) -> Value {
        let (internal, token) = match self {
            Self::Processes { roles, .. } => (roles.internal(), roles.token_file()),
            Self::OneProcess { up } => (up.internal(), up.token_file()),
        };
        let output = std::process::Command::new(lienthong_tests::up::program())
            .args(["trace", number, "--json", "--internal", &internal, "--internal-token-file"])
            .arg(token)
            .output()
            .unwrap();
        let whole: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let hops = whole["journeys"][0]["hops"].as_array().cloned().unwrap_or_default();
        let shown =
            |it: &Value| format!("{} {}", it["at"].as_str().unwrap_or_default(), it["step"]);
        hops.iter().map(shown).collect()
    }

    fn groups(&self) -> Vec<ProcessGroup> {
        match self {
            Self::Processes { groups, .. } => groups.clone(),
            Self::OneProcess { up } => {
                vec![ProcessGroup { name: "lienthong".to_owned(), root: up.id() }]
            }
        }
    }
}

/// Process id of the PostgreSQL postmaster, from the file in its data folder.
fn postmaster(database: &str) -> u32 {
    let folder = database.split('@').nth(1).unwrap().split('/').next().unwrap().replace("%2F", "/");
    let file = std::fs::read_to_string(Path::new(&folder).join("data/postmaster.pid")).unwrap();
    file.lines().next().unwrap().trim().parse().unwrap()
}

fn main() {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if cfg!(debug_assertions) {
        eprintln!("a debug build: the figures say nothing about speed");
    }
    let folder = tempfile::tempdir().unwrap();
    write_registry(&folder.path().join("registry"), &AGENCIES);
    let (system, node) = System::start(&arguments, folder.path());
    let report = runtime.block_on(measure(&arguments, &system, node.as_ref()));
    if arguments.json {
        println!("{report:#}");
    } else {
        print_report(&report);
    }
}

async fn measure(arguments: &Arguments, system: &System, node: Option<&node::Node>) -> Value {
    let mut groups = system.groups();
    groups.push(ProcessGroup { name: "load".to_owned(), root: std::process::id() });
    let before = raw_limit(arguments, node, &groups).await;
    groups.iter().for_each(reset_peak);
    let capacity = arguments.messages * 2 + 10_000;
    let load = EndToEnd::open(&system.gateway(), &AGENCIES, capacity).await;
    let pace = |messages, rate| Load { messages, in_flight: arguments.in_flight, rate };
    eprintln!("warming up …");
    load.run(pace(arguments.messages / 10, None), &groups).await;
    eprintln!("full load: {} documents, {} in flight …", arguments.messages, arguments.in_flight);
    let full = load.run(pace(arguments.messages, None), &groups).await;
    eprintln!("half load: {:.0} documents a second …", full.rate() / 2.0);
    let half_rate = Some(full.rate() / 2.0);
    let half = load.run(pace(arguments.messages / 2, half_rate), &groups).await;
    load.close().await;
    let peaks = groups.iter().map(peak_bytes).collect();
    let journey = system.journey(&format!("{}/CV-TU", full.slowest_number));
    let after = raw_limit(arguments, node, &groups).await;
    let best = [before, after].into_iter().flatten().max_by(|a, b| a.rate.total_cmp(&b.rate));
    let figures = Figures { groups, peaks, full, half, limit: best, journey };
    figures.report()
}

/// The rate of the broker alone; none without a broker.
async fn raw_limit(
    arguments: &Arguments,
    node: Option<&node::Node>,
    groups: &[ProcessGroup],
) -> Option<Limit> {
    let node = node?;
    let bytes = packet(0, &AGENCIES[0], &AGENCIES[4]).len();
    let load =
        raw_relay::Load { messages: arguments.messages, bytes, in_flight: arguments.in_flight };
    eprintln!("raw relay: two hops, windows of 256, {bytes} bytes …");
    Some(raw_relay::limit(&node.url(1), load, groups).await)
}

/// All figures of a measurement.
struct Figures {
    groups: Vec<ProcessGroup>,
    peaks: Vec<u64>,
    full: Run,
    half: Run,
    limit: Option<Limit>,
    journey: Value,
}

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

impl Figures {
    fn report(&self) -> Value {
        let milliseconds = |time: Duration| round(time.as_secs_f64() * 1_000.0);
        let (full, half, limit) = (&self.full, &self.half, self.limit.as_ref());
        json!({
            "documents": full.messages,
            "seconds": round(full.seconds),
            "rate": round(full.rate()),
            "raw_rate": limit.map(|it| round(it.rate)),
            "ratio": limit.map(|it| round(full.rate() / it.rate)),
            "p50_ms": milliseconds(full.p50),
            "p99_ms": milliseconds(full.p99),
            "slowest_ms": milliseconds(full.slowest),
            "slowest_journey": self.journey,
            "half_load": {
                "rate": round(half.rate()),
                "p50_ms": milliseconds(half.p50),
                "p99_ms": milliseconds(half.p99),
                "cpu_ms_per_message": self.each(&half.processor, half.messages),
            },
            "raw": limit.map(|it| json!({
                "pairs_of_queues": it.pairs,
                "cpu_ms_per_message": self.each(&it.processor, it.messages),
            })),
            "cpu_ms_per_message": self.each(&full.processor, full.messages),
            "peak_mib": self.peaks(),
            "bottleneck": bottleneck(&self.groups, full),
        })
    }

    /// Processor time a message by group, milliseconds.
    fn each(&self, times: &[Duration], count: usize) -> serde_json::Map<String, Value> {
        let each = |time: &Duration| round(time.as_secs_f64() * 1_000.0 / count as f64);
        self.named(times.iter().map(|it| each(it).into()))
    }

    fn peaks(&self) -> serde_json::Map<String, Value> {
        self.named(self.peaks.iter().map(|it| round(*it as f64 / 1_048_576.0).into()))
    }

    fn named(&self, values: impl Iterator<Item = Value>) -> serde_json::Map<String, Value> {
        self.groups.iter().map(|it| it.name.clone()).zip(values).collect()
    }
}

/// What bounds the rate, judged by the shares of processor and disk time: the processors, the disk,
/// or waiting for answers.
fn bottleneck(groups: &[ProcessGroup], run: &Run) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let total: f64 = run.processor.iter().map(Duration::as_secs_f64).sum();
    let mut shares: Vec<_> = groups
        .iter()
        .zip(&run.processor)
        .map(|(group, time)| (time.as_secs_f64() / total.max(0.001), group.name.as_str()))
        .collect();
    shares.sort_by(|left, right| right.0.total_cmp(&left.0));
    let shares: Vec<_> =
        shares.iter().map(|(share, name)| format!("{name} {:.0}%", share * 100.0)).collect();
    let ours = total / (run.seconds * cores);
    let (busy, disk) = (run.machine.busy, run.machine.disk);
    let what = if busy > 0.85 {
        "the processors"
    } else if disk > (1.0 - busy) / 2.0 {
        "waiting for the disk"
    } else {
        "waiting for answers (commits, confirms), neither the processors nor the disk"
    };
    format!(
        "{what}: {cores} cores are busy for {:.0}% of the time, {:.0}% with what is measured ({}); \
         idle while the disk works for {:.0}%",
        busy * 100.0,
        ours * 100.0,
        shares.join(", "),
        disk * 100.0
    )
}

fn print_report(report: &Value) {
    println!(
        "{} documents in {} s: {} a second; raw relay {} a second; ratio {}",
        report["documents"], report["seconds"], report["rate"], report["raw_rate"], report["ratio"]
    );
    println!("full load: p50 {} ms, p99 {} ms", report["p50_ms"], report["p99_ms"]);
    let half = &report["half_load"];
    println!(
        "half load ({} a second): p50 {} ms, p99 {} ms",
        half["rate"], half["p50_ms"], half["p99_ms"]
    );
    println!("processor time, ms a document: {}", report["cpu_ms_per_message"]);
    println!("raw relay: {}", report["raw"]);
    println!("peak memory, MiB: {}", report["peak_mib"]);
    println!("what bottleneck the rate: {}", report["bottleneck"].as_str().unwrap_or_default());
}
