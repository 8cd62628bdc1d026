//! The table of constructs: the only keys that a description may have, with the values they take.
//! The check of a description, the pages of `format explain` and the JSON Schema for editors are
//! made from it, and a test compares it with the types that a description is parsed to.

mod file;
mod rule;
mod syntax;

pub(crate) use file::{DETECT_KEYS, FILE_KEYS, LIST_KEYS};
pub(crate) use rule::RULE_KEYS;
pub(crate) use syntax::SYNTAXES;

use crate::diagnostic::Wording;

/// The values that a key takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ValueShape {
    Text,
    Whole,
    Boolean,
    /// One of these words.
    Word(&'static [&'static str]),
    Texts,
    TextOrTexts,
    /// Texts by text: code rows.
    TextMap,
    /// One or several texts by text: conditions.
    TextsMap,
    Syntax,
    DetectConditions,
    Lists,
    Rules,
    /// Rules by name.
    Parts,
}

/// A key of a description.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Construct {
    pub(crate) key: &'static str,
    pub(crate) shape: ValueShape,
    pub(crate) is_required: bool,
    pub(crate) meaning: Wording,
    /// Sections of a description that use it. What a description needs besides is added by
    /// `grammar_page::complete_example`.
    pub(crate) example: &'static str,
}

impl Construct {
    const fn required(
        key: &'static str,
        shape: ValueShape,
        meaning: Wording,
        example: &'static str,
    ) -> Self {
        Self { key, shape, is_required: true, meaning, example }
    }

    const fn optional(
        key: &'static str,
        shape: ValueShape,
        meaning: Wording,
        example: &'static str,
    ) -> Self {
        Self { key, shape, is_required: false, meaning, example }
    }
}

/// A text in both languages.
const fn words(vi: &'static str, en: &'static str) -> Wording {
    Wording { vi, en }
}

#[cfg(test)]
mod tests;
