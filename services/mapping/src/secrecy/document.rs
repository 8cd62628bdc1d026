//! Secrecy marks in documents and statuses. A test holds that every text of the model is searched.

use proto::canonical::v1::{Code, Document, Instruction, Recipient, Restriction, Status};
use secrecy_marks::{SecrecyMark, means_no_secrecy};

use super::parts::{
    FoundMark, find_in_arrival, find_in_attachment, find_in_code, find_in_document_number,
    find_in_item, find_in_list, find_in_names, find_in_numbers, find_in_organisation, find_in_part,
    find_in_person, find_in_reference, find_in_texts,
};

pub(super) fn find_in_document(document: &Document) -> Option<FoundMark> {
    if document.secrecy.as_ref().is_some_and(is_secret) {
        return Some(FoundMark::new("secrecy", SecrecyMark::Clear));
    }
    find_in_texts(&[
        ("subject", &document.subject),
        ("summary", &document.summary),
        ("note", &document.note),
        ("scope", &document.scope),
        ("place", &document.place),
        ("typist_mark", &document.typist_mark),
    ])
    .or_else(|| find_in_part("number", document.number.as_ref(), find_in_document_number))
    .or_else(|| find_in_numbers(&[("id", &document.id)]))
    .or_else(|| find_in_codes(document))
    .or_else(|| find_in_list("attachments", &document.attachments, find_in_attachment))
    .or_else(|| find_in_list("annex_titles", &document.annex_titles, find_in_item))
    .or_else(|| find_in_list("places", &document.places, find_in_item))
    .or_else(|| find_in_list("keywords", &document.keywords, find_in_item))
    .or_else(|| find_in_references(document))
    .or_else(|| find_in_list("recipients", &document.recipients, find_in_recipient))
    .or_else(|| find_in_list("instructions", &document.instructions, find_in_instruction))
    .or_else(|| find_in_list("restrictions", &document.restrictions, find_in_restriction))
    .or_else(|| find_in_parties(document))
    .or_else(|| find_in_part("arrival", document.arrival.as_ref(), find_in_arrival))
    .or_else(|| {
        find_in_list("moments", &document.moments, |it| find_in_texts(&[("name", &it.name)]))
    })
}

fn find_in_codes(document: &Document) -> Option<FoundMark> {
    find_in_part("type", document.r#type.as_ref(), find_in_code)
        .or_else(|| find_in_part("field", document.field.as_ref(), find_in_code))
        .or_else(|| find_in_part("state", document.state.as_ref(), find_in_code))
        .or_else(|| find_in_part("steering", document.steering.as_ref(), find_in_code))
        .or_else(|| {
            find_in_part("dossier", document.dossier.as_ref(), |it| {
                find_in_texts(&[("title", &it.title), ("catalogue_year", &it.catalogue_year)])
                    .or_else(|| {
                        find_in_numbers(&[("code", &it.code), ("document_code", &it.document_code)])
                    })
                    .or_else(|| find_in_part("retention", it.retention.as_ref(), find_in_code))
            })
        })
}

fn find_in_references(document: &Document) -> Option<FoundMark> {
    find_in_list("relations", &document.relations, |it| {
        find_in_part("target", it.target.as_ref(), find_in_reference)
            .or_else(|| find_in_texts(&[("note", &it.note)]))
            .or_else(|| find_in_list("only_for", &it.only_for, find_in_organisation))
    })
    .or_else(|| {
        find_in_part("change", document.change.as_ref(), |it| {
            find_in_part("target", it.target.as_ref(), find_in_reference)
                .or_else(|| find_in_texts(&[("reason", &it.reason)]))
        })
    })
}

fn find_in_parties(document: &Document) -> Option<FoundMark> {
    find_in_part("issuer", document.issuer.as_ref(), find_in_organisation)
        .or_else(|| find_in_part("sender", document.sender.as_ref(), find_in_organisation))
        .or_else(|| find_in_list("signers", &document.signers, find_in_person))
        .or_else(|| find_in_part("contact", document.contact.as_ref(), find_in_person))
        .or_else(|| {
            find_in_list("trace", &document.trace, |it| {
                find_in_names(&[("system", &it.system)]).or_else(|| {
                    find_in_part("organisation", it.organisation.as_ref(), find_in_organisation)
                })
            })
        })
}

fn find_in_recipient(recipient: &Recipient) -> Option<FoundMark> {
    find_in_texts(&[("message", &recipient.message)])
        .or_else(|| find_in_numbers(&[("their_reference", &recipient.their_reference)]))
        .or_else(|| {
            find_in_part("organisation", recipient.organisation.as_ref(), find_in_organisation)
        })
        .or_else(|| find_in_part("person", recipient.person.as_ref(), find_in_person))
}

fn find_in_instruction(instruction: &Instruction) -> Option<FoundMark> {
    find_in_texts(&[("text", &instruction.text)])
        .or_else(|| find_in_part("kind", instruction.kind.as_ref(), find_in_code))
        .or_else(|| find_in_part("state", instruction.state.as_ref(), find_in_code))
        .or_else(|| find_in_part("author", instruction.author.as_ref(), find_in_person))
        .or_else(|| find_in_part("assignee", instruction.assignee.as_ref(), find_in_organisation))
        .or_else(|| {
            find_in_part("assignee_person", instruction.assignee_person.as_ref(), find_in_person)
        })
}

fn find_in_restriction(restriction: &Restriction) -> Option<FoundMark> {
    find_in_part("kind", restriction.kind.as_ref(), find_in_code)
        .or_else(|| {
            find_in_texts(&[("basis", &restriction.basis), ("ends_when", &restriction.ends_when)])
        })
        .or_else(|| find_in_names(&[("owner", &restriction.owner)]))
}

pub(super) fn find_in_status(status: &Status) -> Option<FoundMark> {
    find_in_texts(&[("text", &status.text)])
        .or_else(|| find_in_part("about", status.about.as_ref(), find_in_reference))
        .or_else(|| find_in_part("code", status.code.as_ref(), find_in_code))
        .or_else(|| {
            find_in_list("reasons", &status.reasons, |it| {
                find_in_texts(&[("text", &it.text), ("path", &it.path)])
                    .or_else(|| find_in_part("code", it.code.as_ref(), find_in_code))
                    .or_else(|| find_in_part("wanted", it.wanted.as_ref(), find_in_code))
            })
        })
        .or_else(|| find_in_list("attachments", &status.attachments, find_in_attachment))
        .or_else(|| find_in_numbers(&[("id", &status.id), ("in_reply_to", &status.in_reply_to)]))
        .or_else(|| find_in_part("reporter", status.reporter.as_ref(), find_in_organisation))
        .or_else(|| find_in_part("addressee", status.addressee.as_ref(), find_in_organisation))
        .or_else(|| find_in_part("actor", status.actor.as_ref(), find_in_person))
        .or_else(|| find_in_part("arrival", status.arrival.as_ref(), find_in_arrival))
}

pub(super) fn is_secret(code: &Code) -> bool {
    !means_no_secrecy(&code.code) || !means_no_secrecy(&code.name)
}
