//! Character encoding of native bytes.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use legacy_text::Charset;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::Finding;

use crate::scan::declared_encoding::{DeclaredEncoding, declared_encoding};

/// Native bytes as text.
#[derive(Debug)]
pub(crate) struct NativeText<'n> {
    pub(crate) text: Cow<'n, str>,
    /// What the declaration says is not what the bytes are.
    pub(crate) finding: Option<Finding>,
}

/// The text of native bytes, without byte order marks; programs that join files leave two.
///
/// Unicode is known by its bytes: a byte order mark, the zero bytes of UTF-16, or bytes that are
/// UTF-8. Other bytes are read as XML declares them, or else as `charset`, which is that of the
/// description.
///
/// # Errors
///
/// The bytes are not what they are said to be, or nothing says what they are.
pub(crate) fn decode_text(
    native: &[u8],
    charset: Option<Charset>,
) -> Result<NativeText<'_>, Fault> {
    if let Some((encoding, begin)) = utf16_of(native) {
        return decode_utf16(native, (encoding, begin));
    }
    let mut bytes = native;
    while let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        bytes = rest;
    }
    let has_mark = bytes.len() < native.len();
    let declared = declared_encoding(bytes);
    if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
        let said = declared.or_else(|| charset.map(DeclaredEncoding::Legacy));
        let differs = |it: &DeclaredEncoding| !it.is_unicode() && !text.is_ascii();
        let differing = said.filter(differs);
        if has_mark || differing.is_none() || is_office_text(text) {
            let finding = differing.map(|it| differing_finding(&it.name(), "UTF-8"));
            return Ok(NativeText { text: Cow::Borrowed(text), finding });
        }
    }
    let text = match (declared, charset) {
        _ if has_mark => return Err(not_utf8(bytes)),
        (Some(DeclaredEncoding::Legacy(it)), _) | (None, Some(it)) => decode_legacy(bytes, it)?,
        (Some(DeclaredEncoding::Known(it)), _) if it != UTF_8 && !is_utf16(it) => {
            decode_known(bytes, it)?
        }
        _ => return Err(not_utf8(bytes)),
    };
    Ok(NativeText { text: Cow::Owned(text), finding: None })
}

/// The text of bytes that were refused, as well as it can be read: what is no letter becomes U+FFFD.
pub(crate) fn readable_text(native: &[u8]) -> Cow<'_, str> {
    if let Some((encoding, begin)) = utf16_of(native) {
        let bytes = native.get(begin..).unwrap_or_default();
        return encoding.decode_without_bom_handling(bytes).0;
    }
    if let Ok(text) = simdutf8::basic::from_utf8(native) {
        return Cow::Borrowed(text);
    }
    match declared_encoding(native) {
        Some(DeclaredEncoding::Known(it)) => it.decode_without_bom_handling(native).0,
        // Letters of old charsets are known as those of Latin-1 too.
        Some(DeclaredEncoding::Legacy(_)) => encoding_rs::mem::decode_latin1(native),
        None => Cow::Owned(format!(
            "{}\n{}",
            String::from_utf8_lossy(native),
            encoding_rs::mem::decode_latin1(native)
        )),
    }
}

/// True for a text with the letters of Vietnamese and western languages alone. Two letters of another
/// charset may happen to be one of UTF-8, but then seldom one of these.
fn is_office_text(text: &str) -> bool {
    let is_of_office =
        |it: char| matches!(it, ..'\u{370}' | '\u{1e00}'..='\u{1eff}' | '\u{2000}'..='\u{23ff}');
    text.chars().all(is_of_office)
}

fn is_utf16(encoding: &Encoding) -> bool {
    encoding == UTF_16LE || encoding == UTF_16BE
}

/// The byte order of UTF-16, and where its text begins: by the mark, or by the zero byte beside the
/// first character, which is ASCII in XML and JSON (RFC 4627, section 3; XML 1.0, appendix F) and in
/// most titles of tables. The second character may be any letter.
fn utf16_of(native: &[u8]) -> Option<(&'static Encoding, usize)> {
    match native {
        // UTF-32, which nobody writes.
        [0xff, 0xfe, 0, 0, ..] => None,
        [0xff, 0xfe, ..] => Some((UTF_16LE, 2)),
        [0xfe, 0xff, ..] => Some((UTF_16BE, 2)),
        [first, 0, second, ..] if is_text(*first) && *second != 0 => Some((UTF_16LE, 0)),
        [0, first, ..] if is_text(*first) => Some((UTF_16BE, 0)),
        _ => None,
    }
}

fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte.is_ascii_whitespace()
}

