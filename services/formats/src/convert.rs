//! The closed set of converters between a native text and a canonical value.

mod calendar;
mod converter;
mod error;
mod pattern;
mod table;
mod text;

pub(crate) use calendar::is_date;
pub(crate) use converter::Converter;
pub(crate) use error::ConvertError;
pub(crate) use pattern::{Pattern, PatternSpec};
pub(crate) use table::{CONVERTERS, CodeLists, parse_converter};
pub(crate) use text::{normalize_text, writable_text};
