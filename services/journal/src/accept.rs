//! Accept: a new item gets a receipt, a repeat the receipt of the first.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message as _;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::body::Place;
use proto::journal::v1::{AcceptOutcome, Acceptance, Envelope};
use proto::message::v1::{Receipt, State, Step};

use crate::database::error::{Corrupt, DatabaseError};
use crate::database::row::{Batch, Parameters, Row, Unreadable};
use crate::delivery_row::DeliveryInfo;
use crate::new_message::{NAME_BYTES_MAX, NewMessage, NewRows, TABLE};
use crate::retry_schedule::publish_deadline;
use crate::unit_of_work::UnitOfWork;

const BY_KEY: &str = "SELECT id, content_digest, receipt FROM message_row \
     WHERE source = $1 AND item_key = $2 AND item_key <> ''";

/// By a key under which the content was submitted again.
const BY_ALIAS: &str = "SELECT m.id AS id, m.content_digest AS content_digest, \
     m.receipt AS receipt FROM key_alias a JOIN message_row m ON m.id = a.message_id \
     WHERE a.source = $1 AND a.item_key = $2";

const BY_CONTENT: &str = "SELECT id, content_digest, receipt FROM message_row \
     WHERE sender = $1 AND content_digest = $2 AND content_digest <> ''";

const BY_ID: &str = "SELECT id, content_digest, receipt FROM message_row WHERE id = $1";

/// The last sequence number of a conversation.
const LAST_SEQUENCE: &str = "SELECT COALESCE(MAX(sequence), 0) AS sequence FROM delivery_state \
     WHERE conversation = $1 AND application = ''";

/// The longest conversation: it travels as a routing key.
const CONVERSATION_BYTES_MAX: usize = 255;

/// The longest content digest.
const DIGEST_BYTES_MAX: usize = 64;

/// An item that was accepted before.
#[derive(Clone, Debug)]
struct Earlier {
    id: String,
    digest: String,
    receipt: Vec<u8>,
}

/// An earlier item, or the damage that keeps its row from being read.
type Candidate = Result<Earlier, Corrupt>;

/// Accepts items in their order; each gets its own outcome.
pub(crate) async fn accept(
    unit: &mut UnitOfWork<'_>,
    items: &[&Acceptance],
) -> Result<Vec<AcceptOutcome>, DatabaseError> {
    let mut candidates = Candidates::load(unit, items).await?;
    // A repeat or a conflict is a fact of the earlier message.
    unit.load(candidates.earlier_ids()).await?;
    let mut outcomes = Vec::with_capacity(items.len());
    for item in items {
        let outcome = accept_one(unit, &mut candidates, item);
        outcomes.push(AcceptOutcome { outcome: Some(outcome), ..AcceptOutcome::default() });
    }
    Ok(outcomes)
}

fn accept_one(
    unit: &mut UnitOfWork<'_>,
    candidates: &mut Candidates,
    item: &Acceptance,
) -> Outcome {
    if let Some(part) = invalid_part(item) {
        return Outcome::Refused(Fault::new(&code::LT_JNL_006).param("part", part));
    }
    let digest = hex::encode(&item.content_digest);
    let envelope = item.message.as_ref().and_then(|it| it.envelope.clone()).unwrap_or_default();
    match candidates.find(&envelope, &item.key, &digest) {
        // Without the earlier row a repeat cannot be distinguished from a conflict, and accepted as
        // a new message it could arrive twice.
        Some(Err(corrupt)) => {
            corrupt.log();
            Outcome::Refused(corrupt.fault())
        }
        Some(Ok(earlier)) if earlier.digest == digest => match first_receipt(&earlier) {
            Ok(receipt) => {
                unit.step(&earlier.id, Step::Repeated, &item.key);
                if candidates.add_key(&envelope, &item.key, &earlier) {
                    unit.add_alias(&envelope.source, &item.key, &earlier.id);
                }
                Outcome::Receipt(receipt)
            }
            Err(corrupt) => {
                corrupt.log();
                Outcome::Refused(corrupt.fault())
            }
        },
        Some(Ok(earlier)) => {
            unit.step(&earlier.id, Step::Conflicted, &item.key);
            let fault = Fault::new(&code::LT_JNL_001).param("key", &item.key);
            Outcome::Refused(fault.param("first", &earlier.id))
        }
        None => accept_new(unit, candidates, item, envelope, digest)
            .map_or_else(|corrupt| Outcome::Refused(corrupt.fault()), Outcome::Receipt),
    }
}

