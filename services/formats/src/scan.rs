//! Scans native bytes to a tree.

pub(crate) mod csv;
mod declared_encoding;
mod encoding;
pub(crate) mod fields;
pub(crate) mod json;
pub(crate) mod namespaces;
pub(crate) mod xml;

pub(crate) use encoding::{NativeText, decode_text, readable_text};

use proto::fault::code;
use proto::fault::v1::Fault;

/// Refuses a page for a browser, which a server sends in place of data when a session has ended or
/// something failed.
///
/// # Errors
///
/// The text begins as HTML does.
pub(crate) fn refuse_html(text: &str) -> Result<(), Fault> {
    let text = text.trim_start();
    let begins_with =
        |it: &str| text.get(..it.len()).is_some_and(|text| text.eq_ignore_ascii_case(it));
    if !["<!doctype html", "<html"].iter().any(|it| begins_with(it)) {
        return Ok(());
    }
    Err(Fault::new(&code::LT_MAP_032).violation(
        "body",
        "là một trang HTML, không phải dữ liệu",
        "is an HTML page, not data",
    ))
}
