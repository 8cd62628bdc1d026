//! Undoes what programs do to texts on the way: HTML and XML escapes, tags, percent-encoding,
//! `\u` escapes, encoded words of mails, and UTF-8 that was taken for Latin-1 and encoded again.

use std::borrow::Cow;

use crate::tags::strip_tags;

/// Times that a text may have been escaped.
const ROUNDS_MAX: usize = 4;
/// Longest name of an entity, and longest number of a character reference.
const ENTITY_CHARS_MAX: usize = 24;

/// The text as it was before it was escaped.
pub(crate) fn undo_escapes(text: &str) -> Cow<'_, str> {
    let mut current = Cow::Borrowed(text);
    for _ in 0..ROUNDS_MAX {
        let undone = undo_once(&current);
        if undone == *current {
            break;
        }
        current = Cow::Owned(undone);
    }
    current
}

fn undo_once(text: &str) -> String {
    let mut undone = String::with_capacity(text.len());
    let is_twice = has_twice_encoded(text);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let decoded = match first {
            '&' => decode_entity(rest),
            '%' => decode_hex_bytes(rest, '%')
                .or_else(|| decode_code_point(rest, "%u"))
                .or_else(|| decode_latin_byte(rest)),
            '\\' => decode_code_point(rest, "\\u").or_else(|| decode_code_point(rest, "\\x")),
            '=' => decode_word(rest).or_else(|| {
                let is_letter = |it: &(String, usize)| !it.0.is_ascii();
                decode_hex_bytes(rest, '=').filter(is_letter)
            }),
            '\u{c2}'..='\u{f4}' if is_twice => decode_twice(rest),
            _ => None,
        };
        let length = match decoded {
            Some((letters, length)) => {
                undone.push_str(&letters);
                length
            }
            None => {
                undone.push(first);
                first.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    match undone.contains('<') {
        true => strip_tags(&undone),
        false => undone,
    }
}

/// Decodes the entity or character reference that the text begins with; and its length.
fn decode_entity(text: &str) -> Option<(String, usize)> {
    let body: String = text.chars().skip(1).take(ENTITY_CHARS_MAX).collect();
    if let Some(number) = body.strip_prefix('#') {
        let (digits, radix, prefix) = match number.strip_prefix(['x', 'X']) {
            Some(digits) => (digits, 16, "&#x".len()),
            None => (number, 10, "&#".len()),
        };
        let count = digits.chars().take_while(|it| it.is_digit(radix)).count();
        let code = u32::from_str_radix(digits.get(..count)?, radix).ok()?;
        let end = usize::from(digits.get(count..)?.starts_with(';'));
        return Some((char::from_u32(code)?.to_string(), prefix + count + end));
    }
    let (name, _) = body.split_once(';')?;
    Some((named_character(name)?.to_string(), name.len() + "&;".len()))
}

fn named_character(name: &str) -> Option<char> {
    if let Some(at) = LATIN_1_NAMES.split_whitespace().position(|it| it == name) {
        return char::from_u32(0xc0 + u32::try_from(at).ok()?);
    }
    Some(match name {
        "amp" | "AMP" => '&',
        "lt" | "LT" => '<',
        "gt" | "GT" => '>',
        "quot" | "QUOT" => '"',
        "apos" => '\'',
        "shy" => '\u{ad}',
        "zwj" | "zwnj" | "lrm" | "rlm" | "ZeroWidthSpace" | "NoBreak" | "InvisibleComma" => {
            '\u{200b}'
        }
        "nbsp" | "NonBreakingSpace" | "ensp" | "emsp" | "thinsp" | "hairsp" | "Tab" => '\u{a0}',
        "NewLine" => '\n',
        "Abreve" => 'Ă',
        "abreve" => 'ă',
        "Dstrok" => 'Đ',
        "dstrok" => 'đ',
        "Utilde" => 'Ũ',
        "utilde" => 'ũ',
        "Itilde" => 'Ĩ',
        "itilde" => 'ĩ',
        "period" => '.',
        "comma" => ',',
        "colon" => ':',
        "hyphen" | "dash" => '-',
        "lowbar" => '_',
        _ => return None,
    })
}

/// The names of HTML for the characters from U+00C0 on.
const LATIN_1_NAMES: &str = "Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc \
    Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave \
    Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave \
    eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide \
    oslash ugrave uacute ucirc uuml yacute thorn yuml";

/// Decodes bytes written as hexadecimal digits, each behind `sign`, when they are UTF-8.
fn decode_hex_bytes(text: &str, sign: char) -> Option<(String, usize)> {
    let first = hex_byte(text, sign)?;
    let count = utf8_len(first)?;
    let bytes: Option<Vec<u8>> =
        (0..count).map(|it| text.get(it * 3..).and_then(|it| hex_byte(it, sign))).collect();
    let letters = String::from_utf8(bytes?).ok()?;
    Some((letters, count * 3))
}

/// Decodes a percent-encoded letter of Latin-1, as which spellings from before Unicode are sent.
fn decode_latin_byte(text: &str) -> Option<(String, usize)> {
    let byte = hex_byte(text, '%').filter(|it| *it >= 0xa0)?;
    Some((char::from(byte).to_string(), "%XX".len()))
}

fn hex_byte(text: &str, sign: char) -> Option<u8> {
    let digits = text.strip_prefix(sign)?.get(..2)?;
    let is_hex = digits.bytes().all(|it| it.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)
}

/// Decodes `\u1EAC`, `\u{1EAC}`, `%u1EAC` or `\xE2`.
fn decode_code_point(text: &str, prefix: &str) -> Option<(String, usize)> {
    let rest = text.strip_prefix(prefix)?;
    let is_braced = rest.starts_with('{');
    let digits = match (is_braced, prefix) {
        (true, _) => rest.get(1..)?.split_once('}')?.0,
        (false, "\\x") => rest.get(..2)?,
        (false, _) => rest.get(..4)?,
    };
    if digits.is_empty() || digits.len() > 6 || !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
        return None;
    }
    let letter = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    let length = prefix.len() + digits.len() + if is_braced { "{}".len() } else { 0 };
    Some((letter.to_string(), length))
}

/// Decodes an encoded word of a mail (RFC 2047) in UTF-8: `=?UTF-8?B?…?=`.
fn decode_word(text: &str) -> Option<(String, usize)> {
    const WORD_BYTES_MAX: usize = 1024;
    let limit = (0..=WORD_BYTES_MAX.min(text.len())).rev().find(|it| text.is_char_boundary(*it))?;
    let mut parts = text.get(..limit)?.strip_prefix("=?")?.splitn(3, '?');
    let (charset, encoding, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (encoded, _) = rest.split_once("?=")?;
    let length = "=????=".len() + charset.len() + encoding.len() + encoded.len();
    let bytes = match encoding {
        "B" | "b" => decode_base64(encoded)?,
        "Q" | "q" => return Some((undo_once(&encoded.replace('_', " ")), length)),
        _ => return None,
    };
    Some((String::from_utf8(bytes).ok()?, length))
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for it in text.bytes().filter(|it| *it != b'=') {
        let value = match it {
            b'A'..=b'Z' => it - b'A',
            b'a'..=b'z' => it - b'a' + 26,
            b'0'..=b'9' => it - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        (bits, count) = ((bits << 6 | u32::from(value)) & 0xffff, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(bytes)
}

/// True when a visible character of the text is encoded twice. A soft hyphen behind a letter, which is
/// the last byte of some letters too, does not suffice.
fn has_twice_encoded(text: &str) -> bool {
    let leads = text.char_indices().filter(|(_, it)| ('\u{c2}'..='\u{f4}').contains(it));
    leads.filter_map(|(at, _)| text.get(at..)).any(|rest| {
        let second = rest.chars().nth(1);
        second != Some('\u{ad}') && decode_twice(rest).is_some()
    })
}

/// Decodes a character that was encoded to UTF-8, taken for Latin-1 or windows-1252, and encoded
/// again.
fn decode_twice(text: &str) -> Option<(String, usize)> {
    let mut letters = text.chars();
    let first = latin_byte(letters.next()?)?;
    let mut bytes = vec![first];
    let mut length = text.chars().next()?.len_utf8();
    for it in letters.take(utf8_len(first)? - 1) {
        bytes.push(latin_byte(it).filter(|it| (0x80..0xc0).contains(it))?);
        length += it.len_utf8();
    }
    String::from_utf8(bytes).ok().map(|it| (it, length))
}

fn utf8_len(first: u8) -> Option<usize> {
    Some(match first {
        ..0x80 => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    })
}

/// The byte of a character in Latin-1, or in windows-1252 where the two differ.
fn latin_byte(it: char) -> Option<u8> {
    /// The characters of windows-1252 from 0x80 on.
    const WINDOWS: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";
    let at = || WINDOWS.chars().position(|windows| windows == it);
    u8::try_from(u32::from(it)).ok().or_else(|| u8::try_from(0x80 + at()?).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_as_often_as_they_were_made() {
        for text in [
            "M&#7852;T",
            "M&#x1EAC;T",
            "M&amp;#7852;T",
            "M&amp;amp;#x1eac;T",
            "M&#7852T",
            "M%E1%BA%ACT",
            "M%25E1%25BA%25ACT",
            "M%u1EACT",
            "M\\u1EACT",
            "M\\u{1eac}T",
            "=?UTF-8?B?TeG6rFQ=?=",
            "=?utf-8?q?M=E1=BA=ACT?=",
            "M=E1=BA=ACT",
            "M\u{e1}\u{ba}\u{ac}T",
            "Máº¬T",
            "M\u{c3}\u{a1}\u{c2}\u{ba}\u{c2}\u{ac}T",
            "M<b>Ậ</b>T",
            "M&lt;i&gt;Ậ&lt;/i&gt;T",
            "M<!-- x -->ẬT",
        ] {
            assert_eq!(undo_escapes(text), "MẬT", "{text}");
        }
        assert_eq!(undo_escapes("M&Acirc;T &amp; 5 % = 7 < 8 \\ đã”"), "MÂT & 5 % = 7 < 8 \\ đã”");
    }
}
