//! The gate: what bears a secrecy mark is not for this road.

mod words;

use name_folding::fold_case;
use proto::canonical::v1::{
    Attachment, Canonical, Code, Document, DocumentNumber, DocumentRef, Extra, Leftovers, Status,
    canonical::Body,
};
use proto::fault::code;
use proto::fault::v1::Fault;

use self::words::{bears, name_bears, number_bears};

/// Where a mark stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mark {
    /// At this canonical path.
    Canonical(String),
    /// At this place of the native form, which the model has no path for.
    Native(String),
}

/// Values of a field for secrecy that say there is none.
const PLAIN: [&str; 12] = [
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

/// Names of fields for secrecy in formats whose descriptions do not know theirs.
const NAMES: [&str; 5] = ["secret", "secrecy", "mat", "intmat", "securitylevel"];

/// Where a mark stands; none: there is none.
///
/// Looks at the field for it, and for formats that have no such field at every text that people
/// wrote, in documents and statuses, and at what the model has no place for. Words that merely
/// speak of secrets ("bảo vệ bí mật nhà nước") are no mark. Names of people and organisations are
/// not looked at: `Mật` is one.
pub(crate) fn marked(canonical: &Canonical) -> Option<Mark> {
    let (path, extras, leftovers) = match &canonical.body {
        Some(Body::Document(it)) => (of_document(it), &it.extras, &it.leftovers),
        Some(Body::Status(it)) => (of_status(it), &it.extras, &it.leftovers),
        Some(Body::Receipt(_)) | None => return None,
    };
    path.or_else(|| within("extras", extras, extra))
        .map(Mark::Canonical)
        .or_else(|| leftovers.iter().find_map(left_over).map(Mark::Native))
}

/// How much of what could not be read is looked at: the texts of a packet come before its files.
const UNREAD_BYTES_MAX: usize = 256 * 1024;

/// What to answer about bytes that could not be read. The words about a mistake may quote them, so
/// when they bear a mark, that is all that is said.
pub(crate) fn of_unread(native: &[u8], fault: Fault) -> Fault {
    let head = native.get(..UNREAD_BYTES_MAX).unwrap_or(native);
    if bears(&String::from_utf8_lossy(head)) { Fault::new(&code::LT_MAP_210) } else { fault }
}

fn of_document(document: &Document) -> Option<String> {
    if document.secrecy.as_ref().is_some_and(is_secret) {
        return Some("secrecy".to_owned());
    }
    let text = |it: &String| bears(it).then(String::new);
    let dossier = document.dossier.as_ref();
    first(&[
        ("subject", &document.subject),
        ("summary", &document.summary),
        ("note", &document.note),
        ("scope", &document.scope),
        ("dossier.title", dossier.map_or("", |it| &it.title)),
    ])
    .or_else(|| inside("number", document.number.as_ref(), number))
    .or_else(|| inside("type", document.r#type.as_ref(), coded))
    .or_else(|| inside("field", document.field.as_ref(), coded))
    .or_else(|| inside("state", document.state.as_ref(), coded))
    .or_else(|| inside("steering", document.steering.as_ref(), coded))
    .or_else(|| within("attachments", &document.attachments, attachment))
    .or_else(|| within("annex_titles", &document.annex_titles, text))
    .or_else(|| within("places", &document.places, text))
    .or_else(|| within("keywords", &document.keywords, text))
    .or_else(|| {
        within("relations", &document.relations, |it| {
            inside("target", it.target.as_ref(), reference).or_else(|| first(&[("note", &it.note)]))
        })
    })
    .or_else(|| {
        inside("change", document.change.as_ref(), |it| {
            inside("target", it.target.as_ref(), reference)
                .or_else(|| first(&[("reason", &it.reason)]))
        })
    })
    .or_else(|| within("recipients", &document.recipients, |it| first(&[("message", &it.message)])))
    .or_else(|| within("instructions", &document.instructions, |it| first(&[("text", &it.text)])))
    .or_else(|| {
        within("restrictions", &document.restrictions, |it| {
            inside("kind", it.kind.as_ref(), coded)
                .or_else(|| first(&[("basis", &it.basis), ("ends_when", &it.ends_when)]))
        })
    })
}

fn of_status(status: &Status) -> Option<String> {
    first(&[("text", &status.text)])
        .or_else(|| inside("about", status.about.as_ref(), reference))
        .or_else(|| inside("code", status.code.as_ref(), coded))
        .or_else(|| within("reasons", &status.reasons, |it| first(&[("text", &it.text)])))
        .or_else(|| within("attachments", &status.attachments, attachment))
}

/// The first of these that bears a mark.
fn first(texts: &[(&str, &str)]) -> Option<String> {
    texts.iter().find(|(_, it)| bears(it)).map(|(path, _)| (*path).to_owned())
}

fn inside<T>(name: &str, part: Option<&T>, of: impl Fn(&T) -> Option<String>) -> Option<String> {
    part.and_then(of).map(|it| format!("{name}.{it}"))
}

fn within<T>(name: &str, parts: &[T], of: impl Fn(&T) -> Option<String>) -> Option<String> {
    parts.iter().enumerate().find_map(|(place, part)| {
        let found = of(part)?;
        let apart = if found.is_empty() { "" } else { "." };
        Some(format!("{name}[{place}]{apart}{found}"))
    })
}

fn number(number: &DocumentNumber) -> Option<String> {
    [
        ("number", &number.number),
        ("notation", &number.notation),
        ("printed", &number.printed),
        ("sub_number", &number.sub_number),
        ("copy_number", &number.copy_number),
    ]
    .into_iter()
    .find(|(_, it)| number_bears(it))
    .map(|(path, _)| path.to_owned())
}

fn reference(reference: &DocumentRef) -> Option<String> {
    inside("number", reference.number.as_ref(), number)
        .or_else(|| first(&[("subject", &reference.subject)]))
}

fn attachment(attachment: &Attachment) -> Option<String> {
    if name_bears(&attachment.file_name) {
        return Some("file_name".to_owned());
    }
    // Software that has nothing to say about a file says its name again.
    if name_bears(&attachment.description) {
        return Some("description".to_owned());
    }
    inside("variant", attachment.variant.as_ref(), coded)
}

fn coded(code: &Code) -> Option<String> {
    first(&[("name", &code.name), ("code", &code.code)])
}

fn extra(extra: &Extra) -> Option<String> {
    let is_marked = names_secrecy(&extra.name) && !is_plain(&extra.value) || bears(&extra.value);
    is_marked.then(|| "value".to_owned())
}

fn left_over(leftovers: &Leftovers) -> Option<String> {
    let is_marked =
        |at: &str, raw: &str| at.split('/').any(names_secrecy) && !is_plain(raw) || bears(raw);
    leftovers.items.iter().find(|it| is_marked(&it.at, &it.raw)).map(|it| it.at.clone())
}

/// `DoMat`, `edXML:Secret`, `strMucDoMat[2]`.
fn names_secrecy(step: &str) -> bool {
    let name = step.split('[').next().unwrap_or_default();
    let name = name.rsplit([':', '@', '.']).next().unwrap_or_default();
    let letters = |it: &char| it.is_ascii_alphanumeric();
    let name: String = name.chars().filter(letters).map(|it| it.to_ascii_lowercase()).collect();
    NAMES.contains(&name.as_str()) || name.contains("domat")
}

fn is_secret(code: &Code) -> bool {
    !is_plain(&code.code) || !is_plain(&code.name)
}

fn is_plain(value: &str) -> bool {
    PLAIN.contains(&fold_case(value).as_str())
}

#[cfg(test)]
#[path = "secrecy/tests.rs"]
mod tests;
