//! Tests of the retry schedule.

use super::*;
use crate::random::{Random, seeds};

fn failed(tries: i64) -> FailedTry {
    FailedTry { tries, attempt: tries, urgency: 0, requested: Duration::ZERO }
}

#[test]
fn tries_are_over_after_the_last_wait() {
    let waits: Vec<_> =
        (1..=6).map(|it| next_try(0, failed(it)).map(|it| it.at / SECOND)).collect();
    assert_eq!(waits, [Some(10), Some(60), Some(600), Some(3_600), Some(21_600), None]);
}

#[test]
fn urgent_messages_wait_less_and_a_requested_wait_is_kept() {
    let urgent = next_try(5, FailedTry { urgency: 4, ..failed(2) });
    assert_eq!(urgent, Some(NextTry { at: 5 + 15 * SECOND, counts: true }));
    let short = FailedTry { requested: Duration::from_secs(3), ..failed(1) };
    assert_eq!(next_try(0, short), Some(NextTry { at: 3 * SECOND, counts: false }));
    let often = FailedTry { attempt: REQUESTED_MAX, ..short };
    assert_eq!(next_try(0, often), Some(NextTry { at: 3 * SECOND, counts: true }));
    let long = FailedTry { requested: Duration::from_secs(90_000), ..failed(1) };
    assert_eq!(next_try(0, long), Some(NextTry { at: WAIT_MAX, counts: true }));
}

#[test]
fn publish_deadlines_grow_to_a_bound() {
    assert_eq!(publish_deadline(0, 0), 30 * SECOND);
    assert_eq!(publish_deadline(0, 1), 600 * SECOND);
    assert_eq!(publish_deadline(0, 3), 2_400 * SECOND);
    assert_eq!(publish_deadline(0, 99), 21_600 * SECOND);
}

const BEGUN: ScheduleEvent = ScheduleEvent::Begun;
const BY_SCHEDULE: Duration = Duration::ZERO;

#[test]
fn every_stage_and_event_has_its_step() {
    let unavailable = ScheduleEvent::Unavailable { requested: BY_SCHEDULE };
    let deferred = ScheduleEvent::Deferred { requested: BY_SCHEDULE };
    let park = |seconds| NextStep::Park { until: seconds * SECOND };
    let published = NextStep::Publish { deadline: REPUBLISH };
    // Tries with this one; unavailable or deferred; interrupted.
    let table = [
        (1, park(10), published),
        (2, park(60), published),
        (3, park(600), park(10)),
        (4, park(3_600), park(60)),
        (5, park(21_600), park(600)),
        (6, NextStep::Dead, park(3_600)),
        (7, NextStep::Dead, park(21_600)),
        (8, NextStep::Dead, NextStep::Dead),
        (9, NextStep::Dead, NextStep::Dead),
    ];
    for (tries, away, interrupted) in table {
        let before = Schedule { tries, attempt: tries + 3, ..Schedule::default() };
        let step = |event| before.after(event, 0).1;
        assert_eq!(step(unavailable), away, "unavailable after {tries}");
        assert_eq!(step(ScheduleEvent::Interrupted), interrupted, "interrupted after {tries}");
        let (tries, attempt) = (tries - 1, before.attempt - 1);
        let (counted, step) = Schedule { tries, attempt, ..before }.after(deferred, 0);
        assert_eq!((counted, step), (before, away), "deferred counts itself");
        let counts = |event| {
            let (after, step) = Schedule { publishes: 4, ..before }.after(event, 0);
            let is_published = matches!(step, NextStep::Publish { .. });
            (after.tries, after.attempt, after.publishes, is_published)
        };
        let (tries, attempt) = (before.tries, before.attempt);
        assert_eq!(counts(BEGUN), (tries + 1, attempt + 1, 0, false));
        assert_eq!(counts(ScheduleEvent::Unsent), (tries - 1, attempt - 1, 5, true));
        assert_eq!(counts(ScheduleEvent::Due), (tries, attempt, 5, true));
        assert_eq!(counts(ScheduleEvent::Released), (tries, attempt, 1, true));
        assert_eq!(counts(ScheduleEvent::Redriven), (0, attempt, 1, true));
    }
    assert_eq!(Schedule::default().unpublished(), Schedule::default(), "never below 0");
}

