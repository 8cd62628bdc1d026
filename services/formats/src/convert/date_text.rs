//! Reads dates and times as programs and people write them, in every form that has one reading only.
//!
//! All formats share this table. A description names the form that is written and is tried first;
//! `exactly` before it leaves this table out.
//!
//! | form | example | also |
//! |---|---|---|
//! | year first, with `/`, `-` or `.` | `2026/11/20`, `2026-11-20`, `2026.1.2` | a time behind it |
//! | day first, with `/`, `-` or `.` | `20/11/2026`, `5-1-2026`, `20 / 11 / 2026` | a time behind or before it |
//! | compact, years 1900 to 2199 | `20261120`, `20261120083000`, `20261120T0830` | |
//! | in words | `ngày 20 tháng 11 năm 2026` | without `ngày` |
//! | Microsoft JSON, milliseconds since 1970 | `/Date(1795107600000)/` | an offset: `+0700` |
//!
//! A time is `8:05`, `08:05:30` or `08:05:30.125`, may end in `SA`, `CH`, `AM` or `PM`, and then in a
//! zone: `Z`, `+07:00`, `+0700`, `GMT+7`. Without a zone it is Vietnam's. Digits and signs may be of
//! full width, as input methods for East Asian scripts write them.
//!
//! Never read: a month before its day, a year of two digits, a day and month that `AM` or `PM` makes
//! doubtful (`5/11/2026 9:00 AM` is the 11th of May where that is written), a bare number of seconds.

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, civil};

use crate::convert::digits::narrowed;

/// Seconds by which Vietnam is ahead of UTC. It has had no other offset since 1975.
pub(super) const VIETNAM_OFFSET_S: i32 = 7 * 3_600;

/// 1970-01-01T00:00:00Z.
const UNIX_EPOCH: DateTime = civil::datetime(1970, 1, 1, 0, 0, 0, 0);

/// Years of compact forms. Eight digits may be anything, and only these look like a date.
const COMPACT_YEARS: std::ops::RangeInclusive<i32> = 1900..=2199;

/// A date and time as a text states them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DateText {
    pub(super) date: Date,
    /// None: the text has no time of day.
    pub(super) time: Option<Time>,
    /// Seconds ahead of UTC; none: the text has no zone.
    pub(super) offset_s: Option<i32>,
}

/// Why a text is no date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DateError {
    /// No form of the table.
    Unknown,
    /// There is no such day or time.
    NotReal,
    /// The month stands before the day.
    MonthFirst,
    /// Day and month may be either.
    TwoReadings,
    /// The date only means that there is none.
    Sentinel,
}

impl DateText {
    /// Checks year, month, day, hour, minute and second.
    pub(super) fn new(
        [year, month, day]: [i32; 3],
        time: Option<Time>,
        offset_s: Option<i32>,
    ) -> Result<Self, DateError> {
        if (year, month, day) == (0, 0, 0) {
            return Err(DateError::Sentinel);
        }
        let date = civil_date(year, month, day).filter(|_| year >= 1).ok_or(DateError::NotReal)?;
        if is_sentinel(date) { Err(DateError::Sentinel) } else { Ok(Self { date, time, offset_s }) }
    }

    /// Seconds since 1970 UTC; without a zone the time is Vietnam's, without a time it is midnight.
    pub(super) fn seconds(&self) -> i64 {
        let local = DateTime::from_parts(self.date, self.time.unwrap_or(Time::midnight()));
        let seconds = local.duration_since(UNIX_EPOCH).as_secs();
        seconds - i64::from(self.offset_s.unwrap_or(VIETNAM_OFFSET_S))
    }

    /// The day. Midnight in the zone of the text is a program's way to write that day; any other
    /// time belongs to the day that Vietnam has then.
    pub(super) fn day(&self) -> Option<Date> {
        match (self.time, self.offset_s) {
            (Some(time), Some(offset_s)) if time != Time::midnight() => {
                let ahead = SignedDuration::from_secs((VIETNAM_OFFSET_S - offset_s).into());
                Some(DateTime::from_parts(self.date, time).checked_add(ahead).ok()?.date())
            }
            _ => Some(self.date),
        }
    }

