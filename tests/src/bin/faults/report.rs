//! What a run found, for people and as JSON.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lienthong_tests::measure::percentile;
use serde_json::{Map, Value, json};

use crate::arguments::Arguments;
use crate::fault::OLD_BACKLOG;
use crate::history::{FaultTime, History, Violations};
use crate::time_line::time_line;

/// Items of each list that are printed.
const SHOWN_MAX: usize = 10;

/// The longest that documents may stand still after a fault was healed.
const STALL_MAX: Duration = Duration::from_secs(30);
/// The longest that each 10,000 documents of a backlog may take.
const BACKLOG_MAX: Duration = Duration::from_secs(120);

/// How long it took until documents flowed again after one kind of fault.
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
    /// Queues with another number of consumers than readers.
    pub(crate) orphaned_consumers: Vec<String>,
    pub(crate) missing_exchanges: Vec<String>,
    /// Faults after which the roles had to be started again by hand.
    pub(crate) by_hand: Vec<String>,
    /// Roles whose process ended by itself.
    pub(crate) ended: Vec<String>,
    pub(crate) logs: String,
    /// When the broker took no connections.
    pub(crate) broker_absences: Vec<(Instant, Instant)>,
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Report {
    receipts: usize,
    effects: usize,
    faults: usize,
    recoveries: Vec<Recovery>,
    worst_stall: Duration,
    broker_away: BrokerAway,
    seed: u64,
    took: Duration,
    /// Each promise and what shows that it was broken.
    broken: Vec<(&'static str, Vec<String>)>,
    time_line: String,
    logs: String,
}

/// What senders saw while the broker took no connections.
#[derive(Clone, Copy, Debug)]
struct BrokerAway {
    time: Duration,
    receipts: usize,
    errors: usize,
}

impl Report {
    /// Compares what was seen with what is promised.
    pub(crate) fn new(found: Found, started: Instant, arguments: &Arguments) -> Self {
        let history = &found.history;
        let faults = history.faults();
        let Violations { lost, twice, out_of_order, changed, unexpected } = history.violations();
        let stalls = faults.iter().filter(|it| is_stall(it, arguments.rate)).map(describe_stall);
        let waits = history.waits();
        let recoveries = faults.iter().map(|it| it.recovery.unwrap_or_default());
        Self {
            receipts: history.receipts().len(),
            effects: history.effects().count(),
            faults: faults.len(),
            recoveries: summarise(faults),
            worst_stall: waits.chain(recoveries).max().unwrap_or_default(),
            broker_away: BrokerAway::new(history, &found.broker_absences),
            seed: arguments.seed,
            took: started.elapsed(),
            time_line: time_line(history, started, arguments.rate),
            broken: vec![
                ("lost", lost),
                ("twice", twice),
                ("out_of_order", out_of_order),
                ("changed", changed),
                ("unexpected", unexpected),
                ("refused", found.refused),
                ("orphaned_consumers", found.orphaned_consumers),
                ("missing_exchanges", found.missing_exchanges),
                ("stalls", stalls.collect()),
                ("healed_by_hand", found.by_hand),
                ("ended_by_themselves", found.ended),
            ],
            logs: found.logs,
        }
    }

    /// True when every promise was kept.
    pub(crate) fn is_kept(&self) -> bool {
        self.broken.iter().all(|(_, all)| all.is_empty())
    }

    /// Prints it.
    pub(crate) fn print(&self, as_json: bool) {
        if as_json {
            println!("{:#}", self.json());
        } else {
            let (receipts, effects, faults) = (self.receipts, self.effects, self.faults);
            let (took, seed) = (self.took.as_secs(), self.seed);
            println!(
                "{receipts} receipts, {effects} effects, {faults} faults in {took} s (seed {seed})"
            );
            for Recovery { fault, count, p50, worst } in &self.recoveries {
                let (p50, worst) = (p50.as_secs_f64(), worst.as_secs_f64());
                println!(
                    "{fault:>18}: {count:3} times, recovery p50 {p50:6.1} s, worst {worst:6.1} s"
                );
            }
            println!("longest stall: {:.1} s", self.worst_stall.as_secs_f64());
            let BrokerAway { time, receipts, errors } = self.broker_away;
            let time = time.as_secs();
            println!("the broker was away for {time} s: {receipts} receipts, {errors} errors");
        }
        if !self.is_kept() {
            eprintln!("{}\n{}", self.logs, self.time_line);
            for (what, list) in self.broken.iter().filter(|it| !it.1.is_empty()) {
                let shown = &list[..list.len().min(SHOWN_MAX)];
                eprintln!("{what}: {} {shown:#?}", list.len());
            }
            eprintln!("the same faults again: --seed {}", self.seed);
        }
    }

    fn json(&self) -> Value {
        let recoveries = self.recoveries.iter().map(|it| {
            let (p50, worst) = (it.p50.as_secs_f64(), it.worst.as_secs_f64());
            let value = json!({ "count": it.count, "p50_s": p50, "worst_s": worst });
            (it.fault.to_owned(), value)
        });
        let mut value = json!({
            "receipts": self.receipts,
            "effects": self.effects,
            "faults": self.faults,
            "worst_stall_s": self.worst_stall.as_secs_f64(),
            "recovery": recoveries.collect::<Map<_, _>>(),
            "broker_away_s": self.broker_away.time.as_secs_f64(),
            "receipts_while_broker_away": self.broker_away.receipts,
            "errors_while_broker_away": self.broker_away.errors,
            "seed": self.seed,
            "seconds": self.took.as_secs_f64(),
        });
        for (what, list) in &self.broken {
            value[*what] = json!(list.len());
        }
        value
    }
}

impl BrokerAway {
    fn new(history: &History, absences: &[(Instant, Instant)]) -> Self {
        let during =
            |at: Instant| absences.iter().any(|(from, until)| (*from..*until).contains(&at));
        Self {
            time: absences.iter().map(|(from, until)| *until - *from).sum(),
            receipts: history.receipts().iter().filter(|it| during(it.0)).count(),
            errors: history.failures().iter().filter(|it| during(**it)).count(),
        }
    }
}

/// True when documents stood still for longer than they may after this fault.
fn is_stall(fault: &FaultTime, rate: f64) -> bool {
    let documents = rate * (fault.until - fault.from).as_secs_f64();
    let limit = match fault.name {
        OLD_BACKLOG => STALL_MAX.max(BACKLOG_MAX.mul_f64(documents / 10_000.0)),
        _ => STALL_MAX,
    };
    fault.recovery.is_none_or(|it| it > limit)
}

fn describe_stall(fault: &FaultTime) -> String {
    match fault.recovery {
        Some(time) => format!("{}: {:.1} s", fault.name, time.as_secs_f64()),
        None => format!("{}: not by itself", fault.name),
    }
}

fn summarise(faults: &[FaultTime]) -> Vec<Recovery> {
    let mut kinds: BTreeMap<&'static str, Vec<Duration>> = BTreeMap::new();
    for it in faults {
        kinds.entry(it.name).or_default().extend(it.recovery);
    }
    let recovery = |(fault, mut times): (&'static str, Vec<Duration>)| Recovery {
        fault,
        count: times.len(),
        p50: percentile(&mut times, 0.5),
        worst: percentile(&mut times, 1.0),
    };
    kinds.into_iter().map(recovery).collect()
}
