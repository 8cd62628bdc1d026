//! What is broken, and healed, from outside. A fault does what an accident and then a person or a
//! supervisor would do: a killed process is started again, a stopped one goes on.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::broker_access::{alter_bodies, delete_queue, purge_queue};
use crate::load::{Clients, RECEIVERS};
use crate::random::Random;
use crate::system::{Comeback, System};

/// How long a receiver is away before what waits for it is touched at the broker.
const ABSENCE: Duration = Duration::from_secs(4);
/// How long the broker takes to give back what a killed process had not acknowledged.
const RETURN_TIME: Duration = Duration::from_secs(1);
/// How often something flaps.
const FLAPS: usize = 5;
/// The number of partitions of `intake`, the default of the setting `bus.partitions`.
const PARTITIONS: usize = 8;

/// What a fault may touch.
pub(crate) struct FaultContext<'a> {
    pub(crate) system: &'a mut System,
    pub(crate) clients: &'a Clients,
    pub(crate) random: &'a mut Random,
    pub(crate) times: FaultTimes,
}

/// How long faults last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultTimes {
    /// A fault whose length varies.
    pub(crate) severity: Duration,
    /// `broker-away`.
    pub(crate) broker_away: Duration,
    /// How long documents wait for a receiver in `old-backlog`.
    pub(crate) backlog: Duration,
}

/// A kind of fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// Breaks the system and heals it; returns when it was healed: when a role's process was
    /// started, or when a broker or database took connections again.
    pub(crate) run: fn(&mut FaultContext<'_>) -> Instant,
}

/// The fault whose recovery depends on how many documents wait.
pub(crate) const OLD_BACKLOG: &str = "old-backlog";

/// Every kind of fault.
pub(crate) const FAULTS: [Fault; 27] = [
    Fault { name: "kill-registry", run: |it| kill(it, "registry") },
    Fault { name: "kill-journal", run: |it| kill(it, "journal") },
    Fault { name: "kill-mapping", run: |it| kill(it, "mapping") },
    Fault { name: "kill-gateway", run: |it| kill(it, "gateway") },
    Fault { name: "stop-registry", run: |it| stop(it, "registry") },
    Fault { name: "stop-journal", run: |it| stop(it, "journal") },
    Fault { name: "stop-mapping", run: |it| stop(it, "mapping") },
    Fault { name: "stop-gateway", run: |it| stop(it, "gateway") },
    Fault { name: "flap-registry", run: |it| flap(it, "registry") },
    Fault { name: "flap-journal", run: |it| flap(it, "journal") },
    Fault { name: "flap-mapping", run: |it| flap(it, "mapping") },
    Fault { name: "flap-gateway", run: |it| flap(it, "gateway") },
    Fault { name: "kill-database", run: kill_database },
    Fault { name: "stop-database", run: stop_database },
    Fault { name: "flap-database", run: flap_database },
    Fault { name: "kill-broker", run: |it| take_broker_away(it, it.times.severity) },
    Fault { name: "stop-broker", run: stop_broker },
    Fault { name: "flap-broker", run: flap_broker },
    Fault { name: "broker-away", run: |it| take_broker_away(it, it.times.broker_away) },
    Fault { name: "delete-broker", run: delete_broker },
    Fault { name: OLD_BACKLOG, run: delete_broker_with_backlog },
    Fault { name: "close-connections", run: close_connections },
    Fault { name: "delete-exchanges", run: delete_exchanges },
    Fault { name: "delete-intake", run: delete_intake },
    Fault { name: "delete-delivery", run: delete_delivery },
    Fault { name: "purge-delivery", run: purge_delivery },
    Fault { name: "alter-body", run: alter_body },
];

/// The fault of this name.
pub(crate) fn fault(name: &str) -> Option<&'static Fault> {
    FAULTS.iter().find(|it| it.name == name)
}

fn kill(context: &mut FaultContext<'_>, role: &str) -> Instant {
    context.system.roles.kill(role);
    sleep(context.times.severity);
    context.system.roles.start_again(role);
    Instant::now()
}

fn stop(context: &mut FaultContext<'_>, role: &str) -> Instant {
    context.system.roles.signal(role, "STOP");
    sleep(context.times.severity);
    context.system.roles.signal(role, "CONT");
    Instant::now()
}

/// A pause between two kills, 2 to 4 s.
fn pause(random: &mut Random) -> Duration {
    Duration::from_millis(2_000 + random.below(2_001) as u64)
}

fn flap(context: &mut FaultContext<'_>, role: &str) -> Instant {
    for _ in 1..FLAPS {
        context.system.roles.kill(role);
        context.system.roles.start_again(role);
        sleep(pause(context.random));
    }
    context.system.roles.kill(role);
    context.system.roles.start_again(role);
    Instant::now()
}

