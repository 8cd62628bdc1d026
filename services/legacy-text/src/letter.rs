//! Vietnamese letters: the letter without its tone, and the tone.

use std::collections::HashMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// The five tone marks in Unicode: grave, acute, hook above, tilde, dot below.
pub(crate) const TONES: [char; 5] = ['\u{300}', '\u{301}', '\u{309}', '\u{303}', '\u{323}'];
/// The marks that make another vowel: circumflex, breve, horn.
pub(crate) const SHAPES: [char; 3] = ['\u{302}', '\u{306}', '\u{31b}'];

/// The letters of the alphabet without tones, in lower case.
const ALPHABET: &str = "aăâbcdđeêghiklmnoôơpqrstuưvxy";

/// The letters with tones, in both cases.
static WITH_TONES: LazyLock<HashMap<char, (char, char)>> = LazyLock::new(|| {
    let vowels = ALPHABET.chars().filter(|it| is_vowel(*it)).flat_map(|it| [it, upper(it)]);
    let pairs = vowels.flat_map(|plain| TONES.map(|tone| (plain, tone)));
    let composed = |(plain, tone)| [plain, tone].into_iter().nfc().next();
    pairs.filter_map(|it| Some((composed(it)?, it))).collect()
});

/// A letter without its tone, and the tone.
pub(crate) fn split_tone(letter: char) -> (char, Option<char>) {
    match WITH_TONES.get(&letter).filter(|_| !letter.is_ascii()) {
        Some((plain, tone)) => (*plain, Some(*tone)),
        None => (letter, None),
    }
}

/// True for a letter of the alphabet, with or without a tone.
pub(crate) fn is_vietnamese(letter: char) -> bool {
    let (plain, tone) = split_tone(lower(letter));
    tone.is_some() || ALPHABET.contains(plain)
}

/// True for a vowel without a tone.
pub(crate) fn is_vowel(plain: char) -> bool {
    "aăâeêioôơuưy".contains(plain)
}

/// The lower case of a letter; every letter of the alphabet has one of one character.
pub(crate) fn lower(letter: char) -> char {
    letter.to_lowercase().next().unwrap_or(letter)
}

/// The upper case of a letter.
pub(crate) fn upper(letter: char) -> char {
    letter.to_uppercase().next().unwrap_or(letter)
}

/// The text in NFC, with the marks of a letter in any order: some keyboards write the tone before the
/// circumflex, which NFC leaves apart. A mark behind a letter that has none in any language stays.
pub(crate) fn compose(text: &str) -> String {
    let mut composed = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(base) = letters.next() {
        let mut marks = Vec::new();
        while let Some(mark) = letters.next_if(|it| is_combining_mark(*it)) {
            marks.push(mark);
        }
        if marks.is_empty() || !base.is_ascii() && !is_vietnamese(base) {
            composed.push(base);
            composed.extend(marks);
            continue;
        }
        let mut apart: Vec<char> = [base].into_iter().nfd().chain(marks).collect();
        if let Some(marks) = apart.get_mut(1..) {
            marks.sort_by_key(|it| u8::from(TONES.contains(it)));
        }
        composed.extend(apart.into_iter().nfc());
    }
    composed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_split_into_itself_and_its_tone() {
        assert_eq!(split_tone('ệ'), ('ê', Some('\u{323}')));
        assert_eq!(split_tone('Ớ'), ('Ơ', Some('\u{301}')));
        assert_eq!(split_tone('đ'), ('đ', None));
        assert_eq!(split_tone('ü'), ('ü', None));
        for it in "aằẫđỹỚĐ".chars() {
            assert!(is_vietnamese(it), "{it}");
        }
        for it in "äñßfjwzĕ5".chars() {
            assert!(!is_vietnamese(it), "{it}");
        }
    }

    #[test]
    fn marks_are_composed_in_any_order() {
        for text in ["viê\u{323}c", "vie\u{302}\u{323}c", "vie\u{323}\u{302}c", "việc"] {
            assert_eq!(compose(text), "việc");
        }
        assert_eq!(compose("a\u{301}\u{302}y o\u{300}\u{31b}"), "ấy ờ");
        assert_eq!(compose("\u{301}a"), "\u{301}a");
    }
}
