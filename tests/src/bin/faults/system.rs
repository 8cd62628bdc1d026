//! The system under test: the roles as processes, a broker, a database, and what breaks them.

use std::thread::sleep;
use std::time::Duration;

use lienthong_tests::roles::Roles;
use lienthong_tests::up::{Agency, write_registry};

use crate::database::Database;
use crate::node::Node;

/// A running system.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) roles: Roles,
    pub(crate) broker: Node,
    pub(crate) database: Database,
    folder: tempfile::TempDir,
}

impl System {
    /// Starts everything, and waits until it is ready.
    pub(crate) fn start(agencies: &[Agency]) -> Self {
        let folder = tempfile::Builder::new().prefix("faults-").tempdir().unwrap();
        write_registry(&folder.path().join("registry"), agencies);
        let (broker, database) = (Node::start(1), Database::start());
        let roles = Roles::start(folder.path(), (&broker.url(0), &database.url()), &[]);
        Self { roles, broker, database, folder }
    }

    /// Queues that have more than one consumer, although each has one reader: the others belong to
    /// nobody any more.
    pub(crate) fn orphaned_consumers(&self) -> Vec<String> {
        let columns = ["list_queues", "-p", "v0", "name", "consumers", "messages_unacknowledged"];
        let queues = self.broker.control(&columns);
        let has_several = |line: &&str| {
            let consumers = line.split_whitespace().nth(1).and_then(|it| it.parse::<u32>().ok());
            consumers.is_some_and(|it| it > 1)
        };
        queues.lines().filter(has_several).map(str::to_owned).collect()
    }

    /// The last lines of each role's log, for a failure's report.
    pub(crate) fn logs(&self, lines: usize) -> String {
        let mut text = String::new();
        for role in ["registry", "journal", "mapping", "gateway"] {
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

/// Something that is broken, and healed, from outside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// Breaks the system, and heals what a person or a supervisor would: a killed process is
    /// started again, a stopped one goes on.
    pub(crate) run: fn(&mut System, Severity),
}

/// How long a fault lasts, of those for which that varies.
pub(crate) type Severity = Duration;

/// Every kind of fault.
pub(crate) const FAULTS: [Fault; 17] = [
    Fault { name: "kill-registry", run: |system, time| kill(system, "registry", time) },
    Fault { name: "kill-journal", run: |system, time| kill(system, "journal", time) },
    Fault { name: "kill-mapping", run: |system, time| kill(system, "mapping", time) },
    Fault { name: "kill-gateway", run: |system, time| kill(system, "gateway", time) },
    Fault { name: "stop-registry", run: |system, time| stop(system, "registry", time) },
    Fault { name: "stop-journal", run: |system, time| stop(system, "journal", time) },
    Fault { name: "stop-mapping", run: |system, time| stop(system, "mapping", time) },
    Fault { name: "stop-gateway", run: |system, time| stop(system, "gateway", time) },
    Fault { name: "flap-journal", run: |system, _| flap(system, "journal") },
    Fault { name: "flap-mapping", run: |system, _| flap(system, "mapping") },
    Fault { name: "kill-database", run: kill_database },
    Fault { name: "stop-database", run: stop_database },
    Fault { name: "flap-database", run: flap_database },
    Fault { name: "kill-broker", run: kill_broker },
    Fault { name: "delete-broker", run: delete_broker },
    Fault { name: "close-connections", run: close_connections },
    Fault { name: "delete-exchanges", run: delete_exchanges },
];

/// The fault of this name.
pub(crate) fn fault(name: &str) -> Option<&'static Fault> {
    FAULTS.iter().find(|it| it.name == name)
}

fn kill(system: &mut System, role: &str, time: Duration) {
    system.roles.kill(role);
    sleep(time);
    system.roles.restart(role);
}

fn stop(system: &mut System, role: &str, time: Duration) {
    system.roles.signal(role, "STOP");
    sleep(time);
    system.roles.signal(role, "CONT");
}

/// Kills a role again as soon as it is ready, five times.
fn flap(system: &mut System, role: &str) {
    for _ in 0..5 {
        kill(system, role, Duration::from_millis(200));
    }
}

fn kill_database(system: &mut System, time: Duration) {
    system.database.kill();
    sleep(time);
    system.database.restart();
}

fn stop_database(system: &mut System, time: Duration) {
    system.database.signal("STOP");
    sleep(time);
    system.database.signal("CONT");
}

/// Kills the database again and again at short intervals, while documents flow (V1).
fn flap_database(system: &mut System, _: Duration) {
    for number in 0..6 {
        kill_database(system, Duration::from_millis(300));
        sleep(Duration::from_millis(700 * (1 + number % 3)));
    }
}

fn kill_broker(system: &mut System, time: Duration) {
    system.broker.kill();
    sleep(time);
    system.broker.restart();
}

/// The broker comes back without anything it held (V2).
fn delete_broker(system: &mut System, time: Duration) {
    system.broker.kill();
    sleep(time);
    system.broker.delete_data();
    system.broker.restart();
}

fn close_connections(system: &mut System, _: Duration) {
    system.broker.control(&["close_all_connections", "a fault of a test"]);
}

/// Deletes the exchanges of the bus (V9).
fn delete_exchanges(system: &mut System, _: Duration) {
    let names = system.broker.control(&["list_exchanges", "-p", "v0", "name"]);
    for name in names.lines().map(str::trim) {
        if name.is_empty() || name == "name" || name.starts_with("amq.") {
            continue;
        }
        let expression = format!(
            "rabbit_exchange:delete({{resource, <<\"v0\">>, exchange, <<\"{name}\">>}}, false, <<\"test\">>)."
        );
        system.broker.control(&["eval", &expression]);
    }
}
