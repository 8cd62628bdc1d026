//! Character encoding of native bytes.

use proto::fault::code;
use proto::fault::v1::Fault;

/// The text of native bytes, without a byte order mark.
///
/// # Errors
///
/// The bytes are not UTF-8.
pub(crate) fn decode_utf8(native: &[u8]) -> Result<&str, Fault> {
    let native = native.strip_prefix(b"\xef\xbb\xbf").unwrap_or(native);
    simdutf8::basic::from_utf8(native).map_err(|_error| Fault::new(&code::LT_MAP_016))
}
