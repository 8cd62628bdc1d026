//! When a message is tried again: pure tables and arithmetic.

use std::time::Duration;

const SECOND: i64 = 1_000_000;

/// How long a parked message waits before each of its next tries; after the last it is dead.
const WAITS_S: [i64; 5] = [10, 60, 600, 3_600, 21_600];

/// From this urgency on (flash), a parked message waits a quarter of the time.
const FLASH: u32 = 3;

/// Tries of one message from which on a short wait that its application requests counts as a step
/// of the schedule, so that no message is tried for ever.
const REQUESTED_MAX: i64 = 100;

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
mod tests {
    use super::*;

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
}
