//! The native text of a field, and its length.

use std::borrow::Cow;

use crate::canonical_path::{PathSegment, find_value};
use crate::convert::{CodeScope, Converter, writable_text};
use crate::model::{DynMessage, Value};
use crate::plan::LeafRule;

/// The native text of a field.
pub(super) enum FieldText<'w> {
    Text(Cow<'w, str>),
    Absent,
    /// The format has no code for the value.
    NoCode,
    /// An item of a list holds the separator between the items.
    Unseparable,
}

impl<'w> FieldText<'w> {
    pub(super) fn text(self) -> Option<Cow<'w, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Absent | Self::NoCode | Self::Unseparable => None,
        }
    }
}

pub(super) fn text_of<'w>(
    message: &'w DynMessage<'_>,
    path: &[PathSegment],
    (leaf, codes): (&'w LeafRule, CodeScope<'w>),
) -> FieldText<'w> {
    let (Some(value), Some(last)) = (find_value(message, path), path.last()) else {
        return FieldText::Absent;
    };
    if leaf.converter.joins_separator(value) {
        return FieldText::Unseparable;
    }
    let text = match &leaf.unlisted {
        Some(unlisted) if leaf.converter.is_unlisted_value(value, last.field) => {
            find_value(message, unlisted).and_then(Value::as_text).map(Cow::Borrowed)
        }
        _ => leaf.converter.write(value, last.field, codes),
    };
    match (text.and_then(writable_text), &leaf.converter) {
        (Some(text), _) => FieldText::Text(text),
        (None, Converter::Code(_)) => FieldText::NoCode,
        (None, _) => FieldText::Absent,
    }
}

pub(super) fn is_longer(text: &str, max: Option<usize>) -> bool {
    max.is_some_and(|max| text.len() > max && text.chars().count() > max)
}

pub(super) fn truncate(text: Cow<'_, str>, max: Option<usize>) -> Cow<'_, str> {
    match max {
        Some(max) if is_longer(&text, Some(max)) => {
            // A reader trims, and would write another text the next time.
            let cut: String = text.chars().take(max).collect();
            Cow::Owned(cut.trim_end().to_owned())
        }
        _ => text,
    }
}
