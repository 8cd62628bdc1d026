//! Times, sizes and long texts as people read them.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};

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

/// The beginning of a day (`yyyy-mm-dd`) in Vietnam, microseconds since 1970 UTC.
///
/// # Errors
///
/// The text is not a day.
pub(crate) fn parse_day(text: &str) -> Result<i64, jiff::Error> {
    let date: Date = text.parse()?;
    Ok(date.to_zoned_datetime(vietnam())?.timestamp().as_microsecond())
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
