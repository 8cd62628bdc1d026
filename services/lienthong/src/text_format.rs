//! Times, sizes and long texts as people read them.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};
use name_folding::fold_words;

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// Vietnam has one time zone without daylight saving time, UTC+7.
fn vietnam() -> TimeZone {
    TimeZone::fixed(Offset::constant(7))
}

/// A time in Vietnam, day first, as official documents write it; empty for a time outside the
/// calendar.
pub(crate) fn local_time(at_us: i64) -> String {
    format_in_vietnam(at_us, "%d/%m/%Y %H:%M:%S")
}

/// A time of the system's clock in microseconds since 1970 UTC; 0 for an earlier one.
pub(crate) fn microseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A time for programs: RFC 3339, UTC.
pub(crate) fn rfc3339(at_us: i64) -> String {
    Timestamp::from_microsecond(at_us).map_or_else(|_| String::new(), |it| it.to_string())
}

/// The period that a text names, in Vietnam: beginning and end, microseconds since 1970 UTC. A day is
/// written as it is printed (`20/11/2026`), with hyphens or dots, as `2026-11-20`, or as `hôm nay`,
/// `hôm qua`, `today`, `yesterday`; a time behind it (`08:30`, `08:30:15`) names a minute or a second.
pub(crate) fn parse_period(text: &str, now_us: i64) -> Option<(i64, i64)> {
    let text = text.trim();
    let (day, time) = match text.rsplit_once([' ', 'T']) {
        Some((day, time)) if time.contains(':') => (day.trim(), Some(time)),
        _ => (text, None),
    };
    let date = parse_date(day, now_us)?;
    let (time, length) = match time {
        None => (Time::midnight(), DAY),
        Some(time) => {
            let length = if time.matches(':').count() == 1 { MINUTE } else { SECOND };
            (time.parse::<Time>().ok()?, length)
        }
    };
    let begin = date.to_datetime(time).to_zoned_datetime(vietnam()).ok()?;
    let begin_us = begin.timestamp().as_microsecond();
    let length_us = i64::try_from(length.as_micros()).ok()?;
    Some((begin_us, begin_us.checked_add(length_us)?))
}

fn parse_date(text: &str, now_us: i64) -> Option<Date> {
    let now = Timestamp::from_microsecond(now_us).ok()?.to_zoned_datetime(vietnam()).date();
    match fold_words(text).as_str() {
        "hom nay" | "nay" | "today" => return Some(now),
        "hom qua" | "yesterday" => return now.yesterday().ok(),
        _ => {}
    }
    let parts: Vec<&str> = text.split(['/', '-', '.']).collect();
    let [first, month, last] = parts.as_slice() else { return None };
    let (year, day) = if first.len() == 4 { (first, last) } else { (last, first) };
    if year.len() != 4 {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

fn format_in_vietnam(at_us: i64, pattern: &str) -> String {
    Timestamp::from_microsecond(at_us).map_or_else(
        |_| String::new(),
        |it| it.to_zoned_datetime(vietnam()).strftime(pattern).to_string(),
    )
}

/// A number of bytes with its unit.
pub(crate) fn byte_count(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{} kB", count / 1_000),
        _ => format!("{}.{} MB", count / 1_000_000, count % 1_000_000 / 100_000),
    }
}

/// A duration with its unit; empty when it was not measured.
pub(crate) fn duration(us: u64) -> String {
    match us {
        0 => String::new(),
        1..=999 => format!("{us} µs"),
        _ => format!("{}.{:01} ms", us / 1000, us % 1000 / 100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_they_are_printed() {
        let (begin, end) = parse_period("2026-11-20", 0).unwrap();
        assert_eq!(local_time(begin), "20/11/2026 00:00:00");
        assert_eq!(local_time(end), "21/11/2026 00:00:00");
        for text in ["20/11/2026", "20-11-2026", "20.11.2026", "20/11/2026 ", "2026/11/20"] {
            assert_eq!(parse_period(text, 0), Some((begin, end)), "{text}");
        }
        for text in ["hôm nay", "Hom Nay", "today"] {
            assert_eq!(parse_period(text, begin + 5), Some((begin, end)), "{text}");
        }
        assert_eq!(parse_period("hôm qua", end), Some((begin, end)));
        let (minute, after) = parse_period("20/11/2026 08:30", 0).unwrap();
        assert_eq!(
            (local_time(minute).as_str(), after - minute),
            ("20/11/2026 08:30:00", 60_000_000)
        );
        let second = parse_period("20/11/2026 08:30:15", 0).unwrap().0;
        assert_eq!(local_time(second), "20/11/2026 08:30:15");
        assert_eq!(parse_period("1/2/2026", 0), parse_period("2026-02-01", 0));
        for text in ["", "31/02/2026", "20/11", "11/2026", "20/11/26", "mai", "20/11/2026 25:00"] {
            assert_eq!(parse_period(text, 0), None, "{text}");
        }
    }
}
