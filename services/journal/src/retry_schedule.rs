//! When a message is tried again, and when it is published again. Pure: time and events go in, the
//! next counts and what to do come out.
//!
//! | tries with this one | `Deferred`, `Unavailable` | `Interrupted` | `Unsent` | `Begun` | `Due`, `Released`, `Redriven` |
//! |---|---|---|---|---|---|
//! | `Early`, to 2 | parked 10 s, 60 s | published | published, no try | in a session | published |
//! | `Middle`, 3 to 5 | parked 10 min, 1 h, 6 h | parked 10 s, 60 s, 10 min | published, no try | in a session | published |
//! | `Late`, 6 and 7 | dead letter | parked 1 h, 6 h | published, no try | in a session | published |
//! | `Over`, from 8 | dead letter | dead letter | published, no try | in a session | published |
//!
//! `Deferred` and `Begun` count the try, so an unsent message takes its own back. `Redriven` begins
//! the schedule anew. A try that progressed, and a wait that is over, begin the republishes anew.

use std::time::Duration;

const SECOND: i64 = 1_000_000;

/// How long a parked message waits before each of its next tries; after the last it is dead.
const WAITS_S: [i64; 5] = [10, 60, 600, 3_600, 21_600];

/// From this urgency on (flash), a parked message waits a quarter of the time.
const FLASH: u32 = 3;

/// Tries of one message from which on a short wait that its application requests counts as a step
/// of the schedule, so that no message is tried for ever.
const REQUESTED_MAX: i64 = 100;

/// Interrupted tries after which a message is published again at once. Later ones wait by the
/// schedule, so that a message that crashes its receiver does not crash it without a pause.
const AT_ONCE_MAX: i64 = 2;

/// The counts of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// Tries since the schedule began.
    pub(crate) tries: i64,
    /// All tries, whatever the schedule.
    pub(crate) attempt: i64,
    /// Publishes since the message last made progress.
    pub(crate) publishes: i64,
    pub(crate) urgency: u32,
}

/// What happens to a message, as far as its tries are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScheduleEvent {
    /// A session takes it.
    Begun,
    /// It could not be handled before any session began with it. `requested`: the wait that was
    /// asked for; zero: by the schedule.
    Deferred { requested: Duration },
    /// The application is away.
    Unavailable { requested: Duration },
    /// The session or the lease ended; another session may have it.
    Interrupted,
    /// It never left the gateway.
    Unsent,
    /// No word came of its publish, so it is published again.
    Due,
    /// Its wait is over, or what blocked it is.
    Released,
    /// An operator drives it again.
    Redriven,
}

/// What is to be done with a message now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// A session works on it.
    InSession,
    /// It is published now, and again at `deadline` when no word comes.
    Publish { deadline: i64 },
    /// It waits until its next try.
    Park { until: i64 },
    /// The schedule is over: it waits for an operator.
    Dead,
}

/// Where a message stands in its schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Early,
    Middle,
    Late,
    Over,
}

impl Stage {
    fn of(tries: i64) -> Self {
        match tries {
            ..=2 => Self::Early,
            3..=5 => Self::Middle,
            6..=7 => Self::Late,
            8.. => Self::Over,
        }
    }
}

impl Schedule {
    /// The counts after an event, and what is to be done.
    pub(crate) fn after(self, event: ScheduleEvent, now: i64) -> (Self, NextStep) {
        let counted = self.count(event);
        match (Stage::of(counted.tries), event) {
            (_, ScheduleEvent::Begun) => (counted, NextStep::InSession),
            (
                Stage::Early | Stage::Middle,
                ScheduleEvent::Deferred { requested } | ScheduleEvent::Unavailable { requested },
            ) => counted.park(now, counted.tries, requested),
            (Stage::Middle | Stage::Late, ScheduleEvent::Interrupted) => {
                counted.park(now, counted.tries - AT_ONCE_MAX, Duration::ZERO)
            }
            (
                Stage::Late | Stage::Over,
                ScheduleEvent::Deferred { .. } | ScheduleEvent::Unavailable { .. },
            )
            | (Stage::Over, ScheduleEvent::Interrupted) => (counted, NextStep::Dead),
            (Stage::Early, ScheduleEvent::Interrupted)
            | (
                _,
                ScheduleEvent::Unsent
                | ScheduleEvent::Due
                | ScheduleEvent::Released
                | ScheduleEvent::Redriven,
            ) => counted.publish(now),
        }
    }

