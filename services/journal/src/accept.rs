//! Accept: what is new gets a receipt, what came before gets the first one again.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message as _;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::body::Place;
use proto::journal::v1::{AcceptOutcome, Acceptance, Envelope};
use proto::message::v1::{Receipt, State, Step};

use crate::database::{Batch, DatabaseError, Row};
use crate::desk::Desk;
use crate::plan;
use crate::stored::{Fresh, NAME_BYTES_MAX, New, Told};

const BY_KEY: &str = "SELECT id, content_digest, receipt FROM kept \
     WHERE source = $1 AND item_key = $2 AND item_key <> ''";

/// A key under which content came again.
const BY_ALIAS: &str = "SELECT k.id, k.content_digest, k.receipt FROM alias a \
     JOIN kept k ON k.id = a.message WHERE a.source = $1 AND a.item_key = $2";

const BY_CONTENT: &str = "SELECT id, content_digest, receipt FROM kept \
     WHERE sender = $1 AND content_digest = $2 AND content_digest <> ''";

const BY_ID: &str = "SELECT id, content_digest, receipt FROM kept WHERE id = $1";

/// The last place of a conversation that was given.
const PLACE: &str = "SELECT COALESCE(MAX(sequence), 0) FROM standing \
     WHERE conversation = $1 AND application = ''";

/// What is known of an earlier item.
#[derive(Clone, Debug)]
struct Earlier {
    id: String,
    digest: String,
    receipt: Vec<u8>,
}

/// Takes items over, in their order.
pub(crate) async fn accept(
    desk: &mut Desk<'_>,
    items: Vec<Acceptance>,
) -> Result<Vec<AcceptOutcome>, DatabaseError> {
    let mut known = Known::load(desk, &items).await?;
    // What came before is told that it came again.
    desk.load(known.earlier()).await?;
    let mut outcomes = Vec::with_capacity(items.len());
    for item in items {
        if let Some(wrong) = wrong(&item) {
            let fault = Fault::new(&code::LT_JNL_006).param("part", wrong);
            outcomes.push(AcceptOutcome { outcome: Some(Outcome::Refused(fault)) });
            continue;
        }
        let digest = hex(&item.content_digest);
        let envelope = item.message.as_ref().and_then(|it| it.envelope.clone()).unwrap_or_default();
        let outcome = match known.find(&envelope, &item.key, &digest) {
            Some(earlier) if earlier.digest == digest => {
                desk.step(&earlier.id, Step::Repeated, &item.key);
                if known.learn(&envelope, &item.key, &earlier) {
                    let (source, key) = (envelope.source.as_str(), item.key.as_str());
                    desk.aliases.push(vec![source.into(), key.into(), earlier.id.as_str().into()]);
                }
                Outcome::Receipt(again(&earlier.receipt))
            }
            Some(earlier) => {
                desk.step(&earlier.id, Step::Conflicted, &item.key);
                let fault = Fault::new(&code::LT_JNL_001).param("key", &item.key);
                Outcome::Refused(fault.param("first", &earlier.id))
            }
            None => {
                let (receipt, new) = fresh(desk, &mut known, item, envelope, digest);
                desk.add(new);
                Outcome::Receipt(receipt)
            }
        };
        outcomes.push(AcceptOutcome { outcome: Some(outcome) });
    }
    Ok(outcomes)
}

/// What an item lacks; it comes from a gateway, so this is a mistake of ours, not of the sender's.
fn wrong(item: &Acceptance) -> Option<&'static str> {
    let message = item.message.as_ref();
    let envelope = message.and_then(|it| it.envelope.as_ref());
    let body = message.and_then(|it| it.body.as_ref()).and_then(|it| it.place.as_ref());
    let Some(envelope) = envelope else { return Some("envelope") };
    let inline = [message.and_then(|it| it.body.as_ref()), item.native.as_ref()]
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
    let odd = names.into_iter().chain(recipients).find(|(_, it)| !is_name(it));
    if envelope.id.parse::<bus::MessageId>().is_err() {
        Some("id")
    } else if envelope.conversation.is_empty()
        || envelope.conversation.len() > CONVERSATION_BYTES_MAX
    {
        Some("conversation")
    } else if let Some((part, _)) = odd {
        Some(part)
    } else if body.is_none() || inline {
        Some("body")
    } else if item.content_digest.is_empty() || item.content_digest.len() > 64 {
        Some("content_digest")
    } else {
        None
    }
}

/// What names go by: bounded, and alike in both databases. PostgreSQL holds no NUL.
fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX && !text.contains(char::is_control)
}

/// The longest conversation: it travels as a routing key.
const CONVERSATION_BYTES_MAX: usize = 255;

fn fresh(
    desk: &mut Desk<'_>,
    known: &mut Known,
    item: Acceptance,
    mut envelope: Envelope,
    digest: String,
) -> (Receipt, New) {
    let sequence = known.sequences.entry(envelope.conversation.clone()).or_default();
    *sequence += 1;
    envelope.sequence = *sequence;
    envelope.accepted_at_us = desk.now;
    let receipt = Receipt {
        message_id: envelope.id.clone(),
        conversation: envelope.conversation.clone(),
        accepted_at_us: desk.now,
        sequence: envelope.sequence,
        repeat: false,
        native_sha256: item.native_sha256,
        attachments: item.attachments,
        r#type: envelope.r#type,
        recipients: envelope.recipients.clone(),
    };
    for fact in item.facts {
        desk.fact(&envelope.id, fact);
    }
    desk.step(&envelope.id, Step::Accepted, "");
    let encoded = receipt.encode_to_vec();
    known.add(&envelope, &item.key, &digest, &encoded);
    let body = item.message.and_then(|it| it.body).unwrap_or_default();
    let index = item.index.unwrap_or_default();
    let row = Fresh {
        envelope: &envelope,
        body: body.encode_to_vec(),
        native: item.native.unwrap_or_default().encode_to_vec(),
        receipt: encoded,
        index: &index,
        key: &item.key,
        content_digest: digest,
        state: State::Accepted,
        now: desk.now,
        next_at: plan::deadline(desk.now, 0),
        fault: None,
        told: Some(Arc::new(Told { attachments: Vec::new(), index: index.clone() })),
        slot: desk.slot(),
    };
    (receipt, row.values())
}

