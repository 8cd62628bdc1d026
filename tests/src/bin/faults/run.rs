//! One run: clients, faults one after another, and the end in which everything must arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::fault::{FAULTS, Fault, FaultContext, FaultTimes, OLD_BACKLOG, fault};
use crate::history::{FaultTime, History};
use crate::load::{Clients, Event, RECEIVERS, SENDERS};
use crate::random::Random;
use crate::recovery::recovery;
use crate::report::{Found, Report};
use crate::system::{ROLES, System};

/// How long the last documents may take to arrive.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(180);
/// Time without a fault after the start, so that each fault meets a running system.
const WARM_UP: Duration = Duration::from_secs(4);
/// Seconds between the recovery from a fault and the next one.
const CALM: (usize, usize) = (1, 5);
/// Lengths of a fault that lasts.
const SEVERITY_SECONDS: [u64; 4] = [0, 2, 6, 14];
/// How long a system that stands still is watched before its roles are started again by hand. A
/// backlog has longer.
const PATIENCE: Duration = Duration::from_secs(90);
const BACKLOG_PATIENCE: Duration = Duration::from_secs(300);
/// Lines of each role's log in the report of a failure.
const LOG_LINES: usize = 40;

/// Runs it.
pub(crate) fn run(arguments: &Arguments) -> Report {
    let agencies: Vec<_> = SENDERS.into_iter().chain(RECEIVERS).collect();
    let system = System::start(&agencies);
    let (events, seen) = channel();
    let clients = Clients {
        gateway: system.roles.gateway(),
        is_sending: Arc::new(AtomicBool::new(true)),
        is_receiving: Arc::new(AtomicBool::new(true)),
        away: Default::default(),
        events,
        numbers: Arc::new(AtomicU64::new(1)),
        seed: arguments.seed,
    };
    let observer = Observer { seen, history: History::default(), refused: Vec::new() };
    let rate = arguments.rate / SENDERS.len() as f64;
    let senders: Vec<_> = (0..SENDERS.len()).map(|it| clients.send(it, rate)).collect();
    let receivers: Vec<_> = (0..RECEIVERS.len()).map(|it| clients.receive(it)).collect();
    let started = Instant::now();
    let mut running = Running { system, clients, observer, by_hand: Vec::new(), ended: Vec::new() };
    running.observer.watch_for(WARM_UP);
    running.break_and_heal(arguments);
    running.clients.is_sending.store(false, Ordering::Relaxed);
    join(senders);
    let limit = Instant::now() + ARRIVAL_LIMIT;
    while Instant::now() < limit && running.observer.history.waiting().next().is_some() {
        running.watch_for(Duration::from_millis(300));
    }
    let orphaned_consumers = running.system.orphaned_consumers();
    let missing_exchanges = running.system.missing_exchanges();
    running.clients.is_receiving.store(false, Ordering::Relaxed);
    join(receivers);
    let Running { system, mut observer, by_hand, ended, .. } = running;
    observer.watch_for(Duration::ZERO);
    let found = Found {
        history: observer.history,
        refused: observer.refused,
        orphaned_consumers,
        missing_exchanges,
        by_hand,
        ended,
        logs: system.logs(LOG_LINES),
        broker_absences: system.broker_absences,
    };
    Report::new(found, started, arguments)
}

/// A run under way.
struct Running {
    system: System,
    clients: Clients,
    observer: Observer,
    /// Faults after which the roles had to be started again by hand, and what they said then.
    by_hand: Vec<String>,
    /// Roles whose process ended by itself.
    ended: Vec<String>,
}

