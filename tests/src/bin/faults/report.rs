//! What a run found, for people and as JSON.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lienthong_tests::measure::percentile;
use serde_json::json;

use crate::history::{History, Violations};

/// Items of each list that are printed.
const SHOWN_MAX: usize = 10;

/// How long documents waited after a kind of fault was healed.
#[derive(Clone, Debug)]
struct Recovery {
    fault: &'static str,
    count: usize,
    p50: Duration,
    worst: Duration,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) history: History,
    /// Calls that were refused and should not have been.
    pub(crate) refused: Vec<String>,
    /// Queues with consumers that nobody owns.
    pub(crate) orphaned_consumers: Vec<String>,
    pub(crate) logs: String,
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Report {
    receipts: usize,
    effects: usize,
    faults: usize,
    violations: Violations,
    refused: Vec<String>,
    orphaned_consumers: Vec<String>,
    recoveries: Vec<Recovery>,
    worst_stall: Duration,
    seed: u64,
    took: Duration,
    time_line: Vec<String>,
    logs: String,
}

impl Report {
    /// Compares what was seen with what is promised.
    pub(crate) fn new(found: Found, started: Instant, seed: u64) -> Self {
        let Found { history, refused, orphaned_consumers, logs } = found;
        let violations = history.violations();
        let faults = history.faults();
        let waits = history.waits();
        let worst_stall = waits.iter().map(|it| it.time).max().unwrap_or_default();
        // The wait behind one fault is that of the last document which waited for it.
        let mut last: BTreeMap<(&'static str, Instant), Duration> = BTreeMap::new();
        for wait in waits.iter().filter(|it| !it.fault.is_empty()) {
            let slowest = last.entry((wait.fault, wait.healed)).or_default();
            *slowest = wait.time.max(*slowest);
        }
        let mut kinds: BTreeMap<&'static str, Vec<Duration>> = BTreeMap::new();
        for ((fault, _), time) in last {
            kinds.entry(fault).or_default().push(time);
        }
        let recoveries = kinds.into_iter().map(|(fault, mut times)| Recovery {
            fault,
            count: times.len(),
            p50: percentile(&mut times, 0.5),
            worst: percentile(&mut times, 1.0),
        });
        let since = |at: Instant| at.saturating_duration_since(started).as_secs_f64();
        let time_line = faults
            .iter()
            .map(|it| format!("{:8.1} – {:8.1} s  {}", since(it.from), since(it.until), it.name));
        Self {
            receipts: history.receipts(),
            effects: history.effect_count(),
            faults: faults.len(),
            refused,
            orphaned_consumers,
            recoveries: recoveries.collect(),
            worst_stall,
            seed,
            took: started.elapsed(),
            time_line: time_line.collect(),
            violations,
            logs,
        }
    }

    /// True when every promise was kept.
    pub(crate) fn is_kept(&self) -> bool {
        self.violations.is_empty() && self.refused.is_empty() && self.orphaned_consumers.is_empty()
    }

    /// Prints it.
    pub(crate) fn print(&self, as_json: bool) {
        if as_json {
            println!("{:#}", self.json());
        } else {
            println!(
                "{} receipts, {} effects, {} faults in {:.0} s (seed {})",
                self.receipts,
                self.effects,
                self.faults,
                self.took.as_secs_f64(),
                self.seed
            );
            for it in &self.recoveries {
                println!(
                    "{:>18}: {:3} times, all through after p50 {:6.1} s, worst {:6.1} s",
                    it.fault,
                    it.count,
                    it.p50.as_secs_f64(),
                    it.worst.as_secs_f64()
                );
            }
            println!("longest wait without a fault: {:.1} s", self.worst_stall.as_secs_f64());
        }
        if !self.is_kept() {
            eprintln!("the time line:\n{}", self.time_line.join("\n"));
            for (what, list) in self.lists() {
                let shown = &list[..list.len().min(SHOWN_MAX)];
                eprintln!("{what}: {} {shown:?}", list.len());
            }
            eprintln!("{}", self.logs);
        }
    }

    fn lists(&self) -> [(&'static str, &[String]); 7] {
        let Violations { lost, twice, out_of_order, changed, unexpected } = &self.violations;
        [
            ("lost", lost),
            ("twice", twice),
            ("out_of_order", out_of_order),
            ("changed", changed),
            ("unexpected", unexpected),
            ("refused", &self.refused),
            ("orphaned_consumers", &self.orphaned_consumers),
        ]
    }

    fn json(&self) -> serde_json::Value {
        let recoveries = self.recoveries.iter().map(|it| {
            json!({
                "fault": it.fault,
                "count": it.count,
                "p50_s": it.p50.as_secs_f64(),
                "worst_s": it.worst.as_secs_f64(),
            })
        });
        let mut value = json!({
            "receipts": self.receipts,
            "effects": self.effects,
            "faults": self.faults,
            "worst_stall_s": self.worst_stall.as_secs_f64(),
            "recoveries": recoveries.collect::<Vec<_>>(),
            "seed": self.seed,
            "seconds": self.took.as_secs_f64(),
        });
        for (what, list) in self.lists() {
            value[what] = json!(list.len());
        }
        value
    }
}
