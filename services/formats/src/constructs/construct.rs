//! A key of a description, and the values that it takes.

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
    /// In a profile: options of the syntax.
    PartnerSyntax,
    /// In a profile: code rows by the name of their list.
    PartnerLists,
    /// In a profile: changed keys by native path.
    PartnerPlaces,
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
    pub(super) const fn required(
        key: &'static str,
        shape: ValueShape,
        meaning: Wording,
        example: &'static str,
    ) -> Self {
        Self { key, shape, is_required: true, meaning, example }
    }

    pub(super) const fn optional(
        key: &'static str,
        shape: ValueShape,
        meaning: Wording,
        example: &'static str,
    ) -> Self {
        Self { key, shape, is_required: false, meaning, example }
    }
}

/// A text in both languages.
pub(super) const fn words(vi: &'static str, en: &'static str) -> Wording {
    Wording { vi, en }
}
