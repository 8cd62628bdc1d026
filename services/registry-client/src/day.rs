//! The calendar days by which validity is decided.

use jiff::Timestamp;
use jiff::tz::Offset;

/// Vietnam has one time zone without daylight saving time, UTC+7.
const VIETNAM_HOURS: i8 = 7;

/// The calendar day in Vietnam as `yyyy-mm-dd`; empty for a moment outside the calendar.
///
/// An empty day is covered only by periods without a first day.
pub fn day_in_vietnam(at_us: i64) -> String {
    Timestamp::from_microsecond(at_us)
        .map(|it| Offset::constant(VIETNAM_HOURS).to_datetime(it).date().to_string())
        .unwrap_or_default()
}

/// True when a period of validity covers a day; both ends belong to it, and an empty end is open.
///
/// Days are `yyyy-mm-dd` (the registry checks that), so they order as texts.
pub(crate) fn covers(first: &str, last: &str, day: &str) -> bool {
    (first.is_empty() || first <= day) && (last.is_empty() || day <= last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_vietnam() {
        const SECOND: i64 = 1_000_000;
        assert_eq!(day_in_vietnam(0), "1970-01-01");
        assert_eq!(day_in_vietnam(17 * 3_600 * SECOND - 1), "1970-01-01");
        assert_eq!(day_in_vietnam(17 * 3_600 * SECOND), "1970-01-02");
        assert_eq!(day_in_vietnam(1_709_139_600 * SECOND), "2024-02-29");
        assert_eq!(day_in_vietnam(i64::MAX), "");
    }

    #[test]
    fn both_ends_of_a_period_belong_to_it_and_an_empty_end_is_open() {
        assert!(covers("", "", "2026-07-01"));
        assert!(covers("2026-07-01", "2026-07-01", "2026-07-01"));
        assert!(!covers("2026-07-02", "", "2026-07-01"));
        assert!(!covers("", "2026-06-30", "2026-07-01"));
    }
}
