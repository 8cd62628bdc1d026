//! Absent, empty, null: one table for every syntax.
//!
//! | native | read as | written back |
//! |---|---|---|
//! | no node; `null`; an empty text, list, object or element; `xsi:nil` | absent | `write-empty`, or no node |
//! | a text of the description's or the rule's `empty` | absent | `write-empty`, or no node |
//! | the words `null` and `undefined`, in any case | absent, with a finding | `write-empty`, or no node |
//! | a list, group or record in which nothing stands | absent; no item | no node |
//! | an empty node beside one of the same name in which something stands | the latter | the latter |
//! | a text for a value that counts as absent (`0`, `false`) | absent, and a leftover | as it was |
//! | a text that no converter understands | absent, a finding and a leftover | as it was |
//! | a record of which nothing was understood | an item without values | as it was |

/// How a text stands for an absent value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// It is a value.
    Value,
    /// It is empty, or the description says that it stands for nothing.
    Declared,
    /// It is a word that programs write where they know nothing.
    Word,
}

/// Words that programs write for a value they do not have.
const WORDS: [&str; 2] = ["null", "undefined"];

/// How a trimmed text stands for an absent value. `empty` are the texts of the rule and of the
/// description.
pub(crate) fn absence_of<'e>(text: &str, mut empty: impl Iterator<Item = &'e String>) -> Absence {
    if text.is_empty() || empty.any(|it| it == text) {
        Absence::Declared
    } else if WORDS.iter().any(|it| it.eq_ignore_ascii_case(text)) {
        Absence::Word
    } else {
        Absence::Value
    }
}