    /// True when the text says more than the day: a time that is midnight neither in its own zone nor
    /// in Vietnam's.
    pub(super) fn says_time_of_day(&self) -> bool {
        let Some(time) = self.time.filter(|it| *it != Time::midnight()) else { return false };
        let offset_s = self.offset_s.unwrap_or(VIETNAM_OFFSET_S);
        let ahead = SignedDuration::from_secs((VIETNAM_OFFSET_S - offset_s).into());
        time.wrapping_add(ahead) != Time::midnight()
    }
}

/// A date of the calendar; none for one that does not exist.
pub(super) fn civil_date(year: i32, month: i32, day: i32) -> Option<Date> {
    Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()
}

/// A time of day; none for one that does not exist.
pub(super) fn civil_time([hour, minute, second]: [i32; 3], nanos: i32) -> Option<Time> {
    let (hour, minute) = (hour.try_into().ok()?, minute.try_into().ok()?);
    Time::new(hour, minute, second.try_into().ok()?, nanos).ok()
}

/// The first or last date of a system, or its day zero. Programs write it where they have none:
/// .NET, Windows, SQL Server (both types), OLE and Excel, Unix.
fn is_sentinel(date: Date) -> bool {
    matches!(
        (date.year(), date.month(), date.day()),
        (1 | 1601 | 1753 | 1900 | 1970, 1, 1) | (1899, 12, 30 | 31) | (2079, 6, 6) | (9999, 12, 31)
    )
}

/// Reads a text in any form of the table.
pub(super) fn read_any(text: &str) -> Result<DateText, DateError> {
    let text = narrowed(text.trim());
    let text = text.as_ref();
    if let Some(inner) = text.strip_prefix("/Date(").and_then(|it| it.strip_suffix(")/")) {
        return read_milliseconds(inner);
    }
    if text.starts_with(|it: char| it.is_ascii_digit()) && !text.contains("tháng") {
        read_numbers(text)
    } else {
        read_words(text)
    }
}

/// Milliseconds since 1970, with the offset in which the program wrote them.
fn read_milliseconds(text: &str) -> Result<DateText, DateError> {
    let end = text.get(1..).and_then(|it| it.find(['+', '-'])).map_or(text.len(), |it| it + 1);
    let (number, zone) = text.split_at_checked(end).ok_or(DateError::Unknown)?;
    let is_number = number.trim_start_matches('-').bytes().all(|it| it.is_ascii_digit());
    let milliseconds: i64 = number.parse().ok().filter(|_| is_number).ok_or(DateError::Unknown)?;
    let mut cursor = Cursor { rest: zone };
    let offset_s = if zone.is_empty() { VIETNAM_OFFSET_S } else { cursor.offset()? };
    let at = |offset_s: i32| {
        let since = SignedDuration::from_millis(milliseconds)
            .checked_add(SignedDuration::from_secs(offset_s.into()));
        UNIX_EPOCH.checked_add(since?).ok()
    };
    // The first and the last moment of a program are told in UTC.
    let is_none = |it: DateTime| is_sentinel(it.date()) && it.date().year() != 1970;
    if at(0).is_some_and(is_none) {
        return Err(DateError::Sentinel);
    }
    let local = at(offset_s).filter(|_| cursor.rest.is_empty()).ok_or(DateError::NotReal)?;
    let date = [local.year().into(), local.month().into(), local.day().into()];
    DateText::new(date, Some(local.time()), Some(offset_s))
}

/// `ngày 20 tháng 11 năm 2026`, as documents print it.
fn read_words(text: &str) -> Result<DateText, DateError> {
    let lower = text.to_lowercase();
    let lower = if lower.starts_with("ngày") { lower } else { format!("ngày {lower}") };
    let mut words = lower.split_whitespace();
    let mut next = || words.next().ok_or(DateError::Unknown);
    let mut numbers = [0; 3];
    for (name, number) in ["ngày", "tháng", "năm"].into_iter().zip(&mut numbers) {
        if next()? != name {
            return Err(DateError::Unknown);
        }
        let text = next()?;
        let is_short = text.len() <= 4 && text.bytes().all(|it| it.is_ascii_digit());
        *number = text.parse().ok().filter(|_| is_short).ok_or(DateError::Unknown)?;
    }
    let [day, month, year] = numbers;
    if words.next().is_some() || year < 1_000 {
        return Err(DateError::Unknown);
    }
    DateText::new([year, month, day], None, None)
}

