//! Dates and times in the formats of a description; times are in Vietnam's time zone, which has had
//! no other offset since 1975 and is named by no native format.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};

use crate::convert::error::{ConvertError, new_message};
use crate::diagnostic::BilingualText;
use crate::model::{DynMessage, FieldSchema, Value};

/// 1970-01-01T00:00:00Z in Vietnam's local time, which is seven hours ahead.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 7, 0, 0, 0);

/// A date or time format such as `dd/MM/yyyy`.
///
/// An own parser, because `strptime` accepts white space and widths that a description does not
/// allow, and a text that two formats accept would be read by the wrong one.
#[derive(Clone, Debug)]
pub(crate) struct DateFormat(Vec<FormatItem>);

#[derive(Clone, Copy, Debug)]
enum FormatItem {
    /// Digits: index among year, month, day, hour, minute, second; number of digits.
    Number(usize, usize),
    Literal(char),
}

impl DateFormat {
    /// Parses a format in which `y`, `M`, `d`, `H`, `m`, `s` stand for digits. It must contain
    /// every letter of `required`.
    pub(super) fn parse(format: &str, required: &str) -> Result<Self, BilingualText> {
        if let Some(letter) = required.chars().find(|it| !format.contains(*it)) {
            return Err(BilingualText::new(
                format!("dạng `{format}` thiếu `{letter}`"),
                format!("the form `{format}` lacks `{letter}`"),
            ));
        }
        let mut items = Vec::new();
        let mut letters = format.chars().peekable();
        while let Some(letter) = letters.next() {
            let Some(index) = "yMdHms".find(letter) else {
                items.push(FormatItem::Literal(letter));
                continue;
            };
            let mut width = 1;
            while letters.next_if_eq(&letter).is_some() {
                width += 1;
            }
            items.push(FormatItem::Number(index, width));
        }
        Ok(Self(items))
    }

    /// True when a text in this format ends with the offset of Vietnam's time zone.
    fn names_zone(&self) -> bool {
        let literal = |it: &FormatItem| match it {
            FormatItem::Literal(letter) => Some(*letter),
            FormatItem::Number(..) => None,
        };
        let offset = self.0.get(self.0.len().saturating_sub(6)..).unwrap_or_default();
        offset.iter().filter_map(literal).eq("+07:00".chars())
    }

    /// True for a text in this format.
    pub(crate) fn reads(&self, text: &str) -> bool {
        self.read(text).is_some()
    }

    /// Year, month, day, hour, minute and second of a text in this format.
    fn read(&self, text: &str) -> Option<[i32; 6]> {
        let mut numbers = [0; 6];
        let mut rest = text;
        for item in &self.0 {
            let (index, width) = match item {
                FormatItem::Number(index, width) => (*index, *width),
                FormatItem::Literal(letter) => {
                    rest = rest.strip_prefix(*letter)?;
                    continue;
                }
            };
            let max = if width == 1 { 2 } else { width };
            let count = rest.bytes().take(max).take_while(u8::is_ascii_digit).count();
            if count == 0 || (width > 1 && count != width) {
                return None;
            }
            let (digits, after) = rest.split_at(count);
            *numbers.get_mut(index)? = digits.parse().ok()?;
            rest = after;
        }
        rest.is_empty().then_some(numbers)
    }

    /// The text of year, month, day, hour, minute and second in this format.
    fn write(&self, values: [i64; 6]) -> String {
        let mut text = String::with_capacity(20);
        for item in &self.0 {
            match item {
                FormatItem::Number(index, width) => {
                    push_digits(values.get(*index).copied().unwrap_or_default(), *width, &mut text);
                }
                FormatItem::Literal(letter) => text.push(*letter),
            }
        }
        text
    }

    /// The text of a point in time, seconds since 1970; none outside the years -9999 to 9999.
    pub(super) fn write_seconds(&self, seconds: i64) -> Option<String> {
        let at = EPOCH.checked_add(SignedDuration::from_secs(seconds)).ok()?;
        let (year, month, day) = (at.year(), at.month(), at.day());
        let numbers = [month, day, at.hour(), at.minute(), at.second()].map(i64::from);
        let [month, day, hour, minute, second] = numbers;
        Some(self.write([year.into(), month, day, hour, minute, second]))
    }
}

/// Appends a number with at least `width` digits. The formatting macros take several times as long
/// for the six numbers of a time.
fn push_digits(number: i64, width: usize, text: &mut String) {
    if number < 0 {
        text.push_str(&format!("{number:0width$}"));
        return;
    }
    let is_needed = |power: u32| number.checked_div(10_i64.pow(power)).is_some_and(|it| it > 0);
    let min = u32::try_from(width).unwrap_or(1).clamp(1, 18);
    let count = (min..18).find(|it| !is_needed(*it)).unwrap_or(18);
    for power in (0..count).rev() {
        let digit = u32::try_from(number / 10_i64.pow(power) % 10).unwrap_or_default();
        text.extend(char::from_digit(digit, 10));
    }
}

/// True for a date of the Gregorian calendar, years 1 to 9999.
pub(crate) fn is_date(year: i32, month: i32, day: i32) -> bool {
    year >= 1 && civil_date(year, month, day).is_some()
}

fn civil_date(year: i32, month: i32, day: i32) -> Option<Date> {
    Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()
}

