//! Secrecy marks in the parts that documents and statuses share.

use proto::canonical::v1::{
    Arrival, Attachment, Code, DocumentNumber, DocumentRef, Organisation, Person, SignatureNote,
};
use secrecy_marks::{SecrecyMark, find_in_file_name, find_in_name, find_in_number, find_in_text};

/// A mark and the path to it from the part that was searched; the part itself has an empty path.
#[derive(Clone, Debug)]
pub(super) struct FoundMark {
    pub(super) path: String,
    pub(super) mark: SecrecyMark,
}

impl FoundMark {
    pub(super) fn new(path: &str, mark: SecrecyMark) -> Self {
        Self { path: path.to_owned(), mark }
    }
}

/// How a text is searched, by what it is.
type Find = fn(&str) -> Option<SecrecyMark>;

/// The first of these fields that bears a mark.
fn find_first(fields: &[(&str, &str)], find: Find) -> Option<FoundMark> {
    fields.iter().find_map(|(path, text)| Some(FoundMark::new(path, find(text)?)))
}

pub(super) fn find_in_texts(fields: &[(&str, &str)]) -> Option<FoundMark> {
    find_first(fields, find_in_text)
}

/// Names of people, organisations and systems.
pub(super) fn find_in_names(fields: &[(&str, &str)]) -> Option<FoundMark> {
    find_first(fields, find_in_name)
}

/// Numbers, and identifiers that are made of them.
pub(super) fn find_in_numbers(fields: &[(&str, &str)]) -> Option<FoundMark> {
    find_first(fields, find_in_number)
}

pub(super) fn find_in_part<T>(
    name: &str,
    part: Option<&T>,
    find: impl Fn(&T) -> Option<FoundMark>,
) -> Option<FoundMark> {
    let found = find(part?)?;
    Some(FoundMark { path: join(name, &found.path), ..found })
}

pub(super) fn find_in_list<T>(
    name: &str,
    items: &[T],
    find: impl Fn(&T) -> Option<FoundMark>,
) -> Option<FoundMark> {
    items.iter().enumerate().find_map(|(index, item)| {
        let found = find(item)?;
        Some(FoundMark { path: join(&format!("{name}[{index}]"), &found.path), ..found })
    })
}

fn join(parent: &str, child: &str) -> String {
    if child.is_empty() { parent.to_owned() } else { format!("{parent}.{child}") }
}

/// A text of a list.
#[expect(clippy::ptr_arg, reason = "it is called with the items of a list of strings")]
pub(super) fn find_in_item(text: &String) -> Option<FoundMark> {
    find_in_texts(&[("", text)])
}

pub(super) fn find_in_document_number(number: &DocumentNumber) -> Option<FoundMark> {
    find_in_numbers(&[
        ("number", &number.number),
        ("notation", &number.notation),
        ("printed", &number.printed),
        ("sub_number", &number.sub_number),
        ("copy_number", &number.copy_number),
    ])
}

pub(super) fn find_in_reference(reference: &DocumentRef) -> Option<FoundMark> {
    find_in_part("number", reference.number.as_ref(), find_in_document_number)
        .or_else(|| find_in_texts(&[("subject", &reference.subject)]))
        .or_else(|| {
            find_in_numbers(&[("id", &reference.id), ("carrier_id", &reference.carrier_id)])
        })
        .or_else(|| find_in_part("issuer", reference.issuer.as_ref(), find_in_organisation))
}

pub(super) fn find_in_attachment(attachment: &Attachment) -> Option<FoundMark> {
    // Some software repeats the file name in the description.
    let names = [
        ("file_name", attachment.file_name.as_str()),
        ("description", &attachment.description),
        ("id", &attachment.id),
        ("rendition_of", &attachment.rendition_of),
    ];
    find_first(&names, find_in_file_name)
        .or_else(|| find_in_part("variant", attachment.variant.as_ref(), find_in_code))
        .or_else(|| find_in_texts(&[("version", &attachment.version)]))
        .or_else(|| find_in_numbers(&[("number", &attachment.number)]))
        .or_else(|| find_in_list("signatures", &attachment.signatures, find_in_signature))
}

fn find_in_signature(signature: &SignatureNote) -> Option<FoundMark> {
    find_in_texts(&[("form", &signature.form), ("detail", &signature.detail)])
        .or_else(|| find_in_part("signer", signature.signer.as_ref(), find_in_person))
}

pub(super) fn find_in_code(code: &Code) -> Option<FoundMark> {
    find_in_texts(&[("name", &code.name), ("code", &code.code)])
}

pub(super) fn find_in_person(person: &Person) -> Option<FoundMark> {
    find_in_names(&[("full_name", &person.full_name), ("unit", &person.unit)])
        .or_else(|| {
            find_in_texts(&[("position", &person.position), ("authority", &person.authority)])
        })
        .or_else(|| find_in_list("ids", &person.ids, |it| find_in_names(&[("value", &it.value)])))
        .or_else(|| {
            find_in_part("organisation", person.organisation.as_ref(), find_in_organisation)
        })
}

pub(super) fn find_in_organisation(organisation: &Organisation) -> Option<FoundMark> {
    find_in_names(&[
        ("name", &organisation.name),
        ("parent_name", &organisation.parent_name),
        ("unit", &organisation.unit),
        ("address", &organisation.address),
    ])
    .or_else(|| find_in_list("ids", &organisation.ids, |it| find_in_names(&[("value", &it.value)])))
}

pub(super) fn find_in_arrival(arrival: &Arrival) -> Option<FoundMark> {
    find_in_numbers(&[("number", &arrival.number), ("extended_number", &arrival.extended_number)])
        .or_else(|| find_in_texts(&[("register", &arrival.register)]))
        .or_else(|| find_in_part("registrar", arrival.registrar.as_ref(), find_in_person))
}
