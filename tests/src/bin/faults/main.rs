//! Breaks a running system from outside while documents flow, and compares what its clients saw with
//! what the bus promises.
//!
//! Every role is a process of the real binary, over a RabbitMQ node and a PostgreSQL of this run.
//! A run is repeated with its seed: the same faults in the same order, and the same documents.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test rig, read by people; it stops at the first surprise"
)]

mod database;
mod history;
mod load;
#[path = "../../../../bus/tests/it/node.rs"]
mod node;
mod random;
mod report;
mod run;
mod system;

use std::process::ExitCode;

use clap::Parser;

use crate::system::{FAULTS, fault};

/// Phá hệ thống từ bên ngoài trong lúc văn bản đi / Breaks the system while documents flow.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "faults",
    after_help = "Examples:\n  \
        cargo run -p lienthong-tests --bin faults -- --minutes 3\n  \
        cargo run --release -p lienthong-tests --bin faults -- --minutes 60 --rate 45 --json\n  \
        cargo run -p lienthong-tests --bin faults -- --faults flap-database,kill-mapping --seed 7"
)]
struct Arguments {
    /// Loại sự cố, cách nhau bằng dấu phẩy; mặc định tất cả / Kinds of faults; default all
    #[arg(long, value_delimiter = ',', value_parser = parse_fault)]
    faults: Vec<&'static str>,
    /// Bao lâu / How long faults go on, minutes
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Hạt giống; một lần chạy lặp lại được với hạt giống của nó / Seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Số văn bản mỗi giây / Documents a second
    #[arg(long, default_value_t = 30.0)]
    rate: f64,
    /// In JSON / Print JSON
    #[arg(long)]
    json: bool,
}

fn parse_fault(name: &str) -> Result<&'static str, String> {
    let names: Vec<_> = FAULTS.iter().map(|it| it.name).collect();
    fault(name).map(|it| it.name).ok_or_else(|| format!("there are: {}", names.join(", ")))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let report = run::run(&arguments);
    report.print(arguments.json);
    if report.is_kept() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
