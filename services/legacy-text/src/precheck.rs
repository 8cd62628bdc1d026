//! A necessary condition for a text of an old charset, in one pass over its bytes and without an
//! allocation, because nearly every text of every message is ordinary Unicode.

/// False when the text is ordinary: ASCII, letters of Vietnamese where Vietnamese has them, and common
/// punctuation.
pub(crate) fn may_be_legacy(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut index = 0;
    while let Some(offset) = bytes.get(index..).and_then(|it| it.iter().position(|it| *it >= 0x80))
    {
        let at = index + offset;
        let byte = |offset: usize| bytes.get(at + offset).copied().unwrap_or_default();
        let before = at.checked_sub(1).and_then(|it| bytes.get(it)).copied().unwrap_or_default();
        let is_odd = match byte(0) {
            0xc2 => byte(1) != 0xa0,
            0xc3 => is_odd_latin1(before, byte(1), (byte(2), byte(3))),
            // Ă before another character above ASCII, as C3 in windows-1258.
            0xc4 => byte(1) == 0x82 && byte(2) >= 0x80,
            0xc5 => matches!(byte(1), 0x92 | 0x93 | 0xa0 | 0xa1 | 0xb8 | 0xbd | 0xbe),
            0xc6 => matches!(byte(1), 0x89 | 0x92),
            0xc9 => byte(1) == 0x96,
            0xcb => matches!(byte(1), 0x86 | 0x9c),
            0xcc | 0xcd => true,
            0xe2 => before.is_ascii_alphabetic() && byte(3).is_ascii_alphabetic(),
            _ => false,
        };
        if is_odd {
            return true;
        }
        index = at + length(byte(0));
    }
    false
}

/// Bytes of a character, by its first.
fn length(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        _ => 2,
    }
}

/// The letters of Latin-1 that Vietnamese has, by the second byte of UTF-8, in small letters.
const VIETNAMESE: &[u8] = &[
    0xa0, 0xa1, 0xa2, 0xa3, 0xa8, 0xa9, 0xaa, 0xac, 0xad, 0xb2, 0xb3, 0xb4, 0xb5, 0xb9, 0xba, 0xbd,
];

/// True for a letter of Latin-1 that Vietnamese does not have, or not between these neighbours.
fn is_odd_latin1(before: u8, second: u8, (next, after_next): (u8, u8)) -> bool {
    let small = second | 0x20;
    if !VIETNAMESE.contains(&small) {
        return true;
    }
    let is_small = second >= 0xa0;
    // Ã, Â and â are the first bytes of Vietnamese letters and of punctuation.
    let is_lead = matches!(second, 0x82 | 0x83 | 0xa2);
    if is_lead && next >= 0x80 || next == 0xc3 || next == 0xc2 && after_next != 0xa0 {
        return true;
    }
    if before.is_ascii_lowercase() && !is_small || is_small && next.is_ascii_uppercase() {
        return true;
    }
    is_odd_pair(before.to_ascii_lowercase(), small)
        || is_odd_before(small, next.to_ascii_lowercase())
}

/// True for a letter before a vowel of ASCII that Vietnamese never writes behind it (`éi`, `ãa`).
fn is_odd_before(small: u8, next: u8) -> bool {
    let odd: &[u8] = match small {
        // à á ã
        0xa0 | 0xa1 | 0xa3 => b"ae",
        // â
        0xa2 => b"aeio",
        // è é
        0xa8 | 0xa9 => b"aeiuy",
        // ê
        0xaa => b"aeioy",
        // ì í, and ò ó õ
        0xac | 0xad => b"eoy",
        0xb2 | 0xb3 | 0xb5 => b"ouy",
        // ô
        0xb4 => b"aeouy",
        // ù ú, and ý
        0xb9 | 0xba => b"eou",
        _ => b"aeoy",
    };
    odd.contains(&next)
}

/// True for a vowel of ASCII before a letter that Vietnamese never writes behind it.
fn is_odd_pair(before: u8, small: u8) -> bool {
    match before {
        b'a' | b'e' => true,
        // à á ã è é ò ó õ: toà, khoá, xoã, khoẻ, xoong
        b'o' => !matches!(small, 0xa0 | 0xa1 | 0xa3 | 0xa8 | 0xa9 | 0xb2 | 0xb3 | 0xb5),
        // ù and ú: quù is no syllable
        b'u' => matches!(small, 0xb9 | 0xba),
        b'y' => small != 0xaa,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_texts_pass() {
        for text in [
            "Về việc triển khai nhiệm vụ năm 2026 – “Số 5”, Toà án, khoá, HOÀ BÌNH, quý, quốc, uý, yêu, già",
            "ỦY BAN NHÂN DÂN XÃ ĐÔNG HÒA, THỊ XÃ",
            "plain",
            "",
            "文件 и так далее",
            "xoong, moóc, Đắk Lắk, giò, loè, hoè, huề, thuê, quà, “là”, quẫn",
            "no\u{a0}break",
        ] {
            assert!(!may_be_legacy(text), "{text}");
        }
    }

    #[test]
    fn others_are_looked_at() {
        for text in [
            "C«ng",
            "Coâng",
            "thýì",
            "viêòc",
            "viÖc",
            "CéNG",
            "hÃ¡",
            "Ã\u{a0}",
            "Ã€",
            "â€œ",
            "vi‡t",
            "Ðà",
            "e\u{301}",
            "sè Öl",
            "Toå",
            "ñaûng",
            "Néi",
            "Thanh Hãa",
            "Ă¡",
            "Ä‘",
            "tèiÕ",
            "veà",
        ] {
            assert!(may_be_legacy(text), "{text}");
        }
    }
}