fn again(receipt: &[u8]) -> Receipt {
    Receipt { repeat: true, ..Receipt::decode(receipt).unwrap_or_default() }
}

/// What came before: by key, by content, and how far each conversation is.
#[derive(Debug, Default)]
struct Known {
    keys: HashMap<(String, String), Earlier>,
    contents: HashMap<(String, String), Earlier>,
    ids: HashMap<String, Earlier>,
    sequences: HashMap<String, u64>,
}

impl Known {
    async fn load(desk: &mut Desk<'_>, items: &[Acceptance]) -> Result<Self, DatabaseError> {
        let envelopes: Vec<(&Acceptance, &Envelope)> = items
            .iter()
            .filter_map(|it| Some((it, it.message.as_ref()?.envelope.as_ref()?)))
            .collect();
        let keys: Vec<(String, String)> = envelopes
            .iter()
            .filter(|(it, _)| !it.key.is_empty())
            .map(|(it, of)| (of.source.clone(), it.key.clone()))
            .collect();
        let contents: Vec<_> =
            envelopes.iter().map(|(it, of)| (of.sender.clone(), hex(&it.content_digest))).collect();
        let mut conversations: Vec<_> =
            envelopes.iter().map(|(_, it)| it.conversation.clone()).collect();
        conversations.sort_unstable();
        conversations.dedup();
        let pair = |(one, other): &(String, String)| vec![one.clone().into(), other.clone().into()];
        let by_key: Vec<_> = keys.iter().map(pair).collect();
        let by_content: Vec<_> = contents.iter().map(pair).collect();
        // Where a key is given, the id comes from it, so who finds no such key need not look.
        let keyless = envelopes.iter().filter(|(it, _)| it.key.is_empty());
        let by_id: Vec<_> = keyless.map(|(_, it)| vec![it.id.as_str().into()]).collect();
        let places: Vec<_> = conversations.iter().map(|it| vec![it.clone().into()]).collect();
        let steps: [Batch<'_>; 5] = [
            (BY_KEY, &by_key),
            (BY_ALIAS, &by_key),
            (BY_CONTENT, &by_content),
            (BY_ID, &by_id),
            (PLACE, &places),
        ];
        let mut found = desk.database.run_all(&steps).await?.into_iter();
        let mut next = || found.next().unwrap_or_default();
        let mut known = Self::default();
        let (first, again) = (next(), next());
        known.keys.extend(keys.iter().cloned().zip(first).filter_map(with_earlier));
        known.keys.extend(keys.into_iter().zip(again).filter_map(with_earlier));
        known.contents.extend(contents.into_iter().zip(next()).filter_map(with_earlier));
        known.ids.extend(next().into_iter().filter_map(earlier).map(|it| (it.id.clone(), it)));
        for (conversation, rows) in conversations.into_iter().zip(next()) {
            let last = rows.into_iter().next().map_or(0, |mut it| it.number());
            known.sequences.insert(conversation, u64::try_from(last).unwrap_or_default());
        }
        Ok(known)
    }

    /// Ids of what came before.
    fn earlier(&self) -> impl Iterator<Item = &str> {
        let each = self.keys.values().chain(self.contents.values()).chain(self.ids.values());
        each.map(|it| it.id.as_str())
    }

    /// The key decides first: the same key with other content is a conflict even when that
    /// content is known under another key.
    fn find(&self, envelope: &Envelope, key: &str, digest: &str) -> Option<Earlier> {
        let by_key = self.keys.get(&(envelope.source.clone(), key.to_owned()));
        let by_content = || self.contents.get(&(envelope.sender.clone(), digest.to_owned()));
        by_key.or_else(by_content).or_else(|| self.ids.get(&envelope.id)).cloned()
    }

    /// Remembers the key of a repeat; true when it is a new one.
    fn learn(&mut self, envelope: &Envelope, key: &str, earlier: &Earlier) -> bool {
        let name = (envelope.source.clone(), key.to_owned());
        let is_new = !key.is_empty() && !self.keys.contains_key(&name);
        if is_new {
            self.keys.insert(name, earlier.clone());
        }
        is_new
    }

    fn add(&mut self, envelope: &Envelope, key: &str, digest: &str, receipt: &[u8]) {
        let earlier = Earlier {
            id: envelope.id.clone(),
            digest: digest.to_owned(),
            receipt: receipt.to_vec(),
        };
        if !key.is_empty() {
            self.keys.insert((envelope.source.clone(), key.to_owned()), earlier.clone());
        }
        self.ids.insert(envelope.id.clone(), earlier.clone());
        self.contents.insert((envelope.sender.clone(), digest.to_owned()), earlier);
    }
}

fn with_earlier<T>((name, rows): (T, Vec<Row>)) -> Option<(T, Earlier)> {
    Some((name, earlier(rows)?))
}

fn earlier(rows: Vec<Row>) -> Option<Earlier> {
    let mut row = rows.into_iter().next()?;
    Some(Earlier { id: row.text(), digest: row.text(), receipt: row.bytes() })
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|it| [it >> 4, it & 15])
        .map(|it| char::from(DIGITS[usize::from(it)]))
        .collect()
}
