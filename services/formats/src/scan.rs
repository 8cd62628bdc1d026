//! Scans native bytes to a tree.

pub(crate) mod csv;
mod declared_encoding;
mod encoding;
pub(crate) mod fields;
pub(crate) mod json;
pub(crate) mod xml;

pub(crate) use encoding::{NativeText, decode_text};
