//! Dates and times of the canonical model: read in every form with one reading, written in one.

use std::borrow::Cow;

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, civil};

use crate::convert::date_format::DateFormat;
use crate::convert::date_text::{
    DateError, DateText, VIETNAM_OFFSET_S, civil_date, civil_time, read_any,
};
use crate::convert::error::{ConvertError, Converted, ReadNote, new_message};
use crate::diagnostic::BilingualText;
use crate::model::{DynMessage, FieldSchema, Value};

/// 1970-01-01T00:00:00Z in Vietnam's local time, which is seven hours ahead.
const EPOCH: DateTime = civil::datetime(1970, 1, 1, 7, 0, 0, 0);

/// The forms in which a rule reads dates or times; the first one is written.
#[derive(Clone, Debug)]
pub(crate) struct DateForms {
    forms: Vec<DateFormat>,
    /// No other form is read.
    is_exact: bool,
}

impl DateForms {
    /// Parses `dd/MM/yyyy | yyyy-MM-dd`, or with `exactly` in front. Every form must contain every
    /// letter of `required`.
    pub(super) fn parse(spec: &str, required: &str) -> Result<Self, BilingualText> {
        let (is_exact, list) = match spec.strip_prefix("exactly ") {
            Some(list) => (true, list),
            None => (false, spec),
        };
        let forms = list.split('|').map(|it| DateFormat::parse(it.trim(), required));
        let forms: Vec<DateFormat> = forms.collect::<Result<_, _>>()?;
        let is_exact = is_exact || forms.iter().any(DateFormat::has_own_order);
        Ok(Self { forms, is_exact })
    }

    /// Which of the forms that the description names a text has.
    pub(crate) fn reading(&self, text: &str) -> Vec<bool> {
        self.forms.iter().map(|it| it.read(text).is_some()).collect()
    }

    fn read(&self, text: &str) -> Result<DateText, DateError> {
        for form in &self.forms {
            let Some([year, month, day, hour, minute, second]) = form.read(text) else { continue };
            let time = civil_time([hour, minute, second], 0).ok_or(DateError::NotReal)?;
            let offset_s = form.names_zone().then_some(VIETNAM_OFFSET_S);
            let time = form.has_time().then_some(time);
            let read = DateText::new([year, month, day], time, offset_s);
            // The table tells why it is none more exactly.
            let is_final = self.is_exact || read != Err(DateError::NotReal);
            return if is_final { read } else { read_any(text) };
        }
        if self.is_exact { Err(DateError::Unknown) } else { read_any(text) }
    }

    /// The text of a point in time, seconds since 1970; none outside the years -9999 to 9999.
    pub(super) fn write_seconds(&self, seconds: i64) -> Option<String> {
        Some(self.forms.first()?.write(local_numbers(seconds)?))
    }
}

/// Year to second of a point in time in Vietnam.
fn local_numbers(seconds: i64) -> Option<[i64; 6]> {
    let at = EPOCH.checked_add(SignedDuration::from_secs(seconds)).ok()?;
    let numbers = [at.month(), at.day(), at.hour(), at.minute(), at.second()].map(i64::from);
    let [month, day, hour, minute, second] = numbers;
    Some([at.year().into(), month, day, hour, minute, second])
}

/// True for a date of the Gregorian calendar, years 1 to 9999.
pub(crate) fn is_date(year: i32, month: i32, day: i32) -> bool {
    year >= 1 && civil_date(year, month, day).is_some()
}

pub(super) fn read_date<'t>(
    text: &str,
    forms: &DateForms,
    field: &FieldSchema,
) -> Result<Converted<'t>, ConvertError> {
    let read = forms.read(text).map_err(|it| error_of(it, true))?;
    let date: Date = read.day().ok_or_else(|| error_of(DateError::NotReal, true))?;
    let mut message = new_message(field)?;
    message.set_by_name("year", Value::I32(date.year().into()));
    message.set_by_name("month", Value::I32(date.month().into()));
    message.set_by_name("day", Value::I32(date.day().into()));
    let note = read.says_time_of_day().then_some(ReadNote {
        code: "LT-MAP-053",
        vi: Cow::Borrowed("có cả giờ; chỉ ngày được mang đi"),
        en: Cow::Borrowed("has a time of day; only the day is carried"),
        is_partial: true,
    });
    Ok(Converted { value: Value::Message(message), note })
}