/// One message, what happens to it, and what the test itself counts.
struct World {
    random: Random,
    /// An application that is always away for a second.
    is_impatient: bool,
    now: i64,
    schedule: Schedule,
    step: NextStep,
    /// Tries that began or were deferred and were not unsent; in all, and since the last redrive.
    attempts: i64,
    since_redrive: i64,
    /// The last wait by the schedule after an absence, and after an interruption.
    waits: [i64; 2],
    /// The last wait for word of a publish.
    deadline: i64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let urgency = u32::try_from(random.below(5)).unwrap();
        let step = NextStep::Publish { deadline: publish_deadline(0, 0) };
        Self {
            is_impatient: random.one_in(4),
            random,
            now: 0,
            schedule: Schedule { urgency, ..Schedule::default() },
            step,
            attempts: 0,
            since_redrive: 0,
            waits: [0; 2],
            deadline: 0,
        }
    }

    fn apply(&mut self, event: ScheduleEvent) {
        let (after, step) = self.schedule.after(event, self.now);
        self.random.note(format!("{} {event:?}: {after:?} {step:?}", self.now));
        match event {
            ScheduleEvent::Begun | ScheduleEvent::Deferred { .. } => self.count(1),
            ScheduleEvent::Unsent => self.count(-1),
            ScheduleEvent::Redriven => (self.since_redrive, self.waits) = (0, [0; 2]),
            ScheduleEvent::Unavailable { .. }
            | ScheduleEvent::Interrupted
            | ScheduleEvent::Due
            | ScheduleEvent::Released => {}
        }
        assert_eq!(after.attempt, self.attempts, "attempts");
        assert!((0..=8).contains(&after.tries), "tries exceed the schedule");
        assert!(self.since_redrive <= REQUESTED_MAX + 8, "it is tried for ever");
        self.check_wait(event, step);
        (self.schedule, self.step) = (after, step);
    }

    fn count(&mut self, tries: i64) {
        self.attempts += tries;
        self.since_redrive += tries;
    }

    fn check_wait(&mut self, event: ScheduleEvent, step: NextStep) {
        let (requested, kind) = match event {
            ScheduleEvent::Deferred { requested } | ScheduleEvent::Unavailable { requested } => {
                (i64::try_from(requested.as_micros()).unwrap().min(WAIT_MAX), 0)
            }
            ScheduleEvent::Begun
            | ScheduleEvent::Interrupted
            | ScheduleEvent::Unsent
            | ScheduleEvent::Due
            | ScheduleEvent::Released
            | ScheduleEvent::Redriven => (0, 1),
        };
        let restarts = matches!(event, ScheduleEvent::Released | ScheduleEvent::Redriven);
        match step {
            NextStep::Park { until } if requested > 0 => assert_eq!(until - self.now, requested),
            NextStep::Park { until } => {
                let wait = until - self.now;
                assert!(wait > 0 && wait <= WAIT_MAX && wait >= self.waits[kind], "a wait shrinks");
                self.waits[kind] = wait;
            }
            NextStep::Publish { deadline } => {
                let wait = deadline - self.now;
                assert!(wait > 0 && wait <= WAIT_MAX, "published without a deadline");
                assert!(restarts || wait >= self.deadline, "a deadline shrinks");
                let again = event == ScheduleEvent::Due && self.deadline >= REPUBLISH;
                let doubled = (2 * self.deadline).min(WAIT_MAX);
                assert!(!again || wait == doubled, "an absent application collects copies");
                self.deadline = wait;
            }
            NextStep::InSession => self.deadline = 0,
            NextStep::Dead => {
                let last = if event == ScheduleEvent::Interrupted { 8 } else { 6 };
                assert!(self.schedule.tries + 1 >= last, "dead before the schedule is over");
            }
        }
    }

    fn step(&mut self) {
        let requested = if self.is_impatient { 1 } else { self.random.below(3) };
        let requested = match requested {
            0 => Duration::from_secs(1 + self.random.below(100_000) as u64),
            1 => Duration::from_secs(1),
            _ => BY_SCHEDULE,
        };
        // A duplicate or a late answer reaches the schedule only through the lease, which refuses it.
        let chosen = if self.is_impatient { 1 } else { self.random.below(10) };
        match (self.step, chosen) {
            (NextStep::Publish { .. }, 0..5) => self.apply(BEGUN),
            (NextStep::Publish { .. }, 5) => self.apply(ScheduleEvent::Deferred { requested }),
            (NextStep::Publish { .. }, 6) => {
                self.schedule = self.schedule.unpublished();
                self.deadline = 0;
            }
            (NextStep::Publish { .. }, 7) => self.apply(ScheduleEvent::Released),
            (NextStep::Publish { .. }, 8) => {
                // A start of the process.
                self.schedule.publishes = 0;
                self.deadline = 0;
            }
            (NextStep::Publish { deadline }, _) => {
                self.now = self.now.max(deadline);
                self.apply(ScheduleEvent::Due);
            }
            (NextStep::InSession, 0..4) => self.apply(ScheduleEvent::Unavailable { requested }),
            (NextStep::InSession, 4..7) => self.apply(ScheduleEvent::Interrupted),
            (NextStep::InSession, _) => self.apply(ScheduleEvent::Unsent),
            (NextStep::Park { .. }, 0) | (NextStep::Dead, 0..3) => {
                self.apply(ScheduleEvent::Redriven);
            }
            (NextStep::Park { until }, _) => {
                self.now = self.now.max(until);
                self.apply(ScheduleEvent::Released);
            }
            (NextStep::Dead, _) => self.now += SECOND,
        }
    }
}

#[test]
fn tries_end_and_waits_grow_through_random_failures() {
    for seed in seeds(200) {
        let mut world = World::new(seed);
        (0..2_000).for_each(|_| world.step());
    }
}
