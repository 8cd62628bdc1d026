//! Texts whose UTF-8 was taken for another charset and encoded again.

use crate::letter::is_vietnamese;
use crate::single_byte::WINDOWS_1252_TABLE;
use crate::spelling::Spelling;
use crate::view::View;

/// A text with one or two encodings undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undone {
    pub(crate) text: String,
    pub(crate) spelling: Spelling,
    /// Percent.
    pub(crate) confidence: u8,
}

/// Undoes encodings of a text; none when no characters of it are UTF-8 in another charset's clothes.
pub(crate) fn undo(text: &str) -> Option<Undone> {
    let (once, confidence) = undo_once(text)?;
    match undo_once(&once) {
        Some((twice, further)) => Some(Undone {
            text: twice,
            spelling: Spelling::EncodedThrice,
            confidence: confidence.max(further),
        }),
        None => Some(Undone { text: once, spelling: Spelling::EncodedTwice, confidence }),
    }
}

/// Counts of what was found in a text.
#[derive(Default)]
struct Evidence {
    /// Characters that Vietnamese texts have.
    expected: usize,
    /// Other characters.
    other: usize,
    /// Characters above ASCII that belong to no sequence.
    outside: usize,
}

fn undo_once(text: &str) -> Option<(String, u8)> {
    let characters: Vec<char> = text.chars().collect();
    let mut undone = String::with_capacity(text.len());
    let mut evidence = Evidence::default();
    let mut index = 0;
    while let Some(it) = characters.get(index) {
        match sequence(&characters, index) {
            Some((character, length)) => {
                match is_expected(character) {
                    true => evidence.expected += 1,
                    false => evidence.other += 1,
                }
                undone.push(character);
                index += length;
            }
            None => {
                evidence.outside += usize::from(!it.is_ascii());
                undone.push(*it);
                index += 1;
            }
        }
    }
    let confidence = match evidence {
        Evidence { expected: 0, other: 0, .. } => return None,
        // A lone pair may be two letters that somebody wrote.
        Evidence { expected: 1, other: 0, .. } if is_odd_pair(&characters, &undone) => 60,
        Evidence { expected, other, .. } if expected > other => 99,
        Evidence { other: 2.., outside: 0, .. } => 99,
        Evidence { expected, .. } if expected > 0 => 80,
        _ => return None,
    };
    Some((undone.replace('\u{feff}', ""), confidence))
}

/// The character whose UTF-8 begins at a character of the text, and how many characters it takes.
fn sequence(characters: &[char], index: usize) -> Option<(char, usize)> {
    [View::Western, View::Vietnamese].iter().find_map(|view| {
        let byte_at = |offset: usize| characters.get(index + offset).and_then(|it| view.byte(*it));
        let length = match byte_at(0)? {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return None,
        };
        let mut bytes = [0; 4];
        for (offset, into) in bytes.iter_mut().enumerate().take(length) {
            // `à` is C3 A0, and A0 is the no-break space, which programs trim or make a blank.
            let is_trimmed = offset == 1 && bytes_are_of_a_grave(characters, index);
            *into = if is_trimmed { 0xa0 } else { byte_at(offset)? };
        }
        let text = std::str::from_utf8(bytes.get(..length)?).ok()?;
        let character = text.chars().next().filter(|it| is_plausible(*it))?;
        let is_at_end = length == 2 && index + 1 >= characters.len();
        Some((character, if is_at_end { 1 } else { length }))
    })
}

/// True for `Ã` at the end of a text that has other sequences.
fn bytes_are_of_a_grave(characters: &[char], index: usize) -> bool {
    characters.get(index) == Some(&'Ã')
        && index + 1 == characters.len()
        && characters.iter().any(|it| matches!(it, '\u{80}'..='\u{bf}'))
}

