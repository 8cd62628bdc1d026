//! VNI (fonts `VNI-…`): one character of Latin-1 for some letters; for the others a vowel, and behind
//! it a character that stands for its diacritics.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::letter::{compose, is_vietnamese, lower, upper};

/// Letters with a character of their own.
const LETTERS: [(char, char); 9] = [
    ('ñ', 'đ'),
    ('ö', 'ư'),
    ('ô', 'ơ'),
    ('æ', 'ỉ'),
    ('ó', 'ĩ'),
    ('ò', 'ị'),
    ('î', 'ỵ'),
    ('í', 'í'),
    ('ì', 'ì'),
];

/// Characters behind a vowel, and the diacritics they stand for.
const DIACRITICS: [(char, &str); 17] = [
    ('ø', "\u{300}"),
    ('ù', "\u{301}"),
    ('û', "\u{309}"),
    ('õ', "\u{303}"),
    ('ï', "\u{323}"),
    ('â', "\u{302}"),
    ('à', "\u{302}\u{300}"),
    ('á', "\u{302}\u{301}"),
    ('å', "\u{302}\u{309}"),
    ('ã', "\u{302}\u{303}"),
    ('ä', "\u{302}\u{323}"),
    ('ê', "\u{306}"),
    ('è', "\u{306}\u{300}"),
    ('é', "\u{306}\u{301}"),
    ('ú', "\u{306}\u{309}"),
    ('ü', "\u{306}\u{303}"),
    ('ë', "\u{306}\u{323}"),
];

/// Vowels that diacritics may stand behind: `ö` is ư, and `ô` is ơ.
const BASES: [(char, char); 7] =
    [('a', 'a'), ('e', 'e'), ('o', 'o'), ('u', 'u'), ('y', 'y'), ('ö', 'ư'), ('ô', 'ơ')];

struct VniTable {
    pairs: HashMap<(char, char), char>,
    spellings: HashMap<char, (char, Option<char>)>,
}

static TABLE: LazyLock<VniTable> = LazyLock::new(|| {
    let mut pairs = HashMap::new();
    for (written, base) in BASES {
        for (mark, diacritics) in DIACRITICS {
            let letter = compose(&format!("{base}{diacritics}"));
            let mut letters = letter.chars();
            // `ỵ` has a character of its own.
            if let (Some(letter), None) = (letters.next(), letters.next())
                && is_vietnamese(letter)
                && vni_letter_of(letter).is_none()
            {
                pairs.insert((written, mark), letter);
            }
        }
    }
    let spelled_by_pairs =
        pairs.iter().map(|((base, mark), letter)| (*letter, (*base, Some(*mark))));
    let alone = LETTERS.iter().map(|(written, letter)| (*letter, (*written, None)));
    let spellings = spelled_by_pairs.chain(alone).collect();
    VniTable { pairs, spellings }
});

fn vni_letter_of(letter: char) -> Option<char> {
    LETTERS.iter().find(|it| it.1 == letter).map(|it| it.0)
}

/// The letter that a character of Latin-1 in lower case stands for when it is behind no vowel.
pub fn vni_letter(latin1: char) -> Option<char> {
    LETTERS.iter().find(|it| it.0 == latin1).map(|it| it.1)
}

/// The diacritics (combining characters) that a character of Latin-1 in lower case stands for behind a
/// vowel.
pub fn vni_diacritics(latin1: char) -> Option<&'static str> {
    DIACRITICS.iter().find(|it| it.0 == latin1).map(|it| it.1)
}

/// True when the two characters, in lower case, are one letter.
pub(crate) fn is_pair(base: char, mark: char) -> bool {
    TABLE.pairs.contains_key(&(base, mark))
}

/// The text of characters of Latin-1; an index when the character there stands for nothing.
pub(crate) fn decode(latin1: &[char]) -> Result<String, usize> {
    let mut decoded = String::with_capacity(latin1.len());
    let mut index = 0;
    while let Some(it) = latin1.get(index) {
        let base = lower(*it);
        let mark = latin1.get(index + 1).map(|it| lower(*it));
        let pair = mark.and_then(|mark| TABLE.pairs.get(&(base, mark)));
        let letter = match pair {
            Some(letter) => *letter,
            None if base.is_ascii() || is_punctuation(base) => base,
            None => vni_letter(base).ok_or(index)?,
        };
        decoded.push(if *it == base { letter } else { upper(letter) });
        index += if pair.is_some() { 2 } else { 1 };
    }
    Ok(decoded)
}

/// Characters that the fonts have from windows-1252.
fn is_punctuation(it: char) -> bool {
    matches!(it, '\u{a0}' | '…' | '‘' | '’' | '“' | '”' | '•' | '–' | '—')
}

/// The characters of Latin-1 for a letter; none when VNI has none.
pub(crate) fn encode(letter: char) -> Option<(char, Option<char>)> {
    if letter.is_ascii() || is_punctuation(letter) {
        return Some((letter, None));
    }
    let plain = lower(letter);
    let (base, mark) = TABLE.spellings.get(&plain).copied()?;
    let in_case = |it: char| if letter == plain { it } else { upper(it) };
    Some((in_case(base), mark.map(in_case)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_agree_on_every_letter() {
        assert_eq!(TABLE.spellings.len(), TABLE.pairs.len() + LETTERS.len());
        for letter in TABLE.spellings.keys().flat_map(|it| [*it, upper(*it)]) {
            let (base, mark) = encode(letter).unwrap();
            let written: Vec<char> = [Some(base), mark].into_iter().flatten().collect();
            assert_eq!(decode(&written).unwrap(), letter.to_string());
        }
        // 67 letters of the alphabet have diacritics.
        assert_eq!(TABLE.spellings.len(), 67);
    }

    #[test]
    fn words_are_read_in_both_cases() {
        let read = |it: &str| decode(&it.chars().collect::<Vec<_>>());
        assert_eq!(read("Coâng vaên veà vieäc").unwrap(), "Công văn về việc");
        assert_eq!(read("ÑÖÔØNG ñöôøng").unwrap(), "ĐƯỜNG đường");
        assert_eq!(read("thuûy sò óæî").unwrap(), "thủy sị ĩỉỵ");
        assert_eq!(read("ma§t"), Err(2));
    }
}
