//! Text files as the tools of several systems write them.

/// The text of a file: UTF-8, or UTF-16 as PowerShell's `>` and Notepad write it, with or without a
/// byte order mark, which is removed. `None` for bytes that are neither.
pub fn decode(bytes: &[u8]) -> Option<String> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        [0xFF, 0xFE, rest @ ..] => decode_utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => decode_utf16(rest, u16::from_be_bytes),
        // Without a mark, ASCII in UTF-16 has a zero in every second byte, which no text in UTF-8 has.
        [_, 0, ..] if bytes.len().is_multiple_of(2) => decode_utf16(bytes, u16::from_le_bytes),
        [0, _, ..] if bytes.len().is_multiple_of(2) => decode_utf16(bytes, u16::from_be_bytes),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|it| unit(*it)).collect();
    rest.is_empty().then(|| String::from_utf16(&units).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_of_windows_tools_is_read() {
        let text = "khóa = \"đ\"\r\n";
        let (mut little, mut big) = (vec![0xFF, 0xFE], vec![0xFE, 0xFF]);
        for unit in text.encode_utf16() {
            little.extend(unit.to_le_bytes());
            big.extend(unit.to_be_bytes());
        }
        let marked = [b"\xEF\xBB\xBF", text.as_bytes()].concat();
        for bytes in [text.as_bytes(), &marked, &little, &big, &little[2..], &big[2..]] {
            assert_eq!(decode(bytes).as_deref(), Some(text), "{bytes:02x?}");
        }
        assert_eq!(decode(b"").as_deref(), Some(""));
        assert_eq!(decode(b"\xEF\xBB\xBF").as_deref(), Some(""));
        for damaged in [&b"\xFF\xFEa"[..], b"kh\xF3a", b"\xFF\xFE\x00\xD8"] {
            assert_eq!(decode(damaged), None, "{damaged:02x?}");
        }
    }
}
