//! When things are tried again: pure tables and arithmetic.

use std::time::Duration;

const SECOND: i64 = 1_000_000;

/// How long a parked message waits before each of its next tries; after the last it is dead.
const WAITS_S: [i64; 5] = [10, 60, 600, 3_600, 21_600];

/// From this urgency on (flash), a parked message waits a quarter of the time.
const HURRIED: u32 = 3;

/// When a message that failed for the `attempt`th time is due again; none: its tries are over.
pub(crate) fn due(now: i64, attempt: i64, urgency: u32, asked: Duration) -> Option<i64> {
    let place = usize::try_from(attempt.saturating_sub(1)).unwrap_or_default();
    let wait = WAITS_S.get(place)? * SECOND;
    let wait = if urgency >= HURRIED { wait / 4 } else { wait };
    let asked = i64::try_from(asked.as_micros()).unwrap_or(i64::MAX).min(WAITS_S[4] * SECOND);
    Some(now + if asked > 0 { asked } else { wait })
}

/// When a message on its way is looked at again. The pauses grow, so that an application that is
/// away for days does not gather copies: half a minute, then twice as long each time, to six hours.
pub(crate) fn deadline(now: i64, driven: i64) -> i64 {
    let doubled = 30 * SECOND * (1 << driven.clamp(0, 10));
    now + doubled.min(WAITS_S[4] * SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_over_after_the_last_wait() {
        let waits: Vec<_> =
            (1..=6).map(|it| due(0, it, 0, Duration::ZERO).map(|it| it / SECOND)).collect();
        assert_eq!(waits, [Some(10), Some(60), Some(600), Some(3_600), Some(21_600), None]);
    }

    #[test]
    fn who_is_in_a_hurry_waits_less_and_who_names_a_time_gets_it() {
        assert_eq!(due(5, 2, 4, Duration::ZERO), Some(5 + 15 * SECOND));
        assert_eq!(due(0, 1, 0, Duration::from_secs(3)), Some(3 * SECOND));
    }

    #[test]
    fn deadlines_grow_to_a_bound() {
        assert_eq!(deadline(0, 0), 30 * SECOND);
        assert_eq!(deadline(0, 3), 240 * SECOND);
        assert_eq!(deadline(0, 99), 21_600 * SECOND);
    }
}