/// The part of an item that breaks the contract. Items come from a gateway, so this is a defect of
/// the bus, not of the sender.
fn invalid_part(item: &Acceptance) -> Option<&'static str> {
    let message = item.message.as_ref();
    let envelope = message.and_then(|it| it.envelope.as_ref());
    let body = message.and_then(|it| it.body.as_ref()).and_then(|it| it.place.as_ref());
    let Some(envelope) = envelope else { return Some("envelope") };
    let is_too_large = [message.and_then(|it| it.body.as_ref()), item.native.as_ref()]
        .into_iter()
        .flatten()
        .filter_map(|it| it.place.as_ref())
        .any(|it| matches!(it, Place::Inline(bytes) if bytes.len() > bus::INLINE_BYTES_MAX));
    let names = [
        ("source", &envelope.source),
        ("sender", &envelope.sender),
        ("conversation", &envelope.conversation),
        ("key", &item.key),
    ];
    let recipients = envelope.recipients.iter().map(|it| ("recipients", it));
    let invalid_name = names.into_iter().chain(recipients).find(|(_, it)| !is_name(it));
    if envelope.id.parse::<bus::MessageId>().is_err() {
        Some("id")
    } else if envelope.conversation.is_empty()
        || envelope.conversation.len() > CONVERSATION_BYTES_MAX
    {
        Some("conversation")
    } else if let Some((part, _)) = invalid_name {
        Some(part)
    } else if body.is_none() || is_too_large {
        Some("body")
    } else if item.content_digest.is_empty() || item.content_digest.len() > DIGEST_BYTES_MAX {
        Some("content_digest")
    } else {
        None
    }
}

/// Names are bounded, and equal in both databases: PostgreSQL stores no NUL.
fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX && !text.contains(char::is_control)
}

fn accept_new(
    unit: &mut UnitOfWork<'_>,
    candidates: &mut Candidates,
    item: &Acceptance,
    mut envelope: Envelope,
    digest: String,
) -> Result<Receipt, Corrupt> {
    envelope.sequence = candidates.next_sequence(&envelope.conversation)?;
    envelope.accepted_at_us = unit.now;
    let receipt = Receipt {
        message_id: envelope.id.clone(),
        conversation: envelope.conversation.clone(),
        accepted_at_us: unit.now,
        sequence: envelope.sequence,
        repeat: false,
        native_sha256: item.native_sha256.clone(),
        attachments: item.attachments.clone(),
        r#type: envelope.r#type,
        recipients: envelope.recipients.clone(),
        copy_of: envelope.copy_of.clone(),
    };
    for fact in &item.facts {
        unit.fact(&envelope.id, fact.clone());
    }
    unit.step(&envelope.id, Step::Accepted, "");
    let encoded = receipt.encode_to_vec();
    candidates.add(&envelope, &item.key, &digest, &encoded);
    let rows = new_rows(unit, item, &envelope, (digest, encoded));
    unit.add(rows);
    Ok(receipt)
}

fn new_rows(
    unit: &mut UnitOfWork<'_>,
    item: &Acceptance,
    envelope: &Envelope,
    (content_digest, receipt): (String, Vec<u8>),
) -> NewRows {
    let body = item.message.as_ref().and_then(|it| it.body.as_ref());
    let index = item.index.clone().unwrap_or_default();
    // Receivers get the attachments of the derived message, so the parent's are not cached.
    let info = DeliveryInfo { attachments: Vec::new(), index: index.clone() };
    let message = NewMessage {
        envelope,
        body: body.map(prost::Message::encode_to_vec).unwrap_or_default(),
        native: item.native.as_ref().map(prost::Message::encode_to_vec).unwrap_or_default(),
        receipt,
        index: &index,
        key: &item.key,
        content_digest,
        state: State::Accepted,
        now: unit.now,
        due_at: publish_deadline(unit.now, 0),
        fault: None,
        info: Some(Arc::new(info)),
        row_id: unit.next_row_id(),
    };
    message.into_rows()
}

/// The receipt that the first submission got.
fn first_receipt(earlier: &Earlier) -> Result<Receipt, Corrupt> {
    let receipt = Receipt::decode(earlier.receipt.as_slice()).ok();
    let receipt = receipt.filter(|it| it.message_id == earlier.id);
    let receipt = receipt.ok_or_else(|| Corrupt::new(TABLE, &earlier.id, "receipt"))?;
    Ok(Receipt { repeat: true, ..receipt })
}

/// Earlier items that new ones are compared with, and the last sequence of each conversation.
#[derive(Debug, Default)]
struct Candidates {
    by_key: HashMap<(String, String), Candidate>,
    by_content: HashMap<(String, String), Candidate>,
    by_id: HashMap<String, Candidate>,
    sequences: HashMap<String, Result<u64, Corrupt>>,
}

