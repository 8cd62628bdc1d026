//! New messages: the rows they are written as, and the keys they are found by.

use std::collections::HashSet;
use std::sync::Arc;

use name_folding::{fold_number, fold_words, trim_zeros};
use prost::Message as _;
use proto::fault::v1::Fault;
use proto::journal::v1::Envelope;
use proto::message::v1::{Index, MessageType, State};

use crate::database::row::Parameters;
use crate::delivery_row::{DeliveryInfo, DeliveryRow};
use crate::genuine_copy::genuine_digest_of_stored;

/// The table with the content of messages.
pub(crate) const TABLE: &str = "message_row";

/// Inserts the content of a message. That it is new was looked up in the same transaction.
pub(crate) const INSERT: &str = "INSERT INTO message_row (id, parent, message_type, source, \
     sender, recipients, accepted_at, item_key, submission_digest, outline_digest, \
     content_digest, copy_of, generation, trace_id, number_folded, document_id, envelope, \
     search_index, receipt, body, native, row_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
     $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)";

/// Inserts a sender or recipient of a submitted message.
pub(crate) const INSERT_PARTY: &str =
    "INSERT INTO message_party (organisation, party_at, message_id) VALUES ($1, $2, $3)";

/// Inserts a further key of a message; the first message that a key was given to keeps it.
pub(crate) const INSERT_ALIAS: &str = "INSERT INTO key_alias (source, item_key, message_id) \
     VALUES ($1, $2, $3) ON CONFLICT (source, item_key) DO NOTHING";

/// Inserts a further digest of a message.
pub(crate) const INSERT_DIGEST_ALIAS: &str = "INSERT INTO digest_alias (sender, digest, message_id) \
     VALUES ($1, $2, $3) ON CONFLICT (sender, digest, message_id) DO NOTHING";

/// Stores the body of a derived message that was recorded without one.
pub(crate) const UPDATE_CONTENT: &str =
    "UPDATE message_row SET envelope = $2, body = $3, receipt = $4 WHERE id = $1";

/// The longest name that an index holds. PostgreSQL's index entries end at 2.7 kB, and one longer
/// name would fail the whole group.
pub(crate) const NAME_BYTES_MAX: usize = 500;

/// The longest word that is indexed; PostgreSQL's full-text index ends at 2 kB.
const WORD_BYTES_MAX: usize = 500;

/// The most that is indexed of one message; a longer subject is a document in the wrong field.
const WORDS_BYTES_MAX: usize = 8_000;

/// The digests (hex) by which a submitted message is recognised; empty: it is found by none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digests {
    /// Of what the sender said.
    pub(crate) submission: String,
    /// Of the same without the bytes of uploads.
    pub(crate) outline: String,
    /// Of the canonical content.
    pub(crate) content: String,
}

/// A message that is accepted or derived.
#[derive(Debug)]
pub(crate) struct NewMessage<'a> {
    pub(crate) envelope: &'a Envelope,
    pub(crate) body: Vec<u8>,
    pub(crate) native: Vec<u8>,
    pub(crate) receipt: Vec<u8>,
    pub(crate) index: &'a Index,
    pub(crate) key: &'a str,
    pub(crate) digests: Digests,
    /// How often its sender had to submit its content again before; see the table's comment.
    pub(crate) generation: i64,
    pub(crate) state: State,
    pub(crate) now: i64,
    pub(crate) due_at: i64,
    pub(crate) fault: Option<&'a Fault>,
    pub(crate) info: Option<Arc<DeliveryInfo>>,
    pub(crate) row_id: i64,
    /// Of a derived message: 1 when its sender was told that the submitted one did not arrive.
    pub(crate) reports: i64,
}

/// The rows of a new message.
#[derive(Debug)]
pub(crate) struct NewRows {
    pub(crate) delivery: DeliveryRow,
    /// Parameters of [`INSERT`].
    pub(crate) content: Parameters,
    /// Folded words by which the message is searched; empty: none.
    pub(crate) words: String,
    /// Parameters of [`INSERT_PARTY`].
    pub(crate) parties: Vec<Parameters>,
}