fn decode_utf16(
    native: &[u8],
    (encoding, begin): (&'static Encoding, usize),
) -> Result<NativeText<'static>, Fault> {
    let bytes = native.get(begin..).unwrap_or_default();
    let mut text = decode_known(bytes, encoding)?;
    let marks = text.len() - text.trim_start_matches('\u{feff}').len();
    text.drain(..marks);
    let declared = declared_encoding(text.as_bytes());
    let differs =
        |it: &DeclaredEncoding| !matches!(it, DeclaredEncoding::Known(it) if is_utf16(it));
    let finding = declared.filter(differs).map(|it| differing_finding(&it.name(), encoding.name()));
    Ok(NativeText { text: Cow::Owned(text), finding })
}

/// The text of bytes of an encoding of the WHATWG standard. windows-1258 has tones apart, so its text
/// is composed here, once.
fn decode_known(bytes: &[u8], encoding: &'static Encoding) -> Result<String, Fault> {
    if encoding == encoding_rs::WINDOWS_1258 {
        return decode_legacy(bytes, Charset::Windows1258);
    }
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let size = decoder.max_utf8_buffer_length_without_replacement(bytes.len());
    let mut text = String::with_capacity(size.unwrap_or_default());
    let (result, read) = decoder.decode_to_string_without_replacement(bytes, &mut text, true);
    match result {
        DecoderResult::InputEmpty => Ok(text),
        DecoderResult::Malformed(length, behind) => {
            let at = read.saturating_sub(usize::from(length) + usize::from(behind));
            Err(not_of_charset(bytes, at, encoding.name()))
        }
        DecoderResult::OutputFull => Err(not_of_charset(bytes, read, encoding.name())),
    }
}

fn decode_legacy(bytes: &[u8], charset: Charset) -> Result<String, Fault> {
    charset.decode(bytes).map_err(|at| not_of_charset(bytes, at, charset.name()))
}

/// The place of a byte, for messages to people: its line from 1, and its index in the content.
fn place_of(bytes: &[u8], at: usize) -> String {
    let lines = bytes.iter().take(at).filter(|it| **it == b'\n').count();
    format!("line {}, byte {at}", lines + 1)
}

/// The refusal of bytes that are no text of the charset they are said to be in.
fn not_of_charset(bytes: &[u8], at: usize, charset: &str) -> Fault {
    let byte = bytes.get(at).map_or_else(String::new, |it| format!(" {it:02X}"));
    Fault::new(&code::LT_MAP_063).param("encoding", charset).violation(
        place_of(bytes, at),
        format!("byte{byte} không là ký tự nào của {charset}"),
        format!("the byte{byte} is no character of {charset}"),
    )
}

/// The finding that a declaration is not true of the bytes.
fn differing_finding(declared: &str, read: &str) -> Finding {
    Finding {
        code: "LT-MAP-062".to_owned(),
        field: "encoding".to_owned(),
        text_vi: format!("Khai báo {declared}, nhưng các byte là {read}; đã đọc theo {read}."),
        text_en: format!("Declared as {declared}, but the bytes are {read}; read as {read}."),
    }
}

/// The refusal, with the first wrong byte, and what the bytes look like where that can be told.
fn not_utf8(native: &[u8]) -> Fault {
    let at = std::str::from_utf8(native).map_or_else(|error| error.valid_up_to(), str::len);
    let looks = match native {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some(("UTF-32", "UTF-32")),
        [0x1f, 0x8b, ..] => Some(("gzip", "gzip")),
        [b'P', b'K', 3, 4, ..] => Some(("ZIP", "a ZIP")),
        _ => spelling_of_line(native, at),
    };
    let hint = |name: Option<&str>, word: &str| {
        name.map_or_else(String::new, |it| format!("; {word} {it}"))
    };
    Fault::new(&code::LT_MAP_016).violation(
        place_of(native, at),
        format!("các byte không phải UTF-8{}", hint(looks.map(|it| it.0), "trông như")),
        format!("the bytes are not UTF-8{}", hint(looks.map(|it| it.1), "they look like")),
    )
}

/// Bytes before and behind a wrong one that tell what they look like.
const LINE_BYTES_MAX: usize = 200;

/// The names of the charset that the line of a byte looks like.
fn spelling_of_line(native: &[u8], at: usize) -> Option<(&'static str, &'static str)> {
    let (before, behind) = native.split_at_checked(at)?;
    let is_end = |it: &u8| matches!(it, b'\n' | b'>' | b'<' | b'"');
    let before = before.rsplit(is_end).next().unwrap_or_default();
    let behind = behind.split(is_end).next().unwrap_or_default();
    let begin = before.len().saturating_sub(LINE_BYTES_MAX);
    let line = before.iter().skip(begin).chain(behind.iter().take(LINE_BYTES_MAX));
    let latin1: String = line.map(|it| char::from(*it)).collect();
    let reading = legacy_text::read(&latin1)?;
    let step = reading.steps.last().copied().or(reading.unclear)?;
    Some(step.spelling.names())
}

#[cfg(test)]
mod tests;