impl Candidates {
    async fn load(unit: &mut UnitOfWork<'_>, items: &[&Acceptance]) -> Result<Self, DatabaseError> {
        let envelopes: Vec<(&Acceptance, &Envelope)> = items
            .iter()
            .filter_map(|it| Some((*it, it.message.as_ref()?.envelope.as_ref()?)))
            .collect();
        let keys: Vec<(String, String)> = envelopes
            .iter()
            .filter(|(it, _)| !it.key.is_empty())
            .map(|(it, of)| (of.source.clone(), it.key.clone()))
            .collect();
        let contents: Vec<_> = envelopes
            .iter()
            .map(|(it, of)| (of.sender.clone(), hex::encode(&it.content_digest)))
            .collect();
        // With a key, the id is derived from it, so looking the key up is enough.
        let keyless = envelopes.iter().filter(|(it, _)| it.key.is_empty());
        let ids: Vec<String> = keyless.map(|(_, it)| it.id.clone()).collect();
        let mut conversations: Vec<_> =
            envelopes.iter().map(|(_, it)| it.conversation.clone()).collect();
        conversations.sort_unstable();
        conversations.dedup();
        let pair = |(one, other): &(String, String)| vec![one.clone().into(), other.clone().into()];
        let single = |it: &String| vec![it.clone().into()];
        let by_key: Vec<Parameters> = keys.iter().map(pair).collect();
        let by_content: Vec<Parameters> = contents.iter().map(pair).collect();
        let by_id: Vec<Parameters> = ids.iter().map(single).collect();
        let by_conversation: Vec<Parameters> = conversations.iter().map(single).collect();
        let steps: [Batch<'_>; 5] = [
            (BY_KEY, &by_key),
            (BY_ALIAS, &by_key),
            (BY_CONTENT, &by_content),
            (BY_ID, &by_id),
            (LAST_SEQUENCE, &by_conversation),
        ];
        let mut found = unit.database.run_all(&steps).await?.into_iter();
        let mut next = || found.next().unwrap_or_default();
        let mut candidates = Self::default();
        candidates.by_key.extend(keys.iter().cloned().zip(next()).filter_map(with_candidate));
        candidates.by_key.extend(keys.into_iter().zip(next()).filter_map(with_candidate));
        candidates.by_content.extend(contents.into_iter().zip(next()).filter_map(with_candidate));
        candidates.by_id.extend(ids.into_iter().zip(next()).filter_map(with_candidate));
        let last = |(conversation, rows): (String, Vec<Row>)| {
            let last = last_sequence(rows, &conversation);
            (conversation, last)
        };
        candidates.sequences.extend(conversations.into_iter().zip(next()).map(last));
        Ok(candidates)
    }

    /// Ids of the earlier items.
    fn earlier_ids(&self) -> impl Iterator<Item = &str> {
        let each = self.by_key.values().chain(self.by_content.values()).chain(self.by_id.values());
        each.filter_map(|it| Some(it.as_ref().ok()?.id.as_str()))
    }

    /// The earlier item of a new one. The key decides first: the same key with other content is a
    /// conflict even when that content is known under another key.
    fn find(&self, envelope: &Envelope, key: &str, digest: &str) -> Option<Candidate> {
        let by_key = self.by_key.get(&(envelope.source.clone(), key.to_owned()));
        let by_content = || self.by_content.get(&(envelope.sender.clone(), digest.to_owned()));
        by_key.or_else(by_content).or_else(|| self.by_id.get(&envelope.id)).cloned()
    }

    /// Adds the key of a repeat; true when it is a new one.
    fn add_key(&mut self, envelope: &Envelope, key: &str, earlier: &Earlier) -> bool {
        let name = (envelope.source.clone(), key.to_owned());
        let is_new = !key.is_empty() && !self.by_key.contains_key(&name);
        if is_new {
            self.by_key.insert(name, Ok(earlier.clone()));
        }
        is_new
    }

    /// Adds a new item, so that a repeat within the same group finds it.
    fn add(&mut self, envelope: &Envelope, key: &str, digest: &str, receipt: &[u8]) {
        let earlier = Earlier {
            id: envelope.id.clone(),
            digest: digest.to_owned(),
            receipt: receipt.to_vec(),
        };
        if !key.is_empty() {
            self.by_key.insert((envelope.source.clone(), key.to_owned()), Ok(earlier.clone()));
        }
        self.by_id.insert(envelope.id.clone(), Ok(earlier.clone()));
        self.by_content.insert((envelope.sender.clone(), digest.to_owned()), Ok(earlier));
    }

    fn next_sequence(&mut self, conversation: &str) -> Result<u64, Corrupt> {
        let last = self.sequences.entry(conversation.to_owned()).or_insert(Ok(0));
        match last {
            Ok(last) => {
                *last += 1;
                Ok(*last)
            }
            Err(corrupt) => Err(corrupt.clone()),
        }
    }
}

fn with_candidate<T>((name, rows): (T, Vec<Row>)) -> Option<(T, Candidate)> {
    let mut row = rows.into_iter().next()?;
    let id = match row.text("id") {
        Ok(id) => id,
        Err(unreadable) => return Some((name, Err(unreadable.in_row(TABLE, "unknown")))),
    };
    let columns = |row: &mut Row| {
        let (digest, receipt) = (row.text("content_digest")?, row.bytes("receipt")?);
        Ok::<_, Unreadable>(Earlier { id: id.clone(), digest, receipt })
    };
    let earlier = columns(&mut row).map_err(|it| it.in_row(TABLE, &id));
    Some((name, earlier))
}

fn last_sequence(rows: Vec<Row>, conversation: &str) -> Result<u64, Corrupt> {
    let corrupt = |column| Corrupt::new("delivery_state", conversation, column);
    let Some(mut row) = rows.into_iter().next() else { return Ok(0) };
    let last = row.number("sequence").map_err(|it| corrupt(it.column))?;
    u64::try_from(last).map_err(|_negative| corrupt("sequence"))
}
