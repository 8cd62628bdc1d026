//! Spellings made alike: marks and case fall away, đ is d, punctuation is a space.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Words without marks, in lower case, with one space between them.
///
/// `đ` has no decomposition in Unicode, so it is folded by name, and so are the two letters whose
/// capital looks the same (`Ð` of Icelandic, `Ɖ` of Ewe), which some keyboards give instead.
pub(crate) fn words(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for letter in text.nfd().filter(|it| !is_combining_mark(*it)).flat_map(char::to_lowercase) {
        match letter {
            'đ' | 'ð' | 'ɖ' => folded.push('d'),
            it if it.is_alphanumeric() => folded.push(it),
            _ if folded.ends_with(' ') || folded.is_empty() => {}
            _ => folded.push(' '),
        }
    }
    folded.truncate(folded.trim_end().len());
    folded
}

/// The longest word that is searched by; PostgreSQL's index of words ends at 2 kB.
const WORD_BYTES_MAX: usize = 500;

/// The words that a subject is searched by: those that are not too long for one.
pub(crate) fn searched(text: &str) -> String {
    let words = words(text);
    if words.len() <= WORD_BYTES_MAX {
        return words;
    }
    let all: Vec<&str> = words.split(' ').filter(|it| it.len() <= WORD_BYTES_MAX).collect();
    all.join(" ")
}

/// A number's letters and digits alone: `45-CV/TU`, `45/CV/TU` and `45 cv tu` are alike.
pub fn number(text: &str) -> String {
    words(text).replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_number_is_alike() {
        let spelled = [
            "7816/VPCP-TTĐT",
            "7816/vpcp-ttđt",
            "7816/VPCP-TTDT",
            "7816 VPCP TTĐT",
            "7816/VPCP-TT\u{D0}T",
            "7816/vpcp-tt\u{F0}t",
        ];
        for it in spelled {
            assert_eq!(number(it), "7816vpcpttdt", "{it}");
            assert_eq!(number(&it.nfd().collect::<String>()), "7816vpcpttdt", "{it} in NFD");
        }
        assert_eq!(number("45-CV/TU"), number("45/CV/TU"));
    }

    #[test]
    fn words_lose_their_marks_and_keep_their_order() {
        assert_eq!(words("V/v  Phòng, chống LỤT bão (Đợt 2)"), "v v phong chong lut bao dot 2");
        assert_eq!(words("…"), "");
    }
}
