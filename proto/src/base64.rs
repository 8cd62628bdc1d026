//! Base64 as clients and packets write it (RFC 4648): one reading for the bytes of a JSON call and
//! for the files inside a body.
//!
//! Taken: both alphabets, with or without padding, white space anywhere (MIME folds lines at 76
//! letters, some encoders end them with CR LF), and the `data:` URI of a browser's `FileReader`.
//! Refused: a text that was cut off, because the file would be shorter than the sender's; and a
//! text with letters of both alphabets, which no encoder writes.

/// Why a text is not base64, in both languages, to follow the name of the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base64Error {
    /// Vietnamese.
    pub vi: String,
    /// English.
    pub en: String,
}

impl Base64Error {
    fn new(vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self { vi: vi.into(), en: en.into() }
    }
}

/// The bytes of a base64 text.
///
/// # Errors
///
/// A letter is outside the alphabet, the end is missing, or a `data:` URI holds no base64.
pub fn decode(text: &str) -> Result<Vec<u8>, Base64Error> {
    let (text, begin) = strip_data_uri(text)?;
    let mut bytes: Vec<u8> = text.bytes().filter(|it| !it.is_ascii_whitespace()).collect();
    // Nearly every text is standard base64 with padding; the others are brought to it first.
    let standard = base64_simd::STANDARD.decode_inplace(&mut bytes).map(|it| it.len());
    if let Ok(size) = standard {
        bytes.truncate(size);
        return Ok(bytes);
    }
    let mut bytes: Vec<u8> = text.bytes().filter(|it| !it.is_ascii_whitespace()).collect();
    let is_url = bytes.iter().any(|it| matches!(it, b'-' | b'_'));
    if is_url {
        if bytes.iter().any(|it| matches!(it, b'+' | b'/')) {
            return Err(Base64Error::new(
                "trộn hai bảng chữ base64 (`+/` và `-_`)",
                "mixes the two alphabets of base64 (`+/` and `-_`)",
            ));
        }
        for it in &mut bytes {
            *it = match *it {
                b'-' => b'+',
                b'_' => b'/',
                other => other,
            };
        }
    }
    let padding = bytes.iter().rev().take_while(|it| **it == b'=').count();
    bytes.truncate(bytes.len() - padding);
    check_alphabet(text, begin, &bytes)?;
    let last = bytes.len() % 4;
    let is_padding_right = padding == 0 || last >= 2 && padding == 4 - last;
    let spare_bits = clear_spare_bits(&mut bytes, last);
    // Without padding, bits that no byte uses are the sign of a text that was cut inside a letter.
    if last == 1 || !is_padding_right || (padding == 0 && spare_bits) {
        return Err(Base64Error::new("base64 bị cắt cụt", "the base64 is cut off"));
    }
    let decoded = base64_simd::STANDARD_NO_PAD.decode_to_vec(&bytes);
    decoded.map_err(|_error| Base64Error::new("base64 bị hỏng", "the base64 is damaged"))
}

/// The text behind `data:<media type>;base64,` and the offset at which it begins.
fn strip_data_uri(text: &str) -> Result<(&str, usize), Base64Error> {
    let trimmed = text.trim_ascii_start();
    let is_uri = trimmed.as_bytes().get(..5).is_some_and(|it| it.eq_ignore_ascii_case(b"data:"));
    if !is_uri {
        return Ok((text, 0));
    }
    let not_base64 = || {
        Base64Error::new(
            "là một URI `data:` không mang base64; cần `data:<kiểu>;base64,<nội dung>`",
            "is a `data:` URI without base64; it must be `data:<type>;base64,<content>`",
        )
    };
    let (head, content) = trimmed.split_once(',').ok_or_else(not_base64)?;
    if !head.to_ascii_lowercase().ends_with(";base64") {
        return Err(not_base64());
    }
    Ok((content, text.len() - content.len()))
}

/// Names the first letter outside the alphabet and its offset in the sender's text.
fn check_alphabet(text: &str, begin: usize, bytes: &[u8]) -> Result<(), Base64Error> {
    if bytes.iter().all(|it| value_of(*it).is_some()) {
        return Ok(());
    }
    let is_foreign = |it: char| {
        !it.is_ascii_whitespace()
            && !matches!(it, '-' | '_')
            && u8::try_from(it).ok().and_then(value_of).is_none()
    };
    let found = text.char_indices().find(|(_, it)| is_foreign(*it));
    let (at, letter) = found.map_or((begin, '='), |(at, it)| (begin + at, it));
    let number = u32::from(letter);
    Err(Base64Error::new(
        format!("base64 có ký tự lạ U+{number:04X} ở byte {at}"),
        format!("the base64 holds the foreign character U+{number:04X} at byte {at}"),
    ))
}

/// The number that a letter of the standard alphabet stands for.
fn value_of(letter: u8) -> Option<u8> {
    ALPHABET.iter().position(|it| *it == letter).and_then(|it| u8::try_from(it).ok())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Clears the bits of the last letter that belong to no byte (RFC 4648, section 3.5); true when one
/// of them was set. `last` is the number of letters in the last group.
fn clear_spare_bits(bytes: &mut [u8], last: usize) -> bool {
    let mask = match last {
        2 => 0b1111,
        3 => 0b11,
        _ => return false,
    };
    let Some(letter) = bytes.last_mut() else { return false };
    let Some(value) = value_of(*letter) else { return false };
    *letter = ALPHABET.get(usize::from(value & !mask)).copied().unwrap_or(*letter);
    value & mask != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_encoders_write_is_read() {
        let forms = [
            "+/8BAg==",
            "-_8BAg==",
            "-_8BAg",
            "+/8BAg",
            "+/8B\r\nAg==",
            " +/8BAg==\n",
            "+ / 8 B\tA g = =",
            "+/8BAh==",
            "data:application/octet-stream;base64,+/8BAg==",
            "data:;base64,+/8BAg",
            "DATA:text/plain;charset=utf-8;BASE64,-_8BAg",
        ];
        for it in forms {
            assert_eq!(decode(it).as_deref(), Ok(&[0xfb, 0xff, 1, 2][..]), "{it}");
        }
        assert_eq!(decode("").as_deref(), Ok(&[][..]));
        assert_eq!(decode(" \r\n").as_deref(), Ok(&[][..]));
    }

    #[test]
    fn a_text_that_is_cut_off_or_damaged_is_refused_with_the_place() {
        let error = |it: &str| decode(it).unwrap_err().en;
        for it in ["+/8BA", "+/8BAh", "+/8BAg=", "+/8BAg===", "=", "A=", "AB=="[..3].trim()] {
            assert_eq!(error(it), "the base64 is cut off", "{it}");
        }
        assert!(error("+/8B=Ag=").contains("U+003D at byte 4"), "{}", error("+/8B=Ag="));
        assert!(error("AA\u{200b}AA").contains("U+200B at byte 2"));
        assert!(error("data:;base64,AA*A").contains("U+002A at byte 15"));
        assert!(error("+_8BAg==").contains("two alphabets"));
        assert!(error("data:text/plain,hello").contains("without base64"));
        assert!(error("data:hello").contains("without base64"));
    }
}
