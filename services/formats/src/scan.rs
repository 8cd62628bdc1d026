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

/// Parts that may stand before the root of a page. More are no page that anybody writes.
const PROLOG_PARTS_MAX: usize = 8;

/// Refuses a page for a browser, which a server sends in place of data when a session has ended or
/// something failed.
///
/// # Errors
///
/// The text begins as HTML does.
pub(crate) fn refuse_html(text: &str) -> Result<(), Fault> {
    let text = without_prolog(text);
    // The name ends here, so that no other name that begins alike is taken for it.
    let is_end = |it: char| it.is_ascii_whitespace() || it == '>';
    let begins_with = |it: &str| {
        text.get(..it.len()).is_some_and(|text| text.eq_ignore_ascii_case(it))
            && text.get(it.len()..).is_some_and(|it| it.is_empty() || it.starts_with(is_end))
    };
    if !["<!doctype html", "<html"].iter().any(|it| begins_with(it)) {
        return Ok(());
    }
    Err(Fault::new(&code::LT_MAP_032).violation(
        "body",
        "là một trang HTML, không phải dữ liệu",
        "is an HTML page, not data",
    ))
}

/// The text behind white space, an XML declaration, instructions and comments, which pages begin with
/// too.
fn without_prolog(text: &str) -> &str {
    let mut rest = text.trim_start();
    for (begin, end) in [("<?", "?>"), ("<!--", "-->")].into_iter().cycle().take(PROLOG_PARTS_MAX) {
        let Some((_, behind)) = rest.strip_prefix(begin).and_then(|it| it.split_once(end)) else {
            continue;
        };
        rest = behind.trim_start();
    }
    rest
}
