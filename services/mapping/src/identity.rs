//! Which conversation a message belongs to, when two messages say the same, how one is found.

use name_folding::number_key;
use prost::Message as _;
use proto::canonical::v1::{
    Attachment, Canonical, Date, Document, DocumentNumber, DocumentRef, Moment, Organisation,
    Status, canonical::Body, change, document::Urgency, relation, status,
};
use proto::message::v1::{Index, MessageType};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::parties;

/// Names of conversations are derived from here; never change it.
const CONVERSATIONS: Uuid = Uuid::from_u128(0x8d5a_2f0e_63b1_5c44_9e17_20c4_a7d3_1b96);

/// Moments that belong to a packet and not to what it says.
const PACKET_MOMENTS: [&str; 2] = ["sent", "received"];

/// What kind of message this is; none for what may not be submitted.
pub(crate) fn kind(canonical: &Canonical) -> Option<MessageType> {
    match &canonical.body {
        Some(Body::Document(_)) => Some(MessageType::Document),
        Some(Body::Status(_)) => Some(MessageType::Status),
        Some(Body::Receipt(_)) | None => None,
    }
}

/// The order key: the same for a document, for what changes it, and for every status about it.
///
/// It follows from the organisation that owns the document and the document's number, which every
/// document has and every reference to one can say; from its id where no number is said. Nothing
/// of either: the message is a conversation of its own, named by `otherwise`.
pub(crate) fn conversation(
    canonical: &Canonical,
    sender: &str,
    recipients: &[String],
    otherwise: &[u8],
) -> Uuid {
    let (owner, name) = match &canonical.body {
        Some(Body::Document(it)) => (sender, document_name(it)),
        Some(Body::Status(it)) => {
            (status_owner(it, sender, recipients), about_name(it.about.as_ref()))
        }
        Some(Body::Receipt(_)) | None => (sender, String::new()),
    };
    if name.is_empty() {
        return Uuid::new_v5(&CONVERSATIONS, otherwise);
    }
    Uuid::new_v5(&CONVERSATIONS, format!("{owner}\n{name}").as_bytes())
}

/// A recall request is sent by the document's sender; every other status goes to it.
fn status_owner<'a>(status: &'a Status, sender: &'a str, recipients: &'a [String]) -> &'a str {
    if status.kind() == status::Kind::RecallRequested {
        return sender;
    }
    let said = status.addressee.as_ref().map_or("", |it| it.directory_key.as_str());
    if said.is_empty() { recipients.first().map_or("", String::as_str) } else { said }
}

/// A packet that revokes, updates or corrects a document stays behind it.
fn document_name(document: &Document) -> String {
    let own = name(&document.id, document.number.as_ref());
    let change = document.change.as_ref();
    let kind = change.map_or(change::Kind::Unspecified, |it| it.kind());
    let related = match kind {
        change::Kind::Revoke => relation::Kind::Revokes,
        change::Kind::Update | change::Kind::Correct => relation::Kind::Updates,
        change::Kind::Unspecified
        | change::Kind::New
        | change::Kind::Replace
        | change::Kind::Forward => return own,
    };
    // Some software names the document it revokes where others name the one they answer.
    let relations = [related, relation::Kind::Answers].into_iter().filter_map(|kind| {
        document.relations.iter().find(|it| it.kind() == kind).and_then(|it| it.target.as_ref())
    });
    let targets = change.and_then(|it| it.target.as_ref()).into_iter().chain(relations);
    let mut numbers = targets.map(|it| numbered(&it.id, it.number.as_ref()));
    // An id that only its sender can read leaves the number of this packet, which bears the one
    // of the document that it changes.
    numbers.find(|it| !it.is_empty()).unwrap_or(own)
}

fn about_name(about: Option<&DocumentRef>) -> String {
    about.map_or_else(String::new, |it| name(&it.id, it.number.as_ref()))
}

fn name(id: &str, number: Option<&DocumentNumber>) -> String {
    let number = numbered(id, number);
    if number.is_empty() { id.trim().to_owned() } else { number }
}

/// The number, as said or as it stands in an id of QCVN 102 (`organisation,day,number`).
fn numbered(id: &str, number: Option<&DocumentNumber>) -> String {
    let said = number_key(&printed(number));
    let within = || id.splitn(3, ',').nth(2).map(number_key).unwrap_or_default();
    if said.is_empty() { within() } else { said }
}

/// True when two numbers are the same but for their spelling.
pub(crate) fn same_number(left: &DocumentNumber, right: &DocumentNumber) -> bool {
    number_key(&printed(Some(left))) == number_key(&printed(Some(right)))
}

