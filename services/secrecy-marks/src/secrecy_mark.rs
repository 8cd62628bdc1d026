//! What was found.

/// A secrecy mark in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecrecyMark {
    /// A reader takes it for a mark.
    Clear,
    /// It may be a mark: written in unusual characters, without diacritics, or where a word could
    /// stand. Whoever wrote it has to say which.
    Unclear,
}
