//! The charsets, as bytes.

use unicode_normalization::UnicodeNormalization as _;

use crate::letter::{compose, lower, split_tone};
use crate::single_byte::{
    SingleByteTable, TCVN3_TABLE, VISCII_TABLE, WINDOWS_1252_TABLE, WINDOWS_1258_TABLE,
};
use crate::vni;

/// A charset of Vietnamese from before Unicode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// TCVN 5712:1993 as the ABC fonts (`.VnTime`) have it; it has no capitals with tones.
    Tcvn3,
    /// VNI for Windows: letters of one or two bytes.
    Vni,
    /// VISCII (RFC 1456).
    Viscii,
    /// windows-1258: vowels, and tones as combining characters.
    Windows1258,
}

/// Bytes of a text, and what they do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedText {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Characters that the charset lacks, in the order of the text.
    pub lost: Vec<LostCharacter>,
}

/// A character that a charset lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostCharacter {
    /// Index of the character in the text.
    pub index: usize,
    /// The character.
    pub character: char,
    /// What was written in its place: the small letter, or `?`.
    pub written: char,
}

/// What is written for a character that a charset lacks.
const REPLACEMENT: char = '?';

impl Charset {
    /// All charsets.
    pub const ALL: [Self; 4] = [Self::Tcvn3, Self::Vni, Self::Viscii, Self::Windows1258];

    /// The charset of a name, as descriptions and declarations of XML write it.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase().replace('_', "-");
        Some(match name.as_str() {
            "tcvn3" | "tcvn-3" | "tcvn" | "tcvn-5712" | "tcvn5712-1" | "tcvn5712-1:1993"
            | "x-viet-tcvn5712" | "abc" => Self::Tcvn3,
            "vni" | "x-viet-vni" => Self::Vni,
            "viscii" | "csviscii" | "x-viet-viscii" => Self::Viscii,
            "windows-1258" | "cp1258" | "x-cp1258" => Self::Windows1258,
            _ => return None,
        })
    }

    /// The name, as descriptions write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcvn3 => "tcvn3",
            Self::Vni => "vni",
            Self::Viscii => "viscii",
            Self::Windows1258 => "windows-1258",
        }
    }

    /// The text of bytes, in NFC.
    ///
    /// # Errors
    ///
    /// The index of the first byte that stands for nothing.
    pub fn decode(self, bytes: &[u8]) -> Result<String, usize> {
        let Some(table) = self.table() else {
            let characters: Vec<char> =
                bytes.iter().map(|it| WINDOWS_1252_TABLE.character(*it).unwrap_or('\0')).collect();
            return vni::decode(&characters);
        };
        let mut text = String::with_capacity(bytes.len() * 2);
        for (index, byte) in bytes.iter().enumerate() {
            text.push(table.character(*byte).ok_or(index)?);
        }
        Ok(if self == Self::Windows1258 { compose(&text) } else { text })
    }

    /// The bytes of a text. A capital that the charset lacks is written as the small letter, another
    /// character as `?`; both are named.
    pub fn encode(self, text: &str) -> EncodedText {
        let mut encoded = EncodedText::default();
        for (index, character) in text.nfc().enumerate() {
            if self.push(character, &mut encoded.bytes) {
                continue;
            }
            let small = Some(lower(character)).filter(|it| *it != character);
            let small = small.filter(|it| self.push(*it, &mut encoded.bytes));
            let written = small.unwrap_or(REPLACEMENT);
            if small.is_none() {
                encoded.bytes.push(b'?');
            }
            encoded.lost.push(LostCharacter { index, character, written });
        }
        encoded
    }

    /// Appends the bytes of a character; false when there are none.
    fn push(self, character: char, bytes: &mut Vec<u8>) -> bool {
        let Some(table) = self.table() else {
            let Some((base, mark)) = vni::encode(character) else { return false };
            let latin1 = [Some(base), mark].into_iter().flatten();
            bytes.extend(latin1.filter_map(|it| WINDOWS_1252_TABLE.byte(it)));
            return true;
        };
        if let Some(byte) = table.byte(character) {
            bytes.push(byte);
            return true;
        }
        let (plain, tone) = split_tone(character);
        let pair = table.byte(plain).zip(tone.and_then(|it| table.byte(it)));
        bytes.extend(pair.into_iter().flat_map(|(plain, tone)| [plain, tone]));
        pair.is_some()
    }

    fn table(self) -> Option<&'static SingleByteTable> {
        match self {
            Self::Tcvn3 => Some(&TCVN3_TABLE),
            Self::Vni => None,
            Self::Viscii => Some(&VISCII_TABLE),
            Self::Windows1258 => Some(&WINDOWS_1258_TABLE),
        }
    }
}