fn kill_database(context: &mut FaultContext<'_>) -> Instant {
    context.system.database.kill();
    sleep(context.times.severity);
    context.system.database.restart();
    Instant::now()
}

fn stop_database(context: &mut FaultContext<'_>) -> Instant {
    context.system.database.signal("STOP");
    sleep(context.times.severity);
    context.system.database.signal("CONT");
    Instant::now()
}

/// Kills the database again and again at short intervals while documents flow: a partition of
/// `intake` once stood still for good after it.
fn flap_database(context: &mut FaultContext<'_>) -> Instant {
    for number in 0..=FLAPS {
        context.system.database.kill();
        sleep(Duration::from_millis(300));
        context.system.database.restart();
        if number < FLAPS {
            sleep(pause(context.random));
        }
    }
    Instant::now()
}

fn take_broker_away(context: &mut FaultContext<'_>, time: Duration) -> Instant {
    context.system.take_broker_away(time, Comeback::Same)
}

fn stop_broker(context: &mut FaultContext<'_>) -> Instant {
    context.system.stop_broker(context.times.severity)
}

fn flap_broker(context: &mut FaultContext<'_>) -> Instant {
    for _ in 1..FLAPS {
        context.system.take_broker_away(Duration::ZERO, Comeback::Same);
        sleep(pause(context.random));
    }
    context.system.take_broker_away(Duration::ZERO, Comeback::Same)
}

/// The broker comes back without anything that it held.
fn delete_broker(context: &mut FaultContext<'_>) -> Instant {
    context.system.take_broker_away(context.times.severity, Comeback::Empty)
}

/// A receiver was away for long, and the broker lost what waited for it.
fn delete_broker_with_backlog(context: &mut FaultContext<'_>) -> Instant {
    context.clients.set_away(0, true);
    sleep(context.times.backlog);
    let healed = context.system.take_broker_away(Duration::ZERO, Comeback::Empty);
    context.clients.set_away(0, false);
    healed
}

fn close_connections(context: &mut FaultContext<'_>) -> Instant {
    context.system.broker.control(&["close_all_connections", "a fault of a test"]);
    Instant::now()
}

/// Deletes the exchanges of the bus.
fn delete_exchanges(context: &mut FaultContext<'_>) -> Instant {
    let names = context.system.broker.control(&["list_exchanges", "-p", "v0", "name"]);
    let own = |it: &&str| !it.is_empty() && *it != "name" && !it.starts_with("amq.");
    let deleting = names.lines().map(str::trim).filter(own).map(|name| {
        format!(
            "rabbit_exchange:delete({{resource, <<\"v0\">>, exchange, <<\"{name}\">>}}, false, \
             <<\"test\">>)"
        )
    });
    let expression = format!("{}.", deleting.collect::<Vec<_>>().join(", "));
    context.system.broker.control(&["eval", &expression]);
    Instant::now()
}

fn delete_intake(context: &mut FaultContext<'_>) -> Instant {
    let partition = context.random.below(PARTITIONS);
    delete_queue(&context.system.broker.url(0), &format!("intake.{partition}"));
    Instant::now()
}

fn delete_delivery(context: &mut FaultContext<'_>) -> Instant {
    delete_queue(&context.system.broker.url(0), &delivery_queue(context.random));
    Instant::now()
}

fn delivery_queue(random: &mut Random) -> String {
    queue_of(random.below(RECEIVERS.len()))
}

fn queue_of(receiver: usize) -> String {
    format!("delivery.{}-app", RECEIVERS[receiver].key)
}

/// Somebody with the broker's password empties a queue in which documents wait.
fn purge_delivery(context: &mut FaultContext<'_>) -> Instant {
    while_documents_wait(context, purge_queue)
}

/// Somebody with the broker's password changes documents in a queue, and leaves their ids.
fn alter_body(context: &mut FaultContext<'_>) -> Instant {
    while_documents_wait(context, alter_bodies)
}

/// Does something to the queue of a receiver that is away.
fn while_documents_wait(context: &mut FaultContext<'_>, touch: fn(&str, &str) -> usize) -> Instant {
    let receiver = context.random.below(RECEIVERS.len());
    context.clients.set_away(receiver, true);
    sleep(ABSENCE + context.times.severity);
    // What the gateway has taken and nobody has asked for goes back to the queue.
    context.system.roles.kill("gateway");
    sleep(RETURN_TIME);
    let touched = touch(&context.system.broker.url(0), &queue_of(receiver));
    eprintln!("  {touched} documents at the broker touched");
    context.system.roles.start_again("gateway");
    context.clients.set_away(receiver, false);
    Instant::now()
}
