//! Scans native bytes to a tree.

mod encoding;
pub(crate) mod json;
pub(crate) mod xml;

pub(crate) use encoding::decode_utf8;
