//! The closed set of converters between a native text and a canonical value.

mod calendar;
mod converter;
mod error;
mod table;
mod text;

pub(crate) use calendar::is_date;
pub(crate) use converter::Converter;
pub(crate) use error::ConvertError;
pub(crate) use table::{CONVERTERS, CodeLists, parse_converter};
pub(crate) use text::{normalize_text, writable_text};
