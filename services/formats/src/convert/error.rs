//! What a converter has to say: why a text is no value, or how it was read.

use std::borrow::Cow;

use crate::model::{DynMessage, FieldSchema, Value};

/// A text that a converter cannot read, in the words for the sender.
#[derive(Debug)]
pub(crate) struct ConvertError {
    pub(crate) vi: &'static str,
    pub(crate) en: &'static str,
    /// The code of the finding.
    pub(crate) code: &'static str,
    /// The text is a secrecy mark: the whole item is refused.
    pub(crate) is_secret: bool,
}

impl ConvertError {
    pub(super) fn new(vi: &'static str, en: &'static str) -> Self {
        Self { vi, en, code: "LT-MAP-020", is_secret: false }
    }
}

/// A value, and what the sender should know of how its text was read.
#[derive(Debug)]
pub(crate) struct Converted<'t> {
    pub(crate) value: Value<'t>,
    pub(crate) note: Option<ReadNote>,
}

impl<'t> From<Value<'t>> for Converted<'t> {
    fn from(value: Value<'t>) -> Self {
        Self { value, note: None }
    }
}

/// A finding about a text that was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReadNote {
    pub(crate) code: &'static str,
    /// What follows the quoted text in a sentence.
    pub(crate) vi: Cow<'static, str>,
    pub(crate) en: Cow<'static, str>,
    /// The value says less than the text, so the text is kept beside it.
    pub(crate) is_partial: bool,
}

/// A new message of the type that a field holds.
pub(super) fn new_message<'t>(field: &FieldSchema) -> Result<DynMessage<'t>, ConvertError> {
    let schema = field.message_schema();
    schema.map(DynMessage::new).ok_or_else(|| ConvertError::new("không phải phần", "is no message"))
}
