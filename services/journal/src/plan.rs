//! When things are tried again: pure tables and arithmetic.

use std::time::Duration;

const SECOND: i64 = 1_000_000;

/// How long a parked message waits before each of its next tries; after the last it is dead.
const WAITS_S: [i64; 5] = [10, 60, 600, 3_600, 21_600];

/// From this urgency on (flash), a parked message waits a quarter of the time.
const HURRIED: u32 = 3;

/// Handovers of one message after which a short time that its application asks for counts as a
/// step all the same.
const ASKED_MAX: i64 = 100;

/// When a message is tried again, and whether that was one of its tries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Due {
    pub(crate) at: i64,
    /// False: it asked to be tried again sooner than the schedule does, which costs it nothing.
    pub(crate) counts: bool,
}

/// A message that failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed {
    /// How often by the schedule, with this time.
    pub(crate) tries: i64,
    /// How often it was handed over, ever.
    pub(crate) attempt: i64,
    pub(crate) urgency: u32,
    /// When to try again, as the application said; zero: by the schedule.
    pub(crate) asked: Duration,
}

/// When a message that failed is due again; none: its tries are over.
pub(crate) fn due(now: i64, failed: Failed) -> Option<Due> {
    let place = usize::try_from(failed.tries.saturating_sub(1)).unwrap_or_default();
    let wait = WAITS_S.get(place)? * SECOND;
    let wait = if failed.urgency >= HURRIED { wait / 4 } else { wait };
    let asked = i64::try_from(failed.asked.as_micros()).unwrap_or(i64::MAX).min(WAIT_MAX);
    let is_short = asked > 0 && asked < wait && failed.attempt < ASKED_MAX;
    Some(Due { at: now + if asked > 0 { asked } else { wait }, counts: !is_short })
}

/// The longest wait.
const WAIT_MAX: i64 = WAITS_S[4] * SECOND;

/// A message that nobody said was published is looked at after this long.
const UNHEARD: i64 = 30 * SECOND;

/// One that was driven, and that no publisher complained about, is in its channel.
const BEHIND: i64 = 600 * SECOND;

/// When a message on its way is looked at again. A publish that failed says so, and its message is
/// due sooner; so these pauses are for what is lost unseen. They grow, so that an application that
/// is away for days does not gather copies: ten minutes, then twice as long each time, to six hours.
pub(crate) fn deadline(now: i64, driven: i64) -> i64 {
    if driven == 0 {
        return now + UNHEARD;
    }
    let doubled = BEHIND * (1 << (driven - 1).clamp(0, 10));
    now + doubled.min(WAIT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(tries: i64) -> Failed {
        Failed { tries, attempt: tries, urgency: 0, asked: Duration::ZERO }
    }

    #[test]
    fn tries_are_over_after_the_last_wait() {
        let waits: Vec<_> = (1..=6).map(|it| due(0, failed(it)).map(|it| it.at / SECOND)).collect();
        assert_eq!(waits, [Some(10), Some(60), Some(600), Some(3_600), Some(21_600), None]);
    }

    #[test]
    fn who_is_in_a_hurry_waits_less_and_who_names_a_time_gets_it() {
        let hurried = due(5, Failed { urgency: 4, ..failed(2) });
        assert_eq!(hurried, Some(Due { at: 5 + 15 * SECOND, counts: true }));
        let short = Failed { asked: Duration::from_secs(3), ..failed(1) };
        assert_eq!(due(0, short), Some(Due { at: 3 * SECOND, counts: false }));
        let often = Failed { attempt: ASKED_MAX, ..short };
        assert_eq!(due(0, often), Some(Due { at: 3 * SECOND, counts: true }));
        let long = Failed { asked: Duration::from_secs(90_000), ..failed(1) };
        assert_eq!(due(0, long), Some(Due { at: WAIT_MAX, counts: true }));
    }

    #[test]
    fn deadlines_grow_to_a_bound() {
        assert_eq!(deadline(0, 0), 30 * SECOND);
        assert_eq!(deadline(0, 1), 600 * SECOND);
        assert_eq!(deadline(0, 3), 2_400 * SECOND);
        assert_eq!(deadline(0, 99), 21_600 * SECOND);
    }
}
