//! The calendar day by which codes are valid: that of the document, not of its conversion.

use std::fmt;

use crate::convert::calendar::{date_numbers, moment_numbers};
use crate::model::Value;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day {
    year: i64,
    month: i64,
    day: i64,
}

impl Day {
    /// A day of the registry, `yyyy-mm-dd`; none for an open end.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-').map(str::parse);
        let mut next = || parts.next()?.ok();
        Some(Self { year: next()?, month: next()?, day: next()? })
    }

    /// The day of a `Date` or a `Moment`; none for another value, or when the day is not known.
    pub(crate) fn of_value(value: &Value<'_>) -> Option<Self> {
        let message = value.as_message()?;
        let [year, month, day] = match message.schema.name.as_str() {
            "Date" => date_numbers(message),
            "Moment" => moment_numbers(message)?,
            _ => return None,
        };
        (month > 0 && day > 0).then_some(Self { year, month, day })
    }
}

impl fmt::Display for Day {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(into, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}
