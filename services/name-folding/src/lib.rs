//! Folds names, numbers and codes to the form in which they are compared and searched.
//!
//! One function for each purpose, because the purposes differ in what may count as equal:
//!
//! | function | purpose | ignores |
//! |---|---|---|
//! | [`fold_name`] | search for an organisation by a part of its name | case, diacritics |
//! | [`fold_words`] | full-text search in subjects | case, diacritics, punctuation |
//! | [`fold_number`] | search for a document by its number | case, diacritics, punctuation, spaces, leading zeros |
//! | [`number_key`] | identity of a document number: equal keys share one conversation | case, spaces, kind of separator, leading zeros |
//! | [`fold_code`] | identity of an organisation code | case, surrounding spaces |
//! | [`fold_case`] | comparison with a list of fixed values | case, surrounding spaces, composition |
//! | [`fold_field_name`] | recognition of a field's name in a native format | case, diacritics, everything but ASCII letters and digits |
//!
//! [`spell_out`] and [`name_characters`] show in an error what people do not see in a code.
//!
//! The crate is pure and knows no message and no database.

mod characters;

pub use characters::{is_invisible, name_characters, spell_out, spell_out_invisible, visible_code};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// An organisation's name without case and diacritics, for search by a part of it.
///
/// `đ` has no decomposition in Unicode, so it is mapped to `d` explicitly. Spaces and punctuation
/// stay, because the search text is compared as one substring.
pub fn fold_name(name: &str) -> String {
    let plain = name.nfd().filter(|it| !is_combining_mark(*it)).map(|it| match it {
        'đ' | 'Đ' => 'd',
        other => other,
    });
    plain.flat_map(char::to_lowercase).collect()
}

/// Words without diacritics, in lower case, with one space between them.
///
/// `đ` has no decomposition in Unicode, so it is mapped to `d` explicitly. So are the two letters
/// whose capital looks the same (`Ð` of Icelandic, `Ɖ` of Ewe), because some keyboards and fonts
/// produce them in its place.
pub fn fold_words(text: &str) -> String {
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

/// A number's letters and digits alone, for search: `45-CV/TU`, `045/CV/TU` and `45 cv tu` are
/// equal.
pub fn fold_number(text: &str) -> String {
    fold_words(text).split(' ').map(trim_zeros).collect()
}

/// A word without the zeros before its first digit: `045` is `45`, and `0` stays.
pub fn trim_zeros(word: &str) -> &str {
    let trimmed = word.trim_start_matches('0');
    if trimmed.starts_with(|it: char| it.is_ascii_digit()) {
        return trimmed;
    }
    // Of zeros before a letter or the end, one is the number.
    let zeros = word.len() - trimmed.len();
    word.get(zeros.saturating_sub(1)..).unwrap_or(word)
}

/// The identity of a document number: `05-CV/TU`, `5/cv/tu` and `5 / CV – TU` have the same key.
///
/// Stricter than [`fold_number`]: diacritics and the positions of separators count, because two
/// numbers that differ in them may be two documents. Conversation ids are derived from the key, so
/// a change of this function would split the conversations of stored messages.
pub fn number_key(number: &str) -> String {
    let mut key = String::new();
    for it in number.nfc().flat_map(char::to_lowercase).filter(|it| !it.is_whitespace()) {
        if it.is_alphanumeric() {
            key.push(it);
        } else if !key.is_empty() && !key.ends_with('/') {
            key.push('/');
        }
    }
    key.trim_start_matches('0').trim_end_matches('/').to_owned()
}

/// An organisation code in capitals, as the schemes write it, without surrounding spaces.
pub fn fold_code(code: &str) -> String {
    code.trim().to_uppercase()
}

/// A text in composed form (NFC) and lower case, without surrounding spaces. Diacritics stay.
pub fn fold_case(text: &str) -> String {
    text.trim().nfc().flat_map(char::to_lowercase).collect()
}

/// The ASCII letters and digits of a field's name in lower case, after diacritics are removed.
pub fn fold_field_name(name: &str) -> String {
    name.nfd()
        .flat_map(char::to_lowercase)
        .map(|it| if it == 'đ' { 'd' } else { it })
        .filter(char::is_ascii_alphanumeric)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_loses_case_and_diacritics_and_keeps_punctuation() {
        assert_eq!(fold_name("Đảng ủy xã Đông Hà"), "dang uy xa dong ha");
        assert_eq!(fold_name("ĐẢNG ỦY (xã)"), "dang uy (xa)");
        let decomposed: String = "Đảng ủy".nfd().collect();
        assert_eq!(fold_name(&decomposed), "dang uy");
    }

    #[test]
    fn words_lose_diacritics_and_punctuation_and_keep_their_order() {
        let subject = "V/v  Phòng, chống LỤT bão (Đợt 2)";
        assert_eq!(fold_words(subject), "v v phong chong lut bao dot 2");
        assert_eq!(fold_words("…"), "");
    }

    #[test]
    fn every_spelling_of_a_number_folds_to_the_same_text() {
        let spelled = [
            "7816/VPCP-TTĐT",
            "7816/vpcp-ttđt",
            "7816/VPCP-TTDT",
            "7816 VPCP TTĐT",
            "7816/VPCP-TT\u{D0}T",
            "7816/vpcp-tt\u{F0}t",
        ];
        for it in spelled {
            assert_eq!(fold_number(it), "7816vpcpttdt", "{it}");
            assert_eq!(fold_number(&it.nfd().collect::<String>()), "7816vpcpttdt", "{it} in NFD");
        }
        assert_eq!(fold_number("45-CV/TU"), fold_number("45/CV/TU"));
    }

    #[test]
    fn a_number_key_ignores_case_spaces_separators_and_leading_zeros() {
        for it in ["05-CV/TU", "5/cv/tu", "5 / CV – TU", "005-cv-tu/"] {
            assert_eq!(number_key(it), "5/cv/tu", "{it}");
        }
        assert_eq!(number_key("12/QĐ"), "12/qđ");
        assert_ne!(number_key("12/QĐ"), number_key("12/QD"));
        assert_ne!(number_key("1/2"), number_key("12"));
        assert_eq!(number_key(" / "), "");
    }

    #[test]
    fn a_code_is_the_same_in_any_case() {
        assert_eq!(fold_code(" a99.1 "), "A99.1");
        assert_eq!(fold_code("000.00.01.h38"), "000.00.01.H38");
    }

    #[test]
    fn case_folding_composes_and_keeps_diacritics() {
        let decomposed: String = " KHÔNG MẬT ".nfd().collect();
        assert_eq!(fold_case(&decomposed), "không mật");
        assert_ne!(fold_case("không"), "khong");
    }

    #[test]
    fn a_field_name_keeps_only_ascii_letters_and_digits() {
        for it in ["DoMat", "Độ mật", "do_mat", "ĐỘ-MẬT"] {
            assert_eq!(fold_field_name(it), "domat", "{it}");
        }
    }
}
