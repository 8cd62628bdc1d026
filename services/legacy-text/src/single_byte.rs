//! The charsets of one byte a character. TCVN3 and VISCII are tables here; windows-1258 and
//! windows-1252 come from `encoding_rs`.

use std::collections::HashMap;
use std::sync::LazyLock;

/// TCVN3 (TCVN 5712:1993, the bytes of the ABC fonts) from 0xA1; `_`: no letter. There are no
/// capitals with tones: the fonts for capitals draw the small letters as capitals.
const TCVN3: &str = "ĂÂÊÔƠƯĐăâêôơưđ______àảãáạ_ằẳẵắ_______ặầẩẫấậè_ẻẽéẹềểễếệìỉ___ĩíịò_ỏõóọồổỗốộờởỡớợù_ủũúụừửữứựỳỷỹýỵ_";
/// VISCII (RFC 1456) from 0x80.
const VISCII: &str = "ẠẮẰẶẤẦẨẬẼẸẾỀỂỄỆỐỒỔỖỘỢỚỜỞỊỎỌỈỦŨỤỲÕắằặấầẩậẽẹếềểễệốồổỗỠƠộờởịỰỨỪỬơớƯÀÁÂÃẢĂẳẵÈÉÊẺÌÍĨỳĐứÒÓÔạỷừửÙÚỹỵÝỡưàáâãảăữẫèéêẻìíĩỉđựòóôõỏọụùúũủýợỮ";
/// The six letters that VISCII has in place of control characters.
const VISCII_LOW: [(u8, char); 6] =
    [(0x02, 'Ẳ'), (0x05, 'Ẵ'), (0x06, 'Ẫ'), (0x14, 'Ỷ'), (0x19, 'Ỹ'), (0x1e, 'Ỵ')];

/// Both directions of a charset.
#[derive(Debug)]
pub(crate) struct SingleByteTable {
    characters: [Option<char>; 256],
    bytes: HashMap<char, u8>,
}

impl SingleByteTable {
    fn new(characters: [Option<char>; 256]) -> Self {
        let pairs = (0..=u8::MAX).zip(characters);
        let bytes = pairs.filter_map(|(byte, it)| it.map(|it| (it, byte))).collect();
        Self { characters, bytes }
    }

    /// ASCII, the letters from a byte on, and further pairs.
    fn from_letters(begin: u8, letters: &str, further: &[(u8, char)]) -> Self {
        let mut characters = [None; 256];
        let upper = (begin..=u8::MAX).zip(letters.chars()).filter(|(_, it)| *it != '_');
        let ascii = (0..0x80).map(|it| (it, char::from(it)));
        for (byte, it) in ascii.chain(upper).chain(further.iter().copied()) {
            characters[usize::from(byte)] = Some(it);
        }
        Self::new(characters)
    }

    fn from_encoding(encoding: &'static encoding_rs::Encoding) -> Self {
        let mut characters = [None; 256];
        for (byte, it) in (0..=u8::MAX).zip(&mut characters) {
            let bytes = [byte];
            let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes);
            *it = text.and_then(|it| it.chars().next());
        }
        Self::new(characters)
    }

    pub(crate) fn character(&self, byte: u8) -> Option<char> {
        self.characters[usize::from(byte)]
    }

    pub(crate) fn byte(&self, character: char) -> Option<u8> {
        self.bytes.get(&character).copied()
    }
}

/// Punctuation that the ABC fonts have from windows-1252.
const PUNCTUATION: [(u8, char); 9] = [
    (0x85, '…'),
    (0x91, '‘'),
    (0x92, '’'),
    (0x93, '“'),
    (0x94, '”'),
    (0x95, '•'),
    (0x96, '–'),
    (0x97, '—'),
    (0xa0, '\u{a0}'),
];

pub(crate) static TCVN3_TABLE: LazyLock<SingleByteTable> =
    LazyLock::new(|| SingleByteTable::from_letters(0xa1, TCVN3, &PUNCTUATION));
pub(crate) static VISCII_TABLE: LazyLock<SingleByteTable> =
    LazyLock::new(|| SingleByteTable::from_letters(0x80, VISCII, &VISCII_LOW));
pub(crate) static WINDOWS_1258_TABLE: LazyLock<SingleByteTable> =
    LazyLock::new(|| SingleByteTable::from_encoding(encoding_rs::WINDOWS_1258));
pub(crate) static WINDOWS_1252_TABLE: LazyLock<SingleByteTable> =
    LazyLock::new(|| SingleByteTable::from_encoding(encoding_rs::WINDOWS_1252));

/// The letter of TCVN3 for a character of Latin-1 with the same byte; none for ASCII and for bytes
/// without a letter.
pub fn tcvn3_letter(latin1: char) -> Option<char> {
    let byte = u8::try_from(u32::from(latin1)).ok().filter(|it| *it > 0xa0)?;
    TCVN3_TABLE.character(byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letter::is_vietnamese;

    #[test]
    fn both_directions_agree_on_every_pair() {
        for (name, table, letters) in [
            ("TCVN3", &TCVN3_TABLE, 74),
            ("VISCII", &VISCII_TABLE, 134),
            ("windows-1258", &WINDOWS_1258_TABLE, 0),
            ("windows-1252", &WINDOWS_1252_TABLE, 0),
        ] {
            let pairs: Vec<_> =
                (0..=u8::MAX).filter_map(|it| Some((it, table.character(it)?))).collect();
            for (byte, it) in &pairs {
                assert_eq!(table.byte(*it), Some(*byte), "{name} {byte:x} {it}");
            }
            assert_eq!(table.bytes.len(), pairs.len(), "{name} has a letter twice");
            let count = pairs.iter().filter(|it| !it.1.is_ascii() && is_vietnamese(it.1)).count();
            assert!(letters == 0 || count == letters, "{name}: {count} letters");
        }
    }
}