impl Running {
    fn break_and_heal(&mut self, arguments: &Arguments) {
        let mut random = Random(arguments.seed);
        let chosen: Vec<&Fault> = match arguments.faults.is_empty() {
            true => FAULTS.iter().collect(),
            false => arguments.faults.iter().filter_map(|it| fault(it)).collect(),
        };
        let end = Instant::now() + Duration::from_secs_f64(arguments.minutes * 60.0);
        let rounds = arguments.rounds.unwrap_or(usize::MAX);
        let mut rest: Vec<&Fault> = Vec::new();
        for count in 0..rounds.saturating_mul(chosen.len()) {
            if Instant::now() > end {
                return;
            }
            // Each kind comes once before one comes again.
            if count % chosen.len() == 0 {
                rest.clone_from(&chosen);
            }
            let fault = rest.swap_remove(random.below(rest.len()));
            let lengths = SEVERITY_SECONDS.map(|it| it.min(arguments.longest_seconds));
            let times = FaultTimes {
                severity: Duration::from_secs(lengths[random.below(lengths.len())]),
                broker_away: Duration::from_secs(arguments.away_seconds),
                backlog: Duration::from_secs(arguments.backlog_seconds),
            };
            self.break_once(fault, times, &mut random);
            let calm = CALM.0 + random.below(CALM.1 - CALM.0);
            self.watch_for(Duration::from_secs(calm as u64));
        }
    }

    fn break_once(&mut self, fault: &Fault, times: FaultTimes, random: &mut Random) {
        let from = Instant::now();
        let receipts = self.observer.history.receipts().len();
        eprintln!("{receipts:7} receipts: {} ({} s)", fault.name, times.severity.as_secs());
        let Self { system, clients, .. } = self;
        let until = (fault.run)(&mut FaultContext { system, clients, random, times });
        let patience = if fault.name == OLD_BACKLOG { BACKLOG_PATIENCE } else { PATIENCE };
        let recovery = self.wait_for_recovery(until, patience);
        self.observer.history.fault(FaultTime { name: fault.name, from, until, recovery });
        match recovery {
            Some(time) => eprintln!("  flows again after {:.1} s", time.as_secs_f64()),
            None => self.heal_by_hand(fault.name),
        }
    }

    fn wait_for_recovery(&mut self, healed: Instant, patience: Duration) -> Option<Duration> {
        while healed.elapsed() < patience {
            self.watch_for(Duration::from_millis(200));
            let history = &self.observer.history;
            let found = recovery(history, SENDERS.len(), (healed, Instant::now()));
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Starts every role again, as a person would in the end, so that the next fault meets a running
    /// system.
    fn heal_by_hand(&mut self, fault: &'static str) {
        let words = format!("{fault}: nothing flows by itself; {}", self.system.readiness());
        eprintln!("  {words}");
        self.by_hand.push(words);
        let from = Instant::now();
        for role in ROLES {
            self.system.roles.kill(role);
            self.system.roles.start_again(role);
        }
        let until = Instant::now();
        let recovery = self.wait_for_recovery(until, PATIENCE);
        self.observer.history.fault(FaultTime { name: "by-hand", from, until, recovery });
    }

    /// Watches the clients, and starts what ended by itself.
    fn watch_for(&mut self, time: Duration) {
        self.observer.watch_for(time);
        let ended = self.system.start_ended();
        self.ended.extend(ended.into_iter().map(ToOwned::to_owned));
    }
}

fn join(threads: Vec<JoinHandle<()>>) {
    for it in threads {
        it.join().unwrap();
    }
}

/// Puts what the clients tell into the history.
struct Observer {
    seen: Receiver<Event>,
    history: History,
    refused: Vec<String>,
}

impl Observer {
    fn watch_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            while let Ok(event) = self.seen.try_recv() {
                match event {
                    Event::Accepted(accepted) => self.history.accept(accepted),
                    Event::Effect(effect) => self.history.effect(effect),
                    Event::OfferedAgain(id) => self.history.offer_again(id),
                    Event::Refused(what) => self.refused.push(what),
                    Event::Failed(at) => self.history.fail(at),
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            sleep(left.min(Duration::from_millis(50)));
        }
    }
}
