//! Message filter: finds secrecy marks (mật, tối mật, tuyệt mật), so that marked messages are
//! refused.

mod marks;

use name_folding::fold_case;
use proto::canonical::v1::{
    Attachment, Canonical, Code, Document, DocumentNumber, DocumentRef, Extra, Leftovers, Status,
    canonical::Body,
};
use proto::fault::code;
use proto::fault::v1::Fault;

use self::marks::{file_name_has_mark, number_has_mark, text_has_mark};

/// The position of a secrecy mark in a message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MarkPosition {
    /// A canonical path.
    Canonical(String),
    /// A path of the native form, for a field that the canonical model does not have.
    Native(String),
}

/// Values of a secrecy field, as `fold_case` folds them, that mean no secrecy.
const NOT_SECRET_VALUES: [&str; 12] = [
    "",
    "none",
    "0",
    "thường",
    "thuong",
    "bình thường",
    "không",
    "khong",
    "không mật",
    "null",
    "n/a",
    "false",
];

/// Names of secrecy fields in formats whose descriptions do not map them.
const SECRECY_FIELD_NAMES: [&str; 5] = ["secret", "secrecy", "mat", "intmat", "securitylevel"];

/// The position of the first secrecy mark in a message; none when there is none.
///
/// Formats without a secrecy field put the mark into texts, so besides the field every text that
/// people write is searched, in documents and statuses, and every native field that the canonical
/// model does not have. Texts about secrecy ("bảo vệ bí mật nhà nước") are no mark. Names of
/// people and organisations are not searched, because `Mật` is a name as well.
pub(crate) fn find_mark(canonical: &Canonical) -> Option<MarkPosition> {
    let (path, extras, leftovers) = match &canonical.body {
        Some(Body::Document(it)) => (find_in_document(it), &it.extras, &it.leftovers),
        Some(Body::Status(it)) => (find_in_status(it), &it.extras, &it.leftovers),
        Some(Body::Receipt(_)) | None => return None,
    };
    path.or_else(|| find_in_list("extras", extras, find_in_extra))
        .map(MarkPosition::Canonical)
        .or_else(|| leftovers.iter().find_map(find_in_unmapped).map(MarkPosition::Native))
}

/// Bytes of an undecodable body that are searched for a mark: the texts of a packet stand before
/// its files.
const UNDECODABLE_BYTES_MAX: usize = 256 * 1024;

/// The fault to answer for a body that could not be decoded. The fault may quote the body, so when
/// the body bears a mark, the answer is the refusal for secrecy, which quotes nothing.
pub(crate) fn redact_decode_fault(native: &[u8], fault: Fault) -> Fault {
    let head = native.get(..UNDECODABLE_BYTES_MAX).unwrap_or(native);
    if text_has_mark(&String::from_utf8_lossy(head)) {
        Fault::new(&code::LT_MAP_210)
    } else {
        fault
    }
}

