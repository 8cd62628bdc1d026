//! Message filter: finds secrecy marks (mật, tối mật, tuyệt mật), so that marked messages are
//! refused.

mod document;
mod parts;

use formats::readable_text;
use proto::canonical::v1::{Canonical, Leftover, Leftovers, canonical::Body, leftover::Why};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use secrecy_marks::{SecrecyMark, find_in_field, find_in_file_name, find_in_text};

use self::document::{find_in_document, find_in_status};
use self::parts::{FoundMark, find_in_list};

/// A secrecy mark, and its position in a message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PositionedMark {
    pub(crate) mark: SecrecyMark,
    pub(crate) position: MarkPosition,
}

/// The position of a secrecy mark in a message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MarkPosition {
    /// A canonical path.
    Canonical(String),
    /// A path of the native form, for a field that the canonical model does not have.
    Native(String),
}

/// The first secrecy mark in a message; none when there is none.
///
/// Formats without a secrecy field put the mark into texts, so besides the field every text that
/// people write is searched, in documents and statuses, and every native field that the canonical
/// model does not have. Texts about secrecy ("bảo vệ bí mật nhà nước") are no mark. In names of people
/// and organisations `Mật` alone is none either, because it is a name as well.
pub(crate) fn find_mark(canonical: &Canonical) -> Option<PositionedMark> {
    let (found, extras, leftovers) = match &canonical.body {
        Some(Body::Document(it)) => (find_in_document(it), &it.extras, &it.leftovers),
        Some(Body::Status(it)) => (find_in_status(it), &it.extras, &it.leftovers),
        Some(Body::Receipt(_) | Body::DeliveryReport(_)) | None => return None,
    };
    let canonical = found.or_else(|| {
        find_in_list("extras", extras, |it| {
            let mark = find_in_field([it.name.as_str()], &it.value, false);
            mark.or_else(|| find_in_text(&it.owner)).map(|it| FoundMark::new("value", it))
        })
    });
    let positioned = |it: FoundMark| PositionedMark {
        mark: it.mark,
        position: MarkPosition::Canonical(it.path),
    };
    canonical.map(positioned).or_else(|| leftovers.iter().find_map(find_in_unmapped))
}

fn find_in_unmapped(leftovers: &Leftovers) -> Option<PositionedMark> {
    leftovers.items.iter().find_map(|it: &Leftover| {
        let is_known = matches!(it.why(), Why::Invalid | Why::Spelling | Why::Other);
        let mark = find_in_field(it.at.split('/'), &it.raw, is_known)?;
        Some(PositionedMark { mark, position: MarkPosition::Native(it.at.clone()) })
    })
}

/// The refusal of a message because of a secrecy mark; none for a message that may be exchanged.
///
/// The path of the refusal is that of the native form, by `native_path`.
pub fn secrecy_refusal(
    canonical: &Canonical,
    native_path: impl FnOnce(&str) -> String,
) -> Option<Fault> {
    find_mark(canonical).map(|it| refusal(&it, native_path))
}

/// The refusal of a message with a mark. It names the mark's position and quotes nothing of the
/// document.
fn refusal(found: &PositionedMark, native_path: impl FnOnce(&str) -> String) -> Fault {
    let path = match &found.position {
        MarkPosition::Canonical(path) => native_path(path),
        MarkPosition::Native(path) => without_mark(path),
    };
    refusal_at(path, found.mark)
}

fn refusal_at(path: impl Into<String>, mark: SecrecyMark) -> Fault {
    let (vi, en) = match mark {
        SecrecyMark::Clear => (
            "Có dấu chỉ độ mật; văn bản mật không được gửi qua trục này.",
            "It bears a secrecy mark; secret documents are not exchanged through this system.",
        ),
        SecrecyMark::Unclear => (
            "Có thể là dấu chỉ độ mật, nhưng viết không rõ. Nếu văn bản không mật, hãy viết lại chỗ \
             này bằng chữ thường có dấu, không có ký tự lạ, hoặc ghi \"Thường\" nếu là trường độ mật.",
            "It may be a secrecy mark, but is not written clearly. If the document is not secret, \
             write this place again in ordinary letters with diacritics and without unusual \
             characters, or as \"Thường\" in a secrecy field.",
        ),
    };
    Fault::new(&code::LT_MAP_210).violation(path, vi, en)
}

/// True for a refusal because of a secrecy mark, of which nothing else is recorded.
pub(crate) fn is_code(fault: &Fault) -> bool {
    [code::LT_MAP_007.code, code::LT_MAP_210.code].contains(&fault.code.as_str())
}

/// A native path up to the step that itself bears a mark, because a refusal quotes none.
fn without_mark(path: &str) -> String {
    let steps = path.split('/').take_while(|it| find_in_text(it).is_none());
    steps.collect::<Vec<_>>().join("/")
}

/// The refusal of a message because of the name of a file that was uploaded for it.
pub(crate) fn check_file_names(declared: &[DeclaredAttachment]) -> Result<(), Fault> {
    for (index, it) in declared.iter().enumerate() {
        let mark = find_in_file_name(&it.file_name).or_else(|| find_in_file_name(&it.reference));
        if let Some(mark) = mark {
            return Err(refusal_at(format!("attachments[{index}].file_name"), mark));
        }
    }
    Ok(())
}

/// Bytes of an undecodable body that are searched for a mark: the texts of a packet stand before
/// its files.
const UNDECODABLE_BYTES_MAX: usize = 256 * 1024;

/// The fault to answer for a body that could not be decoded. The fault may quote the body, so when
/// the body bears a mark, the answer is the refusal for secrecy, which quotes nothing. A refusal by
/// the secrecy field (`LT-MAP-007`) quotes nothing either and stays, because it names the field.
pub fn redact_decode_fault(native: &[u8], fault: Fault) -> Fault {
    if fault.code == code::LT_MAP_007.code {
        return fault;
    }
    let head = native.get(..UNDECODABLE_BYTES_MAX).unwrap_or(native);
    if find_in_text(&readable_text(head)).is_some() { Fault::new(&code::LT_MAP_210) } else { fault }
}

#[cfg(test)]
#[path = "secrecy/tests.rs"]
mod tests;
