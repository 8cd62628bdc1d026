//! The closed set of converters between a native text and a canonical value.

mod calendar;
mod code;
mod code_list_set;
mod converter;
mod date_format;
mod date_text;
mod day;
mod digits;
mod error;
mod pattern;
mod table;
mod text;

pub(crate) use calendar::is_date;
pub(crate) use code::CodeScope;
pub use code_list_set::CodeListSet;
pub(crate) use converter::Converter;
pub(crate) use day::Day;
pub(crate) use error::{ConvertError, Converted, ReadNote};
pub(crate) use pattern::{Pattern, PatternSpec};
pub(crate) use table::{CONVERTERS, CodeLists, parse_converter};
pub(crate) use text::{normalize_text, writable_text};
