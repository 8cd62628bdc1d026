//! Changes inputs at random and gives them to every parser of foreign bytes.
//!
//! It knows no coverage: an input is interesting when it has an outcome that none had before (the codes
//! of its refusal or of its findings), and is changed further. Each target is a process of its own, so
//! that one that ends or hangs is a finding as well. `tests/fuzz.md` says what it looks for.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test program, read by people; it stops at the first surprise of its own"
)]

mod corpus;
mod formats_targets;
mod mutate;
mod round_trip;
mod run;
mod target;
mod targets;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};

use crate::run::{Finding, Report, Run};
use crate::target::Target;
use crate::targets::{TARGETS, find_target};

/// Đưa đầu vào hỏng vào mọi bộ đọc / Gives changed inputs to every parser of foreign bytes.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "fuzz",
    after_help = "Examples:\n  \
        cargo run --release -p lienthong-tests --bin fuzz -- --minutes 5\n  \
        cargo run --release -p lienthong-tests --bin fuzz -- --target xml,json --minutes 1 --seed 7 --json\n  \
        cargo run -p lienthong-tests --bin fuzz -- --target csv --input tests/fuzz/csv/quotes.csv\n  \
        cargo run --release -p lienthong-tests --bin fuzz -- --minutes 5 --keep   # new inputs into the corpus"
)]
struct Arguments {
    /// Bộ đọc, cách nhau bằng dấu phẩy; mặc định tất cả / Targets; default all
    #[arg(long, value_delimiter = ',', value_parser = parse_target)]
    target: Vec<&'static Target>,
    /// Mỗi bộ đọc bao lâu / How long each target runs, minutes
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Hạt giống / Seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Dừng sau số đầu vào này / Ends after so many inputs
    #[arg(long)]
    inputs: Option<u64>,
    /// Số bộ đọc chạy cùng lúc / Targets that run at a time
    #[arg(long, default_value_t = 2)]
    at_once: usize,
    /// Ghi đầu vào có kết quả mới vào kho / Keep inputs with a new outcome in the corpus
    #[arg(long)]
    keep: bool,
    /// Chỉ đưa tệp này vào / Give this file alone to the target
    #[arg(long)]
    input: Option<PathBuf>,
    /// Nơi ghi đầu vào gây lỗi / Folder for inputs that are findings
    #[arg(long, default_value = "target/fuzz")]
    found: PathBuf,
    /// In JSON / Print JSON
    #[arg(long)]
    json: bool,
    /// Một bộ đọc trong tiến trình này / One target in this process
    #[arg(long, hide = true)]
    alone: bool,
}

fn parse_target(name: &str) -> Result<&'static Target, String> {
    let names: Vec<_> = TARGETS.iter().map(|it| it.name).collect();
    find_target(name).ok_or_else(|| format!("there are: {}", names.join(", ")))
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if arguments.target.is_empty() {
        arguments.target = TARGETS.iter().collect();
    }
    if let Some(input) = &arguments.input {
        return replay(&arguments.target, input);
    }
    if arguments.alone {
        let report = run_of(&arguments, arguments.target[0]).run();
        println!("{}", report.to_json());
        return ExitCode::SUCCESS;
    }
    let reports = run_all(&arguments);
    let findings: usize = reports.iter().map(|it| it.findings.len()).sum();
    if arguments.json {
        let targets: Vec<Value> = reports.iter().map(Report::to_json).collect();
        println!(
            "{:#}",
            json!({ "seed": arguments.seed, "findings": findings, "targets": targets })
        );
    } else {
        reports.iter().for_each(|it| println!("{it}"));
    }
    ExitCode::from(u8::from(findings > 0))
}

fn run_of(arguments: &Arguments, target: &'static Target) -> Run {
    Run {
        target,
        seed: arguments.seed,
        lasts: Duration::from_secs_f64(arguments.minutes * 60.0),
        inputs_max: arguments.inputs.unwrap_or(u64::MAX),
        keep: arguments.keep,
        found: arguments.found.join(target.name),
    }
}

/// Gives one input to the targets, and says what comes of it.
fn replay(targets: &[&'static Target], input: &Path) -> ExitCode {
    let bytes = fs::read(input).unwrap();
    let mut is_found = false;
    for it in targets {
        let outcome = (it.prepare)()(&bytes);
        is_found |= outcome.is_err();
        println!("{}: {outcome:?}", it.name);
    }
    ExitCode::from(u8::from(is_found))
}

/// Runs every target in a process of its own, some at a time.
fn run_all(arguments: &Arguments) -> Vec<Report> {
    let mut reports = Vec::new();
    for targets in arguments.target.chunks(arguments.at_once.max(1)) {
        let started: Vec<_> = targets.iter().map(|it| (*it, start(arguments, it))).collect();
        for (target, child) in started {
            let output = child.wait_with_output().unwrap();
            let report = serde_json::from_slice(&output.stdout).ok().map(|it| Report::of(&it));
            let report = report.unwrap_or_else(|| {
                let current = arguments.found.join(target.name).join(run::CURRENT);
                let problem = format!("the process ended: {}", output.status);
                Report::of_finding(target.name, Finding { problem, input: current })
            });
            if !arguments.json {
                println!("{report}");
            }
            reports.push(report);
        }
    }
    reports
}

fn start(arguments: &Arguments, target: &Target) -> std::process::Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--alone", "--target", target.name]);
    command.args(["--minutes", &arguments.minutes.to_string()]);
    command.args(["--seed", &arguments.seed.to_string()]);
    command.arg("--found").arg(&arguments.found);
    command.args(arguments.inputs.iter().flat_map(|it| ["--inputs".to_owned(), it.to_string()]));
    command.args(arguments.keep.then_some("--keep"));
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}
