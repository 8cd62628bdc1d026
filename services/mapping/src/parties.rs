//! The organisations a message names, wherever they stand in it.

use proto::canonical::v1::{
    Canonical, Document, DocumentRef, Organisation, Person, Relation, Status, canonical::Body,
};

use crate::directory::{Answer, Directory};

/// Calls `each` with every organisation in the message.
pub(crate) fn each(canonical: &mut Canonical, each: &mut impl FnMut(&mut Organisation)) {
    match &mut canonical.body {
        Some(Body::Document(it)) => of_document(it, each),
        Some(Body::Status(it)) => of_status(it, each),
        Some(Body::Receipt(_)) | None => {}
    }
}

fn of_document(document: &mut Document, each: &mut impl FnMut(&mut Organisation)) {
    document.issuer.iter_mut().for_each(&mut *each);
    document.sender.iter_mut().for_each(&mut *each);
    for it in &mut document.recipients {
        it.organisation.iter_mut().for_each(&mut *each);
        it.person.iter_mut().for_each(|it| of_person(it, each));
    }
    document.signers.iter_mut().for_each(|it| of_person(it, each));
    document.contact.iter_mut().for_each(|it| of_person(it, each));
    document.relations.iter_mut().for_each(|it| of_relation(it, each));
    if let Some(target) = document.change.as_mut().and_then(|it| it.target.as_mut()) {
        of_reference(target, each);
    }
    for it in &mut document.trace {
        it.organisation.iter_mut().for_each(&mut *each);
    }
    for it in &mut document.instructions {
        it.author.iter_mut().for_each(|it| of_person(it, each));
        it.assignee.iter_mut().for_each(&mut *each);
        it.assignee_person.iter_mut().for_each(|it| of_person(it, each));
    }
}

fn of_status(status: &mut Status, each: &mut impl FnMut(&mut Organisation)) {
    status.reporter.iter_mut().for_each(&mut *each);
    status.addressee.iter_mut().for_each(&mut *each);
    status.actor.iter_mut().for_each(|it| of_person(it, each));
    status.about.iter_mut().for_each(|it| of_reference(it, each));
}

fn of_person(person: &mut Person, each: &mut impl FnMut(&mut Organisation)) {
    person.organisation.iter_mut().for_each(each);
}

fn of_reference(reference: &mut DocumentRef, each: &mut impl FnMut(&mut Organisation)) {
    reference.issuer.iter_mut().for_each(each);
}

fn of_relation(relation: &mut Relation, each: &mut impl FnMut(&mut Organisation)) {
    relation.target.iter_mut().for_each(|it| of_reference(it, each));
    relation.only_for.iter_mut().for_each(each);
}

/// Writes the directory key beside every organisation the registry knows without a doubt. A key
/// that came with the message is not believed.
pub(crate) fn recognise(canonical: &mut Canonical, directory: &Directory, day: &str) {
    each(canonical, &mut |organisation| {
        let mut keys: Vec<&str> = organisation
            .ids
            .iter()
            .filter_map(|it| match directory.find(&it.value, day) {
                Answer::Known(known) | Answer::Ended(known) | Answer::Expired(known) => {
                    Some(known.key.as_str())
                }
                Answer::Unknown | Answer::Ambiguous(_) => None,
            })
            .collect();
        keys.dedup();
        let known = if let [key] = keys[..] { key.to_owned() } else { String::new() };
        organisation.directory_key = known;
    });
}
