//! One run: clients, faults one after another, and the end in which everything must arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::Arguments;
use crate::history::{FaultTime, History};
use crate::load::{Clients, Event, RECEIVERS, SENDERS};
use crate::random::Random;
use crate::report::{Found, Report};
use crate::system::{FAULTS, Fault, System, fault};

/// How long the last documents may take to arrive.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(180);
/// Time without a fault after the start, so that each fault meets a running system.
const WARM_UP: Duration = Duration::from_secs(5);
/// Times between two faults.
const CALM: (u64, u64) = (4, 16);
/// Lengths of a fault that lasts.
const SEVERITY_SECONDS: [u64; 4] = [0, 2, 6, 14];
/// Lines of each role's log in the report of a failure.
const LOG_LINES: usize = 40;

/// Runs it.
pub(crate) fn run(arguments: &Arguments) -> Report {
    let agencies: Vec<_> = SENDERS.into_iter().chain(RECEIVERS).collect();
    let mut system = System::start(&agencies);
    let (events, seen) = channel();
    let clients = Clients {
        gateway: system.roles.gateway(),
        is_sending: Arc::new(AtomicBool::new(true)),
        is_receiving: Arc::new(AtomicBool::new(true)),
        events,
        numbers: Arc::new(AtomicU64::new(1)),
        seed: arguments.seed,
    };
    let mut observer = Observer { seen, history: History::default(), refused: Vec::new() };
    let rate = arguments.rate / SENDERS.len() as f64;
    let senders: Vec<_> = (0..SENDERS.len()).map(|it| clients.send(it, rate)).collect();
    let receivers: Vec<_> = (0..RECEIVERS.len()).map(|it| clients.receive(it)).collect();
    let started = Instant::now();
    observer.watch_for(WARM_UP);
    break_and_heal(&mut system, &mut observer, arguments);
    clients.is_sending.store(false, Ordering::Relaxed);
    join(senders);
    let limit = Instant::now() + ARRIVAL_LIMIT;
    while Instant::now() < limit {
        observer.watch_for(Duration::from_millis(300));
        if observer.history.missing().is_empty() {
            break;
        }
    }
    clients.is_receiving.store(false, Ordering::Relaxed);
    drop(clients);
    join(receivers);
    observer.watch_for(Duration::ZERO);
    let found = Found {
        history: observer.history,
        refused: observer.refused,
        orphaned_consumers: system.orphaned_consumers(),
        logs: system.logs(LOG_LINES),
    };
    Report::new(found, started, arguments.seed)
}

fn break_and_heal(system: &mut System, observer: &mut Observer, arguments: &Arguments) {
    let mut random = Random(arguments.seed);
    let chosen: Vec<&Fault> = match arguments.faults.is_empty() {
        true => FAULTS.iter().collect(),
        false => arguments.faults.iter().filter_map(|it| fault(it)).collect(),
    };
    let end = Instant::now() + Duration::from_secs_f64(arguments.minutes * 60.0);
    // Each kind comes once before one comes again.
    let mut rest: Vec<&Fault> = Vec::new();
    while Instant::now() < end {
        if rest.is_empty() {
            rest.clone_from(&chosen);
        }
        let fault = rest.swap_remove(random.below(rest.len()));
        let severity = SEVERITY_SECONDS[random.below(SEVERITY_SECONDS.len())];
        let from = Instant::now();
        eprintln!("{} ({severity} s), {} receipts", fault.name, observer.history.receipts());
        (fault.run)(system, Duration::from_secs(severity));
        observer.history.fault(FaultTime { name: fault.name, from, until: Instant::now() });
        let calm = CALM.0 + random.below((CALM.1 - CALM.0) as usize) as u64;
        observer.watch_for(Duration::from_secs(calm));
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