/// The text of a `Date` message; none when its month or day is not known.
pub(super) fn write_date(date: &DynMessage<'_>, forms: &DateForms) -> Option<String> {
    let [year, month, day] = date_numbers(date);
    let form = forms.forms.first()?;
    (month > 0 && day > 0).then(|| form.write([year, month, day, 0, 0, 0]))
}

/// Year, month and day of a `Date` message; 0 for what is not known.
pub(super) fn date_numbers(date: &DynMessage<'_>) -> [i64; 3] {
    ["year", "month", "day"].map(|name| match date.get_by_name(name) {
        Some(Value::I32(it)) => i64::from(*it),
        _ => 0,
    })
}

/// Year, month and day of a `Moment` message in Vietnam.
pub(super) fn moment_numbers(moment: &DynMessage<'_>) -> Option<[i64; 3]> {
    let [year, month, day, ..] = local_numbers(seconds_of(moment))?;
    Some([year, month, day])
}

/// Seconds since 1970 of a `Moment` message. Proto3 omits a zero, so absent seconds are
/// 1970-01-01T00:00:00Z.
fn seconds_of(moment: &DynMessage<'_>) -> i64 {
    let at = moment.get_by_name("at").and_then(Value::as_message);
    match at.and_then(|it| it.get_by_name("seconds")) {
        Some(Value::I64(seconds)) => *seconds,
        _ => 0,
    }
}

pub(super) fn read_moment<'t>(
    text: &str,
    forms: &DateForms,
    field: &FieldSchema,
) -> Result<Value<'t>, ConvertError> {
    let read = forms.read(text).map_err(|it| error_of(it, false))?;
    let mut moment = new_message(field)?;
    let at_field = moment.schema.field("at");
    if let Some(message) = at_field.and_then(|it| moment.message_mut(it)) {
        message.set_by_name("seconds", Value::I64(read.seconds()));
        if let Some(nanos) = read.time.map(|it| it.subsec_nanosecond()).filter(|it| *it > 0) {
            message.set_by_name("nanos", Value::I32(nanos));
        }
    }
    if read.offset_s.is_none() {
        moment.set_by_name("zone_assumed", Value::Bool(true));
    }
    if read.time.is_none() {
        moment.set_by_name("day_only", Value::Bool(true));
    }
    Ok(Value::Message(moment))
}

/// The text of a `Moment` message; none for a time outside the years -9999 to 9999. Of a moment
/// without a time of day only the day is written.
pub(super) fn write_moment(moment: &DynMessage<'_>, forms: &DateForms) -> Option<String> {
    let numbers = local_numbers(seconds_of(moment))?;
    let form = forms.forms.first()?;
    let is_day_only = matches!(moment.get_by_name("day_only"), Some(Value::Bool(true)));
    let day = form.write_day(numbers).filter(|_| is_day_only && !forms.is_exact);
    Some(day.unwrap_or_else(|| form.write(numbers)))
}

/// The error of a day or of a time, in the words for the sender.
fn error_of(error: DateError, is_day: bool) -> ConvertError {
    let (vi, en) = match error {
        DateError::Unknown if is_day => ("không đúng dạng ngày", "is no day of a known form"),
        DateError::Unknown => ("không đúng dạng thời gian", "is no time of a known form"),
        DateError::NotReal if is_day => ("ngày không có thật", "is a day that does not exist"),
        DateError::NotReal => ("thời gian không có thật", "is a time that does not exist"),
        DateError::MonthFirst => {
            ("tháng đứng trước ngày, dạng này không đọc", "has the month first, which is not read")
        }
        DateError::TwoReadings => {
            ("ngày và tháng có thể đổi chỗ", "may be meant day first or month first")
        }
        DateError::Sentinel => {
            return ConvertError {
                code: "LT-MAP-054",
                ..ConvertError::new("chỉ có nghĩa là không có", "only means that there is none")
            };
        }
    };
    ConvertError::new(vi, en)
}

#[cfg(test)]
mod tests;