    /// Takes back a publish that failed, which does not count.
    pub(crate) fn unpublished(self) -> Self {
        Self { publishes: (self.publishes - 1).max(0), ..self }
    }

    fn count(self, event: ScheduleEvent) -> Self {
        let Self { tries, attempt, publishes, urgency } = self;
        let (tries, attempt, publishes) = match event {
            ScheduleEvent::Begun => (tries + 1, attempt + 1, 0),
            ScheduleEvent::Deferred { .. } => (tries + 1, attempt + 1, publishes),
            ScheduleEvent::Unsent => (tries - 1, attempt - 1, publishes),
            ScheduleEvent::Unavailable { .. } | ScheduleEvent::Interrupted | ScheduleEvent::Due => {
                (tries, attempt, publishes)
            }
            ScheduleEvent::Released => (tries, attempt, 0),
            ScheduleEvent::Redriven => (0, attempt, 0),
        };
        Self { tries, attempt, publishes, urgency }
    }

    fn publish(self, now: i64) -> (Self, NextStep) {
        let published = Self { publishes: self.publishes + 1, ..self };
        (published, NextStep::Publish { deadline: publish_deadline(now, published.publishes) })
    }

    fn park(self, now: i64, tries: i64, requested: Duration) -> (Self, NextStep) {
        let (attempt, urgency) = (self.attempt, self.urgency);
        match next_try(now, FailedTry { tries: tries.max(1), attempt, urgency, requested }) {
            Some(next) => {
                let tries = self.tries - i64::from(!next.counts);
                (Self { tries, ..self }, NextStep::Park { until: next.at })
            }
            None => (self, NextStep::Dead),
        }
    }
}

/// The next try of a message, and whether it is a step of the schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct NextTry {
    pub(crate) at: i64,
    /// False: the application requested a shorter wait than the schedule's, which is no step of it.
    pub(crate) counts: bool,
}

/// A try that failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailedTry {
    /// Tries by the schedule, with this one.
    pub(crate) tries: i64,
    /// All tries, whatever the schedule.
    pub(crate) attempt: i64,
    pub(crate) urgency: u32,
    /// The wait that the application requested; zero: by the schedule.
    pub(crate) requested: Duration,
}

/// The next try after a failed one; none: the schedule is over.
pub(crate) fn next_try(now: i64, failed: FailedTry) -> Option<NextTry> {
    let step = usize::try_from(failed.tries.saturating_sub(1)).unwrap_or_default();
    let wait = WAITS_S.get(step)? * SECOND;
    let wait = if failed.urgency >= FLASH { wait / 4 } else { wait };
    let requested = i64::try_from(failed.requested.as_micros()).unwrap_or(i64::MAX).min(WAIT_MAX);
    let is_short = requested > 0 && requested < wait && failed.attempt < REQUESTED_MAX;
    let wait = if requested > 0 { requested } else { wait };
    Some(NextTry { at: now + wait, counts: !is_short })
}

/// The longest wait.
const WAIT_MAX: i64 = WAITS_S[4] * SECOND;

/// Wait for a message that a service publishes itself after its call returned.
const FIRST_PUBLISH: i64 = 30 * SECOND;

/// First wait for a message that the journal published and that no publisher reported as failed.
const REPUBLISH: i64 = 600 * SECOND;

/// When a message on its way is published again. A publish that failed is reported, and its message
/// is due sooner, so these waits are for messages lost unnoticed. They double from ten minutes to
/// six hours, so that an application that is away for days does not collect copies.
pub(crate) fn publish_deadline(now: i64, publishes: i64) -> i64 {
    if publishes == 0 {
        return now + FIRST_PUBLISH;
    }
    let doubled = REPUBLISH * (1 << (publishes - 1).clamp(0, 10));
    now + doubled.min(WAIT_MAX)
}

#[cfg(test)]
mod tests;
