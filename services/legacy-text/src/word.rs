//! The words of a text that is judged.

use std::ops::Range;

use crate::letter::TONES;

/// A run of letters, and of signs that are letters in an old charset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word<'t> {
    /// The run.
    pub(crate) text: &'t str,
    /// Where it begins in the text, in bytes.
    pub(crate) begin: usize,
    /// The part from the first letter to the last, within `text`.
    pub(crate) core: Range<usize>,
    /// The character before the run is a digit.
    pub(crate) is_behind_digit: bool,
}

impl<'t> Word<'t> {
    /// The part without signs at its ends.
    pub(crate) fn core_text(&self) -> &'t str {
        self.text.get(self.core.clone()).unwrap_or_default()
    }

    /// The signs before and behind the core.
    pub(crate) fn edges(&self) -> (&'t str, &'t str) {
        let before = self.text.get(..self.core.start).unwrap_or_default();
        (before, self.text.get(self.core.end..).unwrap_or_default())
    }
}

/// Cuts a text into words.
pub(crate) fn split_words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut begin = None;
    let mut before = ' ';
    let mut last = ' ';
    let ends = text.char_indices().chain([(text.len(), ' ')]);
    for (index, it) in ends {
        match (begin, is_word_character(it)) {
            (None, true) => {
                begin = Some(index);
                before = last;
            }
            (Some(from), false) => {
                let run = text.get(from..index).unwrap_or_default();
                words.push(new_word(run, from, before.is_ascii_digit()));
                begin = None;
            }
            _ => {}
        }
        last = it;
    }
    words
}

fn new_word(text: &str, begin: usize, is_behind_digit: bool) -> Word<'_> {
    let start = text.find(|it| !is_sign(it)).unwrap_or(text.len());
    let mut end = text.len();
    while let Some(it) = text.get(start..end).and_then(|it| it.chars().next_back()) {
        if !is_sign(it) {
            break;
        }
        end -= it.len_utf8();
    }
    Word { text, begin, core: start..end, is_behind_digit }
}

/// Letters, combining tones, and every character that is a byte above 0x7f in Latin-1 or windows-1252,
/// but the no-break space.
fn is_word_character(it: char) -> bool {
    it.is_ascii_alphabetic()
        || !it.is_ascii() && (it.is_alphabetic() || is_sign(it) || TONES.contains(&it))
}

/// A sign that is no letter in Unicode; `µ`, `ª` and `º` are signs too, since they stand beside numbers.
pub(crate) fn is_sign(it: char) -> bool {
    matches!(it, '\u{80}'..='\u{9f}' | '\u{a1}'..='\u{bf}' | '×' | '÷' | '\u{2212}' | '₫')
        || matches!(
            it,
            '€' | '‚'
                | '„'
                | '…'
                | '†'
                | '‡'
                | 'ˆ'
                | '‰'
                | '‹'
                | '‘'
                | '’'
                | '“'
                | '”'
                | '•'
                | '–'
                | '—'
                | '˜'
                | '™'
                | '›'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_with_a_core() {
        let words = split_words("§Ò ¸n 5µm, «Công văn» Q§-UBND");
        let texts: Vec<_> = words.iter().map(|it| (it.text, it.core_text())).collect();
        let expected = [
            ("§Ò", "Ò"),
            ("¸n", "n"),
            ("µm", "m"),
            ("«Công", "Công"),
            ("văn»", "văn"),
            ("Q§", "Q"),
            ("UBND", "UBND"),
        ];
        assert_eq!(texts, expected);
        assert_eq!(words[3].edges(), ("«", ""));
        assert!(words[2].is_behind_digit && !words[0].is_behind_digit);
        assert_eq!(split_words("° –")[0].core_text(), "");
    }
}
