//! The organisations that a message names, wherever in the message they are.

use proto::canonical::v1::{
    Canonical, Document, DocumentRef, Organisation, Person, Relation, Status, canonical::Body,
};
use registry_client::{CodeOwner, Directory};

/// Calls `visit` with every organisation in the message.
pub(crate) fn visit_parties(canonical: &mut Canonical, visit: &mut impl FnMut(&mut Organisation)) {
    match &mut canonical.body {
        Some(Body::Document(it)) => visit_document(it, visit),
        Some(Body::Status(it)) => visit_status(it, visit),
        Some(Body::Receipt(_) | Body::DeliveryReport(_)) | None => {}
    }
}

fn visit_document(document: &mut Document, visit: &mut impl FnMut(&mut Organisation)) {
    document.issuer.iter_mut().for_each(&mut *visit);
    document.sender.iter_mut().for_each(&mut *visit);
    for it in &mut document.recipients {
        it.organisation.iter_mut().for_each(&mut *visit);
        it.person.iter_mut().for_each(|it| visit_person(it, visit));
    }
    document.signers.iter_mut().for_each(|it| visit_person(it, visit));
    document.contact.iter_mut().for_each(|it| visit_person(it, visit));
    document.relations.iter_mut().for_each(|it| visit_relation(it, visit));
    if let Some(target) = document.change.as_mut().and_then(|it| it.target.as_mut()) {
        visit_reference(target, visit);
    }
    for it in &mut document.trace {
        it.organisation.iter_mut().for_each(&mut *visit);
    }
    for it in &mut document.instructions {
        it.author.iter_mut().for_each(|it| visit_person(it, visit));
        it.assignee.iter_mut().for_each(&mut *visit);
        it.assignee_person.iter_mut().for_each(|it| visit_person(it, visit));
    }
}

fn visit_status(status: &mut Status, visit: &mut impl FnMut(&mut Organisation)) {
    status.reporter.iter_mut().for_each(&mut *visit);
    status.addressee.iter_mut().for_each(&mut *visit);
    status.actor.iter_mut().for_each(|it| visit_person(it, visit));
    status.about.iter_mut().for_each(|it| visit_reference(it, visit));
}

fn visit_person(person: &mut Person, visit: &mut impl FnMut(&mut Organisation)) {
    person.organisation.iter_mut().for_each(visit);
}

fn visit_reference(reference: &mut DocumentRef, visit: &mut impl FnMut(&mut Organisation)) {
    reference.issuer.iter_mut().for_each(visit);
}

fn visit_relation(relation: &mut Relation, visit: &mut impl FnMut(&mut Organisation)) {
    relation.target.iter_mut().for_each(|it| visit_reference(it, visit));
    relation.only_for.iter_mut().for_each(visit);
}

/// Sets the directory key of every organisation whose codes the registry resolves to one owner.
///
/// Keys that came with the message are discarded: a sender could claim any organisation with them.
pub(crate) fn resolve_parties(canonical: &mut Canonical, directory: &Directory, day: &str) {
    visit_parties(canonical, &mut |organisation| {
        let mut keys: Vec<&str> = organisation
            .ids
            .iter()
            .filter_map(|it| match directory.resolve_code(&it.value, day) {
                CodeOwner::InForce(it) | CodeOwner::NotInForce(it) | CodeOwner::CodeExpired(it) => {
                    Some(it.key.as_str())
                }
                CodeOwner::Unknown | CodeOwner::Ambiguous(_) => None,
            })
            .collect();
        keys.dedup();
        let key = if let [key] = keys[..] { key.to_owned() } else { String::new() };
        organisation.directory_key = key;
    });
}