/// A date with a time behind or before it.
fn read_numbers(text: &str) -> Result<DateText, DateError> {
    let mut cursor = Cursor { rest: text };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if text.get(digits..).is_some_and(|it| it.starts_with(':')) {
        let (time, _) = cursor.time()?;
        cursor.blanks()?;
        let (date, _) = cursor.date()?;
        return cursor.end().and_then(|()| DateText::new(date, Some(time), None));
    }
    if matches!(digits, 8 | 12 | 14) {
        return cursor.compact();
    }
    let (date, is_slashed) = cursor.date()?;
    if cursor.rest.is_empty() {
        return DateText::new(date, None, None);
    }
    if !cursor.eat("T") {
        cursor.blanks()?;
    }
    let (time, is_english) = cursor.time()?;
    let offset_s = cursor.zone()?;
    cursor.end()?;
    let [_, month, day] = date;
    if is_english && is_slashed && day <= 12 && day != month {
        return Err(DateError::TwoReadings);
    }
    DateText::new(date, Some(time), offset_s)
}

/// What is left of a text.
struct Cursor<'t> {
    rest: &'t str,
}

impl Cursor<'_> {
    fn eat(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A separator, with the blanks around it.
    fn eat_between(&mut self, separator: &str) -> Result<(), DateError> {
        let rest = self.rest.trim_start().strip_prefix(separator).ok_or(DateError::Unknown)?;
        self.rest = rest.trim_start();
        Ok(())
    }

    fn eat_before_digit(&mut self, text: &str) -> bool {
        let is_next = self
            .rest
            .strip_prefix(text)
            .is_some_and(|it| it.starts_with(|it: char| it.is_ascii_digit()));
        is_next && self.eat(text)
    }

    /// A number of at least and at most so many digits.
    fn number(&mut self, min: usize, max: usize) -> Result<i32, DateError> {
        let count = self.rest.bytes().take(max).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at_checked(count).ok_or(DateError::Unknown)?;
        self.rest = rest;
        digits.parse().ok().filter(|_| count >= min).ok_or(DateError::Unknown)
    }

    fn blanks(&mut self) -> Result<(), DateError> {
        let rest = self.rest.strip_prefix(',').unwrap_or(self.rest).trim_start();
        let is_blank = rest.len() < self.rest.len();
        self.rest = rest;
        if is_blank { Ok(()) } else { Err(DateError::Unknown) }
    }

    fn end(&self) -> Result<(), DateError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DateError::Unknown) }
    }

    /// Year, month and day, and whether the day stands first behind a slash, where others write the
    /// month.
    fn date(&mut self) -> Result<([i32; 3], bool), DateError> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let first = self.number(1, 4)?;
        let rest = self.rest.trim_start();
        let separator = ["/", "-", "."].into_iter().find(|it| rest.starts_with(it));
        let separator = separator.ok_or(DateError::Unknown)?;
        self.eat_between(separator)?;
        let month = self.number(1, 2)?;
        self.eat_between(separator)?;
        match digits {
            4 => Ok(([first, month, self.number(1, 2)?], false)),
            1 | 2 => {
                let year = self.number(4, 4)?;
                let is_month_first = month > 12 && (1..=12).contains(&first);
                if is_month_first && civil_date(year, first, month).is_some() {
                    return Err(DateError::MonthFirst);
                }
                Ok(([year, month, first], separator == "/"))
            }
            _ => Err(DateError::Unknown),
        }
    }

    /// The digits of a date, and those of a time.
    fn compact(&mut self) -> Result<DateText, DateError> {
        let date = [self.number(4, 4)?, self.number(2, 2)?, self.number(2, 2)?];
        if !date.first().is_some_and(|it| COMPACT_YEARS.contains(it)) {
            return Err(DateError::Unknown);
        }
        if self.rest.is_empty() {
            return DateText::new(date, None, None);
        }
        let has_blank = self.eat("T") || self.blanks().is_ok();
        let is_compact = self.rest.bytes().take(4).filter(u8::is_ascii_digit).count() == 4;
        let time = if is_compact {
            let (hour, minute) = (self.number(2, 2)?, self.number(2, 2)?);
            let second = if self.rest.starts_with(|it: char| it.is_ascii_digit()) {
                self.number(2, 2)?
            } else {
                0
            };
            civil_time([hour, minute, second], 0).ok_or(DateError::NotReal)?
        } else if has_blank {
            self.time()?.0
        } else {
            return Err(DateError::Unknown);
        };
        let offset_s = self.zone()?;
        self.end()?;
        DateText::new(date, Some(time), offset_s)
    }

    /// A time of day, and whether English words tell its half.
    fn time(&mut self) -> Result<(Time, bool), DateError> {
        let mut hour = self.number(1, 2)?;
        if !self.eat(":") {
            return Err(DateError::Unknown);
        }
        let minute = self.number(1, 2)?;
        let second = if self.eat(":") { self.number(1, 2)? } else { 0 };
        let has_fraction = [".", ","].into_iter().any(|it| self.eat_before_digit(it));
        let nanos = if has_fraction { self.fraction()? } else { 0 };
        let mut is_english = false;
        let words = self.rest.trim_start();
        let half: Option<String> = words.get(..2).map(str::to_ascii_uppercase);
        let is_afternoon = match half.as_deref() {
            Some("SA" | "AM") => Some(false),
            Some("CH" | "PM") => Some(true),
            _ => None,
        };
        if let Some(is_afternoon) = is_afternoon {
            is_english = half.is_some_and(|it| it.ends_with('M'));
            self.rest = words.get(2..).unwrap_or_default();
            hour = hour_of_half(hour, is_afternoon).ok_or(DateError::NotReal)?;
        }
        let time = civil_time([hour, minute, second], nanos).ok_or(DateError::NotReal)?;
        Ok((time, is_english))
    }

    /// The digits behind the point of a second. Those beyond nanoseconds are dropped.
    fn fraction(&mut self) -> Result<i32, DateError> {
        let count = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at_checked(count).ok_or(DateError::Unknown)?;
        self.rest = rest;
        let nanos: String = digits.chars().chain(std::iter::repeat('0')).take(9).collect();
        nanos.parse().ok().filter(|_| count > 0).ok_or(DateError::Unknown)
    }

    /// The offset of a zone; none where no zone stands.
    fn zone(&mut self) -> Result<Option<i32>, DateError> {
        self.rest = self.rest.trim_start();
        if self.rest.is_empty() {
            return Ok(None);
        }
        let is_utc = ["Z", "z", "UTC", "GMT"].into_iter().any(|it| self.eat(it));
        let offset_s =
            if is_utc && !self.rest.starts_with(['+', '-']) { 0 } else { self.offset()? };
        // Java names the zone behind its offset: `+07:00[Asia/Ho_Chi_Minh]`.
        if self.rest.starts_with('[') && self.rest.ends_with(']') {
            self.rest = "";
        }
        Ok(Some(offset_s))
    }

    /// `+07:00`, `+0700`, `+07` or `+7`, in seconds.
    fn offset(&mut self) -> Result<i32, DateError> {
        let sign = if self.eat("+") {
            1
        } else if self.eat("-") {
            -1
        } else {
            return Err(DateError::Unknown);
        };
        let hours = self.number(1, 2)?;
        let has_minutes = self.eat(":") || self.rest.starts_with(|it: char| it.is_ascii_digit());
        let minutes = if has_minutes { self.number(2, 2)? } else { 0 };
        if hours > 14 || minutes > 59 {
            return Err(DateError::NotReal);
        }
        Ok(sign * (hours * 3_600 + minutes * 60))
    }
}

/// The hour of the day. `13:00 CH` says the same twice; `13:00 SA` contradicts itself.
fn hour_of_half(hour: i32, is_afternoon: bool) -> Option<i32> {
    match (hour, is_afternoon) {
        (12, false) => Some(0),
        (0..=11, false) | (12..=23, true) => Some(hour),
        (1..=11, true) => Some(hour + 12),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