impl NewMessage<'_> {
    pub(crate) fn into_rows(self) -> NewRows {
        let envelope = self.envelope;
        // A number finds the document, and not the delivery reports about it as well.
        let none = Index::default();
        let is_report = envelope.r#type() == MessageType::DeliveryReport;
        let searched = if is_report { &none } else { self.index };
        let words = search_words(searched);
        let trace_id = chassis::trace::trace_id(&envelope.traceparent).unwrap_or_default();
        let recipients = envelope.recipients.join(",");
        let delivery = DeliveryRow {
            id: envelope.id.clone(),
            parent: envelope.parent.clone(),
            application: envelope.application.clone(),
            recipients: recipients.clone(),
            conversation: envelope.conversation.clone(),
            sequence: i64::try_from(envelope.sequence).unwrap_or(i64::MAX),
            accepted_at: envelope.accepted_at_us,
            urgency: i64::from(envelope.urgency),
            state: self.state,
            changed_at: self.now,
            due_at: self.due_at,
            tries: i64::from(self.fault.is_some()),
            fault: self.fault.cloned(),
            body_size: i64::try_from(self.body.len()).unwrap_or(i64::MAX),
            info: self.info,
            copy_digest: genuine_digest_of_stored(envelope, &self.body),
            row_id: self.row_id,
            reports: self.reports,
            is_childless: true,
            ..DeliveryRow::default()
        };
        let content = vec![
            envelope.id.as_str().into(),
            envelope.parent.as_str().into(),
            i64::from(envelope.r#type).into(),
            envelope.source.as_str().into(),
            envelope.sender.as_str().into(),
            recipients.into(),
            envelope.accepted_at_us.into(),
            self.key.into(),
            self.digests.submission.into(),
            self.digests.outline.into(),
            self.digests.content.into(),
            // A derived message is found through its parent.
            if envelope.parent.is_empty() { envelope.copy_of.as_str() } else { "" }.into(),
            self.generation.into(),
            // A trace finds the submitted message; its derived ones are found from there.
            if envelope.parent.is_empty() { trace_id } else { "" }.into(),
            bounded(fold_number(&searched.number), NAME_BYTES_MAX).into(),
            folded_document_id(searched).into(),
            envelope.encode_to_vec().into(),
            self.index.encode_to_vec().into(),
            self.receipt.into(),
            self.body.into(),
            self.native.into(),
            self.row_id.into(),
        ];
        NewRows { delivery, content, words, parties: parties(envelope) }
    }
}

/// Sender and recipients of a submitted message; a derived one is found through its parent.
fn parties(envelope: &Envelope) -> Vec<Parameters> {
    if !envelope.parent.is_empty() {
        return Vec::new();
    }
    let mut names: Vec<&str> = envelope.recipients.iter().map(String::as_str).collect();
    names.push(&envelope.sender);
    names.sort_unstable();
    names.dedup();
    let (at, id) = (envelope.accepted_at_us, envelope.id.as_str());
    names.into_iter().map(|it| vec![it.into(), at.into(), id.into()]).collect()
}

/// A document's id as it is stored and searched.
pub(crate) fn folded_document_id(index: &Index) -> String {
    bounded(fold_words(&index.document_id), NAME_BYTES_MAX)
}

/// The words of all texts by which people search for a message, each once. The subject comes last,
/// because it is the only one that may be too long to be indexed whole.
fn search_words(index: &Index) -> String {
    let texts = [&index.number, &index.issuer].into_iter();
    let texts = texts.chain(&index.signers).chain(&index.file_names).chain([&index.subject]);
    let mut words = String::new();
    let mut seen = HashSet::new();
    for word in texts.flat_map(|it| indexed_words(it)) {
        if words.len() + word.len() < WORDS_BYTES_MAX && seen.insert(word.clone()) {
            words.push_str(if words.is_empty() { "" } else { " " });
            words.push_str(&word);
        }
    }
    words
}

/// The folded words that a text is indexed and searched by: those that are not too long, without
/// their leading zeros.
pub(crate) fn indexed_words(text: &str) -> Vec<String> {
    let words = fold_words(text);
    let words = words.split(' ').filter(|it| !it.is_empty() && it.len() <= WORD_BYTES_MAX);
    words.map(|it| trim_zeros(it).to_owned()).collect()
}

/// The beginning of a text, at most this many bytes.
pub(crate) fn bounded(mut text: String, bytes_max: usize) -> String {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
