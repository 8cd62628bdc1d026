//! Why a native text is no value of a canonical field.

use crate::model::{DynMessage, FieldSchema};

/// A text that a converter cannot read, in the words for the sender.
#[derive(Debug)]
pub(crate) struct ConvertError {
    pub(crate) vi: &'static str,
    pub(crate) en: &'static str,
    /// The text is a secrecy mark: the whole item is refused.
    pub(crate) is_secret: bool,
}

impl ConvertError {
    pub(super) fn new(vi: &'static str, en: &'static str) -> Self {
        Self { vi, en, is_secret: false }
    }
}

/// A new message of the type that a field holds.
pub(super) fn new_message<'t>(field: &FieldSchema) -> Result<DynMessage<'t>, ConvertError> {
    let schema = field.message_schema();
    schema.map(DynMessage::new).ok_or_else(|| ConvertError::new("không phải phần", "is no message"))
}
