//! Identities that are derived from a message: its type, its conversation, the digest of its
//! content.

use prost::Message as _;
use proto::canonical::v1::{
    Attachment, Canonical, Code, Document, DocumentRef, Organisation, Status, canonical::Body,
    change, relation, status,
};
use proto::message::v1::MessageType;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::document_number::{key_of_number, key_of_number_or_id};
use crate::parties::visit_parties;

/// UUID v5 namespace of conversation ids. A change would split every conversation that is stored.
const CONVERSATION_NAMESPACE: Uuid = Uuid::from_u128(0x8d5a_2f0e_63b1_5c44_9e17_20c4_a7d3_1b96);

/// Moments that describe the packet and not its content, so they do not count in the digest.
const PACKET_MOMENTS: [&str; 2] = ["sent", "received"];

/// The type of a message; none when its body may not be submitted (receipts are written by the bus
/// itself).
pub(crate) fn message_type(canonical: &Canonical) -> Option<MessageType> {
    match &canonical.body {
        Some(Body::Document(_)) => Some(MessageType::Document),
        Some(Body::Status(_)) => Some(MessageType::Status),
        Some(Body::Receipt(_) | Body::DeliveryReport(_)) | None => None,
    }
}

/// The conversation id (order key): the same for a document, for packets that change it, and for
/// every status about it.
///
/// It is derived from the organisation that owns the document and from the document's number, which
/// every document has and every reference can give, or from the document's id when there is no
/// number. With neither, the message is a conversation of its own, derived from `fallback`.
pub(crate) fn conversation_id(
    canonical: &Canonical,
    sender: &str,
    recipients: &[String],
    fallback: &[u8],
) -> Uuid {
    let (owner, key) = match &canonical.body {
        Some(Body::Document(it)) => (sender, document_key(it)),
        Some(Body::Status(it)) => {
            (document_owner(it, sender, recipients), referenced_key(it.about.as_ref()))
        }
        Some(Body::Receipt(_) | Body::DeliveryReport(_)) | None => (sender, String::new()),
    };
    if key.is_empty() {
        return Uuid::new_v5(&CONVERSATION_NAMESPACE, fallback);
    }
    Uuid::new_v5(&CONVERSATION_NAMESPACE, format!("{owner}\n{key}").as_bytes())
}

/// The owner of the document that a status is about: the sender of a recall request, because only
/// the document's own sender recalls it; the addressee of every other status.
fn document_owner<'a>(status: &'a Status, sender: &'a str, recipients: &'a [String]) -> &'a str {
    if status.kind() == status::Kind::RecallRequested {
        return sender;
    }
    let addressee = status.addressee.as_ref().map_or("", |it| it.directory_key.as_str());
    if addressee.is_empty() { recipients.first().map_or("", String::as_str) } else { addressee }
}

/// The key of a document. A packet that revokes, updates or corrects another document has the key
/// of that document, so it is delivered after it.
fn document_key(document: &Document) -> String {
    let own_key = key_of_number_or_id(&document.id, document.number.as_ref());
    let change = document.change.as_ref();
    let kind = change.map_or(change::Kind::Unspecified, |it| it.kind());
    let relation = match kind {
        change::Kind::Revoke => relation::Kind::Revokes,
        change::Kind::Update | change::Kind::Correct => relation::Kind::Updates,
        change::Kind::Unspecified
        | change::Kind::New
        | change::Kind::Replace
        | change::Kind::Forward => return own_key,
    };
    // Some software names the document that it revokes as the document that it answers.
    let related = [relation, relation::Kind::Answers].into_iter().filter_map(|kind| {
        document.relations.iter().find(|it| it.kind() == kind).and_then(|it| it.target.as_ref())
    });
    let targets = change.and_then(|it| it.target.as_ref()).into_iter().chain(related);
    let mut keys = targets.map(|it| key_of_number(&it.id, it.number.as_ref()));
    // A target given only by an id of the sender's own software has no key. Such a packet bears the
    // number of the document that it changes, so its own key is the right one.
    keys.find(|it| !it.is_empty()).unwrap_or(own_key)
}

fn referenced_key(reference: Option<&DocumentRef>) -> String {
    reference.map_or_else(String::new, |it| key_of_number_or_id(&it.id, it.number.as_ref()))
}

/// The digest by which a repeat is recognized: equal for the same content of the same organisation
/// to the same recipients, whatever the packet's id, time of sending or format.
pub(crate) fn content_digest(
    canonical: &Canonical,
    sender: &str,
    message_type: MessageType,
    recipients: &[String],
) -> [u8; 32] {
    let mut content = canonical.clone();
    content.origin = None;
    match &mut content.body {
        Some(Body::Document(it)) => strip_document(it),
        Some(Body::Status(it)) => {
            it.id.clear();
            it.leftovers.clear();
            it.attachments.iter_mut().for_each(strip_attachment);
        }
        Some(Body::Receipt(_) | Body::DeliveryReport(_)) | None => {}
    }
    visit_parties(&mut content, &mut strip_organisation);
    let mut recipients = recipients.to_vec();
    recipients.sort_unstable();
    let mut digest = Sha256::new();
    let content = content.encode_to_vec();
    let recipients = recipients.join("\n");
    let parts =
        [sender.as_bytes(), message_type.as_str().as_bytes(), recipients.as_bytes(), &content];
    for part in parts {
        // Each part is preceded by its length, so no two inputs have the same concatenation.
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// Removes what belongs to the packet and not to the content.
fn strip_document(document: &mut Document) {
    document.id.clear();
    document.trace.clear();
    document.leftovers.clear();
    document.moments.retain(|it| !PACKET_MOMENTS.contains(&it.name.as_str()));
    document.attachments.iter_mut().for_each(strip_attachment);
    let codes =
        [&mut document.r#type, &mut document.field, &mut document.steering, &mut document.state];
    codes.into_iter().flatten().for_each(strip_code);
}

/// Removes the code that a list of the registry gives for the name that was said: the content is the
/// same after a change of the list.
fn strip_code(code: &mut Code) {
    if !code.name.is_empty() {
        code.code.clear();
        code.list.clear();
    }
}

/// Removes the ids, which belong to the packet; the file's digest identifies it.
fn strip_attachment(attachment: &mut Attachment) {
    attachment.id.clear();
    attachment.rendition_of.clear();
}

/// Removes codes and name of a resolved organisation: its key is the same whichever of its codes a
/// sender wrote.
fn strip_organisation(organisation: &mut Organisation) {
    if !organisation.directory_key.is_empty() {
        organisation.ids.clear();
        organisation.name.clear();
    }
}

#[cfg(test)]
#[path = "identity/tests.rs"]
mod tests;
