//! The system under test: the roles as processes, a broker, a database.

#[path = "../../../../bus/tests/it/node.rs"]
mod node;

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use lienthong_tests::measure::descendant;
use lienthong_tests::roles::Roles;
use lienthong_tests::up::{Agency, http_get, write_registry};

use self::node::Node;
use crate::database::Database;

/// How long a consumer may stay at the broker after its reader has ended: a probe's own is gone when
/// the probe is.
const CONSUMERS_SETTLE: Duration = Duration::from_secs(15);

/// How long the bus may take to make its exchanges again.
const TOPOLOGY_SETTLE: Duration = Duration::from_secs(30);

/// Exchanges without which messages that cannot be routed or broadcasts are lost.
const EXCHANGES: [&str; 4] =
    ["lienthong.intake", "lienthong.delivery", "lienthong.control", "lienthong.stranded"];

/// Name of the broker's process.
const BROKER_PROCESS: &str = "beam.smp";

/// A running system.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) roles: Roles,
    pub(crate) broker: Node,
    pub(crate) database: Database,
    /// When the broker took no connections.
    pub(crate) broker_absences: Vec<(Instant, Instant)>,
    folder: tempfile::TempDir,
}

/// What a broker holds when it is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comeback {
    Same,
    Empty,
}

impl System {
    /// Starts everything, and waits until it is ready.
    pub(crate) fn start(agencies: &[Agency]) -> Self {
        let folder = tempfile::Builder::new().prefix("faults-").tempdir().unwrap();
        write_registry(&folder.path().join("registry"), agencies);
        let (broker, database) = (Node::start(1), Database::start());
        let roles = Roles::start(folder.path(), (&broker.url(0), &database.url()), &[]);
        Self { roles, broker, database, broker_absences: Vec::new(), folder }
    }

    /// Kills the broker and starts it again after a while; when it took connections again.
    pub(crate) fn take_broker_away(&mut self, time: Duration, comeback: Comeback) -> Instant {
        let from = Instant::now();
        self.broker.kill();
        sleep(time);
        if comeback == Comeback::Empty {
            self.broker.delete_data();
        }
        self.broker.restart();
        let back = Instant::now();
        self.broker_absences.push((from, back));
        back
    }

    /// Stops the broker's process and lets it go on; when it went on.
    pub(crate) fn stop_broker(&mut self, time: Duration) -> Instant {
        let id = descendant(BROKER_PROCESS).unwrap().to_string();
        let signal = |name: &str| Command::new("kill").args(["-s", name, &id]).status().unwrap();
        let from = Instant::now();
        signal("STOP");
        sleep(time);
        signal("CONT");
        let back = Instant::now();
        self.broker_absences.push((from, back));
        back
    }

    /// Starts roles that ended by themselves, as a supervisor would; their names.
    pub(crate) fn start_ended(&mut self) -> Vec<&'static str> {
        let ended = self.roles.ended();
        for role in &ended {
            self.roles.start_again(role);
        }
        ended
    }

    /// What an operator would see of readiness.
    pub(crate) fn readiness(&self) -> String {
        let is_ready = |role: &str| {
            let answer = http_get(self.roles.ops_port(role), "/readyz");
            match answer.as_deref().and_then(|it| it.split(' ').nth(1)) {
                Some(status) => format!("{role} {status}"),
                None => format!("{role} silent"),
            }
        };
        ROLES.map(is_ready).join(", ")
    }

    /// Queues whose number of consumers is not that of their readers: one that is left belongs to
    /// nobody any more and may hold messages, and one that is missing leaves a queue without a reader.
    pub(crate) fn orphaned_consumers(&self) -> Vec<String> {
        let limit = Instant::now() + CONSUMERS_SETTLE;
        loop {
            let found = self.unexpected_consumers();
            if found.is_empty() || Instant::now() > limit {
                return found;
            }
        }
    }

    fn unexpected_consumers(&self) -> Vec<String> {
        let queues = self.broker.control(&["list_queues", "-p", "v0", "name", "consumers"]);
        let wrong = |line: &str| {
            let (name, consumers) = line.split_once('\t')?;
            let consumers: u32 = consumers.trim().parse().ok()?;
            let expected = expected_consumers(name);
            let text = format!("{name} has {consumers} consumers instead of {expected:?}");
            (!expected.contains(&consumers)).then_some(text)
        };
        queues.lines().filter_map(wrong).collect()
    }

    /// Exchanges of the bus that the broker does not have, and that no role made again meanwhile.
    pub(crate) fn missing_exchanges(&self) -> Vec<String> {
        let limit = Instant::now() + TOPOLOGY_SETTLE;
        loop {
            let there = self.broker.control(&["list_exchanges", "-p", "v0", "name"]);
            let is_missing = |it: &&str| there.lines().all(|line| line.trim() != *it);
            let missing: Vec<_> = EXCHANGES.into_iter().filter(is_missing).collect();
            if missing.is_empty() || Instant::now() > limit {
                return missing.into_iter().map(ToOwned::to_owned).collect();
            }
        }
    }

    /// The last lines of each role's log, for a failure's report.
    pub(crate) fn logs(&self, lines: usize) -> String {
        let mut text = String::new();
        for role in ROLES {
            let log = std::fs::read_to_string(self.folder.path().join(format!("{role}.log")));
            let log = log.unwrap_or_default();
            let all: Vec<_> = log.lines().collect();
            text.push_str(&format!("== {role}\n"));
            text.push_str(&all[all.len().saturating_sub(lines)..].join("\n"));
            text.push('\n');
        }
        text
    }
}

/// The roles, in the order of their start.
pub(crate) const ROLES: [&str; 4] = ["registry", "journal", "mapping", "gateway"];

/// How many consumers a queue has while one process of each role runs: `intake` has mapping,
/// `stranded` the journal, a channel of an application the gateway while a session is open.
fn expected_consumers(queue: &str) -> std::ops::RangeInclusive<u32> {
    match queue.split('.').next().unwrap_or_default() {
        "intake" | "stranded" => 1..=1,
        "probe" => 0..=0,
        _ => 0..=1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_has_as_many_consumers_as_readers() {
        assert_eq!(expected_consumers("intake.3"), 1..=1);
        assert_eq!(expected_consumers("delivery.nhan-1-app"), 0..=1);
        assert_eq!(expected_consumers("probe"), 0..=0);
    }
}
