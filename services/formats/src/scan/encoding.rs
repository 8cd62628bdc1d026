//! Character encoding of native bytes.

use proto::fault::code;
use proto::fault::v1::Fault;

/// The text of native bytes, without byte order marks; programs that join files leave two.
///
/// # Errors
///
/// The bytes are not UTF-8.
pub(crate) fn decode_utf8(native: &[u8]) -> Result<&str, Fault> {
    let mut native = native;
    while let Some(rest) = native.strip_prefix(b"\xef\xbb\xbf") {
        native = rest;
    }
    simdutf8::basic::from_utf8(native).map_err(|_error| not_utf8(native))
}

/// The refusal, with the first wrong byte, and what the bytes look like where that can be told.
fn not_utf8(native: &[u8]) -> Fault {
    let at = std::str::from_utf8(native).map_or_else(|error| error.valid_up_to(), str::len);
    let hint = match native {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => ("; đây là UTF-16", "; these are UTF-16"),
        [0x1f, 0x8b, ..] => ("; đây là gzip", "; these are gzip"),
        [b'P', b'K', 3, 4, ..] => ("; đây là ZIP", "; these are a ZIP"),
        _ => ("", ""),
    };
    Fault::new(&code::LT_MAP_016).violation(
        format!("byte {at}"),
        format!("các byte không phải UTF-8{}", hint.0),
        format!("the bytes are not UTF-8{}", hint.1),
    )
}