fn find_in_document(document: &Document) -> Option<String> {
    if document.secrecy.as_ref().is_some_and(is_secret) {
        return Some("secrecy".to_owned());
    }
    let text = |it: &String| text_has_mark(it).then(String::new);
    let dossier = document.dossier.as_ref();
    find_in_texts(&[
        ("subject", &document.subject),
        ("summary", &document.summary),
        ("note", &document.note),
        ("scope", &document.scope),
        ("dossier.title", dossier.map_or("", |it| &it.title)),
    ])
    .or_else(|| find_in_part("number", document.number.as_ref(), find_in_number))
    .or_else(|| find_in_part("type", document.r#type.as_ref(), find_in_code))
    .or_else(|| find_in_part("field", document.field.as_ref(), find_in_code))
    .or_else(|| find_in_part("state", document.state.as_ref(), find_in_code))
    .or_else(|| find_in_part("steering", document.steering.as_ref(), find_in_code))
    .or_else(|| find_in_list("attachments", &document.attachments, find_in_attachment))
    .or_else(|| find_in_list("annex_titles", &document.annex_titles, text))
    .or_else(|| find_in_list("places", &document.places, text))
    .or_else(|| find_in_list("keywords", &document.keywords, text))
    .or_else(|| {
        find_in_list("relations", &document.relations, |it| {
            find_in_part("target", it.target.as_ref(), find_in_reference)
                .or_else(|| find_in_texts(&[("note", &it.note)]))
        })
    })
    .or_else(|| {
        find_in_part("change", document.change.as_ref(), |it| {
            find_in_part("target", it.target.as_ref(), find_in_reference)
                .or_else(|| find_in_texts(&[("reason", &it.reason)]))
        })
    })
    .or_else(|| {
        find_in_list("recipients", &document.recipients, |it| {
            find_in_texts(&[("message", &it.message)])
        })
    })
    .or_else(|| {
        find_in_list("instructions", &document.instructions, |it| {
            find_in_texts(&[("text", &it.text)])
        })
    })
    .or_else(|| {
        find_in_list("restrictions", &document.restrictions, |it| {
            find_in_part("kind", it.kind.as_ref(), find_in_code)
                .or_else(|| find_in_texts(&[("basis", &it.basis), ("ends_when", &it.ends_when)]))
        })
    })
}

fn find_in_status(status: &Status) -> Option<String> {
    find_in_texts(&[("text", &status.text)])
        .or_else(|| find_in_part("about", status.about.as_ref(), find_in_reference))
        .or_else(|| find_in_part("code", status.code.as_ref(), find_in_code))
        .or_else(|| {
            find_in_list("reasons", &status.reasons, |it| find_in_texts(&[("text", &it.text)]))
        })
        .or_else(|| find_in_list("attachments", &status.attachments, find_in_attachment))
}

/// The path of the first text that bears a mark.
fn find_in_texts(texts: &[(&str, &str)]) -> Option<String> {
    texts.iter().find(|(_, it)| text_has_mark(it)).map(|(path, _)| (*path).to_owned())
}

fn find_in_part<T>(
    name: &str,
    part: Option<&T>,
    find: impl Fn(&T) -> Option<String>,
) -> Option<String> {
    part.and_then(find).map(|it| format!("{name}.{it}"))
}

fn find_in_list<T>(name: &str, items: &[T], find: impl Fn(&T) -> Option<String>) -> Option<String> {
    items.iter().enumerate().find_map(|(index, item)| {
        let path = find(item)?;
        let separator = if path.is_empty() { "" } else { "." };
        Some(format!("{name}[{index}]{separator}{path}"))
    })
}

fn find_in_number(number: &DocumentNumber) -> Option<String> {
    [
        ("number", &number.number),
        ("notation", &number.notation),
        ("printed", &number.printed),
        ("sub_number", &number.sub_number),
        ("copy_number", &number.copy_number),
    ]
    .into_iter()
    .find(|(_, it)| number_has_mark(it))
    .map(|(path, _)| path.to_owned())
}

fn find_in_reference(reference: &DocumentRef) -> Option<String> {
    find_in_part("number", reference.number.as_ref(), find_in_number)
        .or_else(|| find_in_texts(&[("subject", &reference.subject)]))
}

fn find_in_attachment(attachment: &Attachment) -> Option<String> {
    if file_name_has_mark(&attachment.file_name) {
        return Some("file_name".to_owned());
    }
    // Some software repeats the file name in the description.
    if file_name_has_mark(&attachment.description) {
        return Some("description".to_owned());
    }
    find_in_part("variant", attachment.variant.as_ref(), find_in_code)
}

fn find_in_code(code: &Code) -> Option<String> {
    find_in_texts(&[("name", &code.name), ("code", &code.code)])
}

fn find_in_extra(extra: &Extra) -> Option<String> {
    let is_marked = is_secrecy_field(&extra.name) && !means_not_secret(&extra.value)
        || text_has_mark(&extra.value);
    is_marked.then(|| "value".to_owned())
}

fn find_in_unmapped(leftovers: &Leftovers) -> Option<String> {
    let is_marked = |at: &str, raw: &str| {
        at.split('/').any(is_secrecy_field) && !means_not_secret(raw) || text_has_mark(raw)
    };
    leftovers.items.iter().find(|it| is_marked(&it.at, &it.raw)).map(|it| it.at.clone())
}

/// True for the name of a secrecy field in a step of a native path: `DoMat`, `edXML:Secret`,
/// `strMucDoMat[2]`.
fn is_secrecy_field(step: &str) -> bool {
    let name = step.split('[').next().unwrap_or_default();
    let name = name.rsplit([':', '@', '.']).next().unwrap_or_default();
    let letters = |it: &char| it.is_ascii_alphanumeric();
    let name: String = name.chars().filter(letters).map(|it| it.to_ascii_lowercase()).collect();
    SECRECY_FIELD_NAMES.contains(&name.as_str()) || name.contains("domat")
}

fn is_secret(code: &Code) -> bool {
    !means_not_secret(&code.code) || !means_not_secret(&code.name)
}

fn means_not_secret(value: &str) -> bool {
    NOT_SECRET_VALUES.contains(&fold_case(value).as_str())
}

#[cfg(test)]
#[path = "secrecy/tests.rs"]
mod tests;
