//! JSON files for other programs: indented, with times in RFC 3339.

use serde_json::Value;

/// Indented JSON with a final line feed.
pub(crate) fn pretty_json(value: &Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// A time in RFC 3339, UTC.
pub(crate) fn rfc3339(at_us: i64) -> String {
    jiff::Timestamp::from_microsecond(at_us).map_or_else(|_| String::new(), |it| it.to_string())
}