/// Characters that a text of an office has: Latin, Vietnamese, punctuation, and scripts of neighbours.
fn is_plausible(it: char) -> bool {
    is_expected(it)
        || matches!(it, '\u{a0}'..='\u{17f}' | '\u{370}'..='\u{3ff}' | '\u{400}'..='\u{45f}'
            | '\u{1e00}'..='\u{1eff}' | '\u{2000}'..='\u{26ff}' | '\u{3000}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7a3}' | '\u{ff00}'..='\u{ffef}' | '\u{1f300}'..='\u{1faff}' | '\u{80}'..='\u{9f}')
}

/// Characters that Vietnamese texts have: its letters, tones, and common punctuation; characters of
/// Latin-1 and windows-1252 too, since they may be bytes of a further encoding.
fn is_expected(it: char) -> bool {
    is_vietnamese(it)
        || WINDOWS_1252_TABLE.byte(it).is_some()
        || matches!(it, '\u{a0}'..='\u{ff}' | '\u{300}'..='\u{323}' | '\u{2010}'..='\u{2026}' | '₫' | '\u{feff}' | '\u{200b}')
}

/// True when the one sequence may be two characters that somebody wrote: a capital among capitals and
/// a closing quotation mark (`IRMÃ»`).
fn is_odd_pair(characters: &[char], undone: &str) -> bool {
    let has_pair = characters.windows(2).any(|it| it[0] == 'Ã' && matches!(it[1], '«' | '»'));
    let is_vietnamese_too = undone.chars().any(|it| it > '\u{ff}');
    has_pair
        && !is_vietnamese_too
        && characters.iter().filter(|it| it.is_ascii_alphabetic()).all(char::is_ascii_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::single_byte::WINDOWS_1258_TABLE;

    fn latin1(text: &str) -> String {
        text.bytes().map(char::from).collect()
    }

    fn windows(text: &str) -> String {
        let character = |it: u8| WINDOWS_1252_TABLE.character(it).unwrap_or(char::from(it));
        text.bytes().map(character).collect()
    }

    fn vietnamese(text: &str) -> String {
        let character = |it: u8| WINDOWS_1258_TABLE.character(it).unwrap_or(char::from(it));
        text.bytes().map(character).collect()
    }

    #[test]
    fn encodings_are_undone_whatever_the_bytes_were_taken_for() {
        for text in [
            "Công văn về việc",
            "Ủy ban nhân dân tỉnh Đắk Lắk – “Số 5”",
            "và",
            "đã",
            "Café",
            "Công văn số 5",
        ] {
            for wrong in [latin1(text), windows(text), vietnamese(text)] {
                let undone = undo(&wrong).unwrap();
                assert_eq!(undone.text, text);
                assert_eq!(undone.spelling, Spelling::EncodedTwice);
                assert!(undone.confidence >= 95, "{wrong}");
            }
            for wrong in [latin1(&latin1(text)), windows(&windows(text))] {
                let undone = undo(&wrong).unwrap();
                assert_eq!(
                    (undone.text.as_str(), undone.spelling),
                    (text, Spelling::EncodedThrice)
                );
            }
            assert_eq!(undo(text), None);
        }
        assert_eq!(undo("Công vÄƒn, nửa vá»\u{81} nửa").unwrap().text, "Công văn, nửa về nửa");
        assert_eq!(undo("xÃ£ vÃ").unwrap().text, "xã và");
        assert_eq!(undo("文件").map(|it| it.text), None);
        assert_eq!(undo(&latin1("文件")).unwrap().text, "文件");
    }

    #[test]
    fn letters_that_somebody_wrote_stay() {
        for text in [
            "XÃ HỘI",
            "Häagen",
            "« À »",
            "ÂM NHẠC",
            "Nß¾c",
            "C«ng v¨n vÒ viÖc",
            "30 °C",
            "São Paulo",
            "Ã",
        ] {
            assert_eq!(undo(text), None, "{text}");
        }
        assert!(undo("«IRMÃ»").unwrap().confidence < 95);
    }
}
