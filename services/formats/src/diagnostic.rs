//! Mistakes of a description, in Vietnamese and English for the person who wrote it.

use std::fmt;

use proto::fault::v1::Fault;
use proto::fault::{Code, code};

/// A text in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BilingualText {
    pub(crate) vi: String,
    pub(crate) en: String,
}

impl BilingualText {
    /// A text from its two translations.
    pub(crate) fn new(vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self { vi: vi.into(), en: en.into() }
    }
}

/// A text in both languages, in a table of the program.
#[derive(Clone, Copy, Debug)]
pub struct Wording {
    /// Vietnamese.
    pub vi: &'static str,
    /// English.
    pub en: &'static str,
}

/// What is wrong, without the position.
#[derive(Clone, Debug)]
pub(crate) struct Defect {
    pub(crate) code: Code,
    pub(crate) text: BilingualText,
}

impl Defect {
    /// A defect from its two translations.
    pub(crate) fn new(code: Code, vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code, text: BilingualText::new(vi, en) }
    }
}

/// Line and column in a description, both from 1; 0 where the whole file is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourcePosition {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

/// A mistake in a description.
#[derive(Clone, Debug)]
pub struct SourceMistake {
    /// The code, with cause and remedy.
    pub code: Code,
    /// Where the key or the value stands.
    pub position: SourcePosition,
    /// The native place, list or key that it is about; may be empty.
    pub subject: String,
    /// What is wrong, in Vietnamese.
    pub text_vi: String,
    /// What is wrong, in English.
    pub text_en: String,
}

impl SourceMistake {
    /// A mistake at a position.
    pub(crate) fn new(position: SourcePosition, subject: &str, defect: Defect) -> Self {
        Self {
            code: defect.code,
            position,
            subject: subject.to_owned(),
            text_vi: defect.text.vi,
            text_en: defect.text.en,
        }
    }
}

impl fmt::Display for SourceMistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SourcePosition { line, column } = self.position;
        write!(formatter, "{line}:{column}: {}: ", self.code.code)?;
        if !self.subject.is_empty() {
            write!(formatter, "{}: ", self.subject)?;
        }
        write!(formatter, "{} / {}", self.text_vi, self.text_en)
    }
}

/// The fault of a description with mistakes, with a violation for each.
pub fn description_fault(mistakes: &[SourceMistake]) -> Fault {
    mistakes.iter().fold(Fault::new(&code::LT_FMT_020), |fault, it| {
        let SourcePosition { line, column } = it.position;
        let field = format!("{line}:{column} {}", it.subject);
        fault.violation(field.trim_end(), &it.text_vi, &it.text_en)
    })
}

/// "Did you mean" for an unknown name, to append to an error; empty when no known name is near.
pub(crate) fn suggest(unknown: &str, known: &[impl AsRef<str>]) -> BilingualText {
    match nearest(unknown, known) {
        Some(it) => {
            BilingualText::new(format!("; có phải `{it}`?"), format!("; did you mean `{it}`?"))
        }
        None => BilingualText::new("", ""),
    }
}

/// What an unknown name was meant to be, or every known name when none is near, to append to an
/// error.
pub(crate) fn suggest_or_list(
    unknown: &str,
    known: &[impl AsRef<str>],
    (vi, en): (&str, &str),
) -> BilingualText {
    let suggestion = suggest(unknown, known);
    if !suggestion.en.is_empty() {
        return suggestion;
    }
    let known = known.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    BilingualText::new(format!("; {vi} {known}"), format!("; {en} {known}"))
}

/// The known name that an unknown one was probably meant to be.
pub fn nearest<'k>(unknown: &str, known: &'k [impl AsRef<str>]) -> Option<&'k str> {
    let unknown = unknown.to_lowercase();
    let first = unknown.chars().next();
    known
        .iter()
        .map(|it| {
            let known = it.as_ref().to_lowercase();
            // Of two equally near names, the one that begins alike.
            let differs = known.chars().next() != first;
            (strsim::damerau_levenshtein(&unknown, &known), differs, it.as_ref())
        })
        .min()
        .filter(|(distance, _, it)| *distance <= 1 + it.chars().count() / 3)
        .map(|(.., it)| it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        assert!(suggest("subjekt", &["summary", "subject"]).en.contains("`subject`"));
        assert!(suggest("SUBJECT", &["summary", "subject"]).en.contains("`subject`"));
        assert_eq!(suggest("zzzz", &["summary", "subject"]).en, "");
        assert_eq!(suggest("", &["abc"]).en, "");
        assert!(suggest("dat", &["at", "date"]).en.contains("`date`"), "both are one letter away");
        assert!(
            suggest("sitting", &["kitten"]).en.contains("`kitten`"),
            "three edits of six letters"
        );
    }
}