pub(super) fn read_date<'t>(
    text: &str,
    formats: &[DateFormat],
    field: &FieldSchema,
) -> Result<Value<'t>, ConvertError> {
    let Some([year, month, day, ..]) = formats.iter().find_map(|it| it.read(text)) else {
        return Err(ConvertError::new("không đúng dạng ngày", "is no day of a known form"));
    };
    if !is_date(year, month, day) {
        return Err(ConvertError::new("ngày không có thật", "is a day that does not exist"));
    }
    let mut date = new_message(field)?;
    date.set_by_name("year", Value::I32(year));
    date.set_by_name("month", Value::I32(month));
    date.set_by_name("day", Value::I32(day));
    Ok(Value::Message(date))
}

/// The text of a `Date` message; none when its month or day is not known.
pub(super) fn write_date(date: &DynMessage<'_>, format: &DateFormat) -> Option<String> {
    let number = |name: &str| match date.get_by_name(name) {
        Some(Value::I32(it)) => i64::from(*it),
        _ => 0,
    };
    let (year, month, day) = (number("year"), number("month"), number("day"));
    (month > 0 && day > 0).then(|| format.write([year, month, day, 0, 0, 0]))
}

pub(super) fn read_moment<'t>(
    text: &str,
    format: &DateFormat,
    field: &FieldSchema,
) -> Result<Value<'t>, ConvertError> {
    let Some(numbers) = format.read(text) else {
        return Err(ConvertError::new("không đúng dạng thời gian", "is no time of the known form"));
    };
    let Some(seconds) = seconds_since_epoch(numbers) else {
        return Err(ConvertError::new("thời gian không có thật", "is a time that does not exist"));
    };
    let mut moment = new_message(field)?;
    let at_field = moment.schema.field("at");
    if let Some(message) = at_field.and_then(|it| moment.message_mut(it)) {
        message.set_by_name("seconds", Value::I64(seconds));
    }
    if !format.names_zone() {
        moment.set_by_name("zone_assumed", Value::Bool(true));
    }
    Ok(Value::Message(moment))
}

/// Seconds since 1970 UTC of a local time in Vietnam; none for a time that does not exist.
fn seconds_since_epoch([year, month, day, hour, minute, second]: [i32; 6]) -> Option<i64> {
    let date = civil_date(year, month, day).filter(|_| year >= 1)?;
    let (hour, minute) = (hour.try_into().ok()?, minute.try_into().ok()?);
    let time = Time::new(hour, minute, second.try_into().ok()?, 0).ok()?;
    Some(DateTime::from_parts(date, time).duration_since(EPOCH).as_secs())
}

/// The text of a `Moment` message; none for a time outside the years -9999 to 9999.
pub(super) fn write_moment(moment: &DynMessage<'_>, format: &DateFormat) -> Option<String> {
    let seconds = match moment.get_by_name("at") {
        Some(Value::Message(at)) => at.get_by_name("seconds"),
        _ => None,
    };
    // Proto3 omits a zero, so absent seconds are 1970-01-01T00:00:00Z.
    let Some(Value::I64(seconds)) = seconds else { return format.write_seconds(0) };
    format.write_seconds(*seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_three_centuries_are_read_and_written_in_order() {
        let format = DateFormat::parse("yyyy/MM/dd HH:mm:ss", "yMdHm").unwrap();
        let midnight = |it: i64| it * 86_400 - 7 * 3_600;
        // 1900-01-01 is day -25567 from 1970-01-01, 2200-12-31 is day 84370.
        let mut previous = (1899, 12, 31);
        for day in -25_567..=84_370 {
            let text = format.write_seconds(midnight(day)).unwrap();
            let numbers = format.read(&text).unwrap();
            assert_eq!(seconds_since_epoch(numbers), Some(midnight(day)), "{text}");
            let [year, month, of_month, ..] = numbers;
            assert!((year, month, of_month) > previous && is_date(year, month, of_month));
            previous = (year, month, of_month);
        }
        assert_eq!(previous, (2200, 12, 31));
        assert_eq!(format.write_seconds(0).as_deref(), Some("1970/01/01 07:00:00"));
        assert_eq!(format.write_seconds(i64::MAX), None);
        for absent in [[2026, 1, 1, 24, 0, 0], [2026, 1, 1, 0, 60, 0], [2026, 1, 1, 0, 0, 60]] {
            assert_eq!(seconds_since_epoch(absent), None);
        }
    }

    #[test]
    fn a_format_reads_what_it_writes_and_nothing_else() {
        let format = |it: &str| DateFormat::parse(it, "yMd").unwrap();
        let read = |text: &str, of: &str| format(of).read(text);
        assert_eq!(read("2026/11/20", "yyyy/MM/dd"), Some([2026, 11, 20, 0, 0, 0]));
        let written = format("dd/MM/yyyy HH:mm").write([2026, 1, 2, 3, 4, 0]);
        assert_eq!(written, "02/01/2026 03:04");
        assert_eq!(format("d.M.y").write([12345, 1, 20, 0, 0, 0]), "20.1.12345");
        assert_eq!(format("yyyy/M/d").write([-5, 10, 2, 0, 0, 0]), "-005/10/2");
        for wrong in ["20/11/2026", "2026/11/200", "2026/1/20", "2026/11/2x", ""] {
            assert_eq!(read(wrong, "yyyy/MM/dd"), None, "{wrong}");
        }
        assert!(!is_date(2023, 2, 29) && is_date(2024, 2, 29) && !is_date(2026, 13, 1));
        assert!(!is_date(0, 1, 1) && is_date(9999, 12, 31) && !is_date(10_000, 1, 1));
    }
}