/// The number as people read it.
fn printed(number: Option<&DocumentNumber>) -> String {
    let Some(it) = number else { return String::new() };
    if !it.printed.is_empty() {
        return it.printed.clone();
    }
    let apart = if it.number.is_empty() || it.notation.is_empty() { "" } else { "/" };
    format!("{}{apart}{}", it.number, it.notation)
}

/// Equal for the same content of the same organisation to the same recipients, however it came:
/// with another packet id, at another time, by another format's spelling.
pub(crate) fn content_digest(
    canonical: &Canonical,
    sender: &str,
    kind: MessageType,
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
        Some(Body::Receipt(_)) | None => {}
    }
    parties::each(&mut content, &mut strip_organisation);
    let mut recipients = recipients.to_vec();
    recipients.sort_unstable();
    let mut digest = Sha256::new();
    let content = content.encode_to_vec();
    let recipients = recipients.join("\n");
    for part in [sender.as_bytes(), kind.as_str().as_bytes(), recipients.as_bytes(), &content] {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

fn strip_document(document: &mut Document) {
    document.id.clear();
    document.trace.clear();
    document.leftovers.clear();
    document.moments.retain(|it| !PACKET_MOMENTS.contains(&it.name.as_str()));
    document.attachments.iter_mut().for_each(strip_attachment);
}

/// Ids of files are the packet's; which file it is, the digest says.
fn strip_attachment(attachment: &mut Attachment) {
    attachment.id.clear();
    attachment.rendition_of.clear();
}

/// Whoever is known is the same by whichever of its codes and names.
fn strip_organisation(organisation: &mut Organisation) {
    if !organisation.directory_key.is_empty() {
        organisation.ids.clear();
        organisation.name.clear();
    }
}

/// What the message can be found by.
pub(crate) fn index(canonical: &Canonical) -> Index {
    match &canonical.body {
        Some(Body::Document(it)) => Index {
            number: printed(it.number.as_ref()),
            document_id: it.id.clone(),
            subject: it.subject.clone(),
            issued_on: day(it.issued.as_ref()),
            issuer: organisation_name(it.issuer.as_ref().or(it.sender.as_ref())),
            ..Index::default()
        },
        Some(Body::Status(it)) => status_index(it),
        Some(Body::Receipt(_)) | None => Index::default(),
    }
}

fn status_index(status: &Status) -> Index {
    let about = status.about.clone().unwrap_or_default();
    let code = status.code.as_ref().map(|it| it.code.clone()).filter(|it| !it.is_empty());
    Index {
        number: printed(about.number.as_ref()),
        document_id: about.id,
        subject: about.subject,
        issued_on: day(about.issued.as_ref()),
        issuer: organisation_name(about.issuer.as_ref()),
        status: code.unwrap_or_else(|| match status.kind() as i32 {
            code @ 1..=16 => format!("{code:02}"),
            _ => status.kind().as_str_name().to_lowercase(),
        }),
        status_text: status.text.clone(),
    }
}

fn organisation_name(organisation: Option<&Organisation>) -> String {
    organisation.map_or_else(String::new, |it| it.name.clone())
}

fn day(date: Option<&Date>) -> String {
    match date {
        Some(it) if it.year > 0 && it.month > 0 && it.day > 0 => {
            format!("{:04}-{:02}-{:02}", it.year, it.month, it.day)
        }
        Some(_) | None => String::new(),
    }
}

/// 0 to 4, as the envelope counts.
pub(crate) fn urgency(canonical: &Canonical) -> u32 {
    let Some(Body::Document(document)) = &canonical.body else { return 0 };
    match document.urgency() {
        Urgency::Unspecified | Urgency::Normal => 0,
        Urgency::Urgent => 1,
        Urgency::VeryUrgent => 2,
        Urgency::Flash => 3,
        Urgency::FlashTimed => 4,
    }
}

/// When the sender says it happened, microseconds since 1970; 0: not said.
pub(crate) fn occurred_at_us(canonical: &Canonical) -> i64 {
    match &canonical.body {
        Some(Body::Document(it)) => {
            let sent = it.moments.iter().find(|it| it.name == "sent");
            sent.and_then(|it| it.moment.as_ref()).map_or(0, microseconds)
        }
        Some(Body::Status(it)) => it.at.as_ref().map_or(0, microseconds),
        Some(Body::Receipt(_)) | None => 0,
    }
}

fn microseconds(moment: &Moment) -> i64 {
    let at = moment.at.unwrap_or_default();
    at.seconds.saturating_mul(1_000_000).saturating_add(i64::from(at.nanos) / 1_000)
}

#[cfg(test)]
#[path = "identity/tests.rs"]
mod tests;
