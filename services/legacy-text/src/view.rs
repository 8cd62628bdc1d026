//! The charset through which bytes became the text that is judged.

use unicode_normalization::UnicodeNormalization as _;

use crate::letter::TONES;
use crate::single_byte::{WINDOWS_1252_TABLE, WINDOWS_1258_TABLE};

/// The charset that a program took the bytes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// Latin-1 or windows-1252; they differ in 0x80 to 0x9f, and both characters of each are known.
    Western,
    /// windows-1258, the charset of Windows in Vietnam.
    Vietnamese,
}

impl View {
    /// The byte of a character.
    pub(crate) fn byte(self, character: char) -> Option<u8> {
        let code = u32::from(character);
        match (self, code) {
            (_, ..0xa0) | (Self::Western, ..0x100) => u8::try_from(code).ok(),
            // Programs that show the soft hyphen, the ư of TCVN3, write a minus for it.
            (_, 0x2212) => Some(0xad),
            (Self::Western, _) => WINDOWS_1252_TABLE.byte(character),
            (Self::Vietnamese, _) => WINDOWS_1258_TABLE.byte(character),
        }
    }

    /// The bytes of a word; none when a character has none.
    pub(crate) fn bytes(self, word: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(word.len());
        for it in word.chars() {
            if let Some(byte) = self.byte(it) {
                bytes.push(byte);
                continue;
            }
            if self == Self::Western {
                return None;
            }
            // A program has composed a letter and a tone of windows-1258.
            let marks: Vec<char> = [it].into_iter().nfd().collect();
            let (last, rest) = marks.split_last().filter(|it| TONES.contains(it.0))?;
            let base: Vec<char> = rest.iter().copied().nfc().collect();
            for it in base.iter().chain([last]) {
                bytes.push(self.byte(*it)?);
            }
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_the_bytes_it_was() {
        assert_eq!(View::Western.bytes("C«ng€\u{90}").unwrap(), b"C\xabng\x80\x90");
        assert_eq!(View::Western.bytes("việc"), None);
        assert_eq!(View::Vietnamese.bytes("nhỉu ăđ").unwrap(), b"nhi\xd2u \xe3\xf0");
        assert_eq!(View::Western.bytes("n\u{2212}íc").unwrap(), b"n\xad\xedc");
    }
}
