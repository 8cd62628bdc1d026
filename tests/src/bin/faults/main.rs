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

mod arguments;
mod broker_access;
mod database;
mod fault;
mod history;
mod load;
mod random;
mod recovery;
mod report;
mod run;
mod system;
mod time_line;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let report = run::run(&arguments);
    report.print(arguments.json);
    if report.is_kept() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
