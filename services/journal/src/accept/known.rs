//! What is known of the items of a group: the messages that they may repeat, the documents whose ids
//! they bear, and the last sequence of each conversation.

use std::collections::HashMap;

use proto::journal::v1::{Acceptance, Envelope};
use proto::message::v1::{Index, MessageType};

use crate::database::error::{Corrupt, DatabaseError};
use crate::database::row::{Batch, Parameters, Row, Unreadable};
use crate::new_message::{TABLE, folded_document_id};
use crate::unit_of_work::UnitOfWork;

const BY_KEY: &str = "SELECT id, content_digest FROM message_row \
     WHERE source = $1 AND item_key = $2 AND item_key <> '' AND generation = 0";

/// By a key under which the content was submitted again.
const BY_KEY_ALIAS: &str =
    "SELECT message_id AS id FROM key_alias WHERE source = $1 AND item_key = $2";

const BY_SUBMISSION: &str = "SELECT id, envelope FROM message_row \
     WHERE sender = $1 AND submission_digest = $2 AND submission_digest <> ''";

const BY_SUBMISSION_ALIAS: &str = "SELECT m.id AS id, m.envelope AS envelope FROM digest_alias a \
     JOIN message_row m ON m.id = a.message_id WHERE a.sender = $1 AND a.digest = $2";

const BY_CONTENT: &str = "SELECT id FROM message_row \
     WHERE sender = $1 AND content_digest = $2 AND content_digest <> ''";

const BY_CONTENT_ALIAS: &str =
    "SELECT message_id AS id FROM digest_alias WHERE sender = $1 AND digest = $2";

const BY_ID: &str = "SELECT id FROM message_row WHERE id = $1";

/// The newest document of a sender with this id.
const BY_DOCUMENT: &str = "SELECT id, search_index FROM message_row \
     WHERE document_id = $1 AND document_id <> '' AND sender = $2 AND message_type = $3 \
     ORDER BY accepted_at DESC LIMIT 1";

/// The last sequence number of a conversation.
pub(crate) const LAST_SEQUENCE: &str = "SELECT COALESCE(MAX(sequence), 0) AS sequence FROM delivery_state \
     WHERE conversation = $1 AND application = ''";

/// The format of an item whose sender leaves it to the bus.
const DETECT_FORMAT: &str = "auto";

/// A key, a digest or a document id, with the application or organisation that it belongs to.
type Name = (String, String);

/// The id of the first message with a content, or the damage that keeps its row from being read.
type FirstMessage = Result<String, Corrupt>;

/// What the journal knows of an item.
#[derive(Debug, PartialEq)]
pub(super) enum Match {
    /// Nothing.
    New,
    /// It is the content of this first message.
    Repeat(String),
    /// Its key belongs to this first message, which has other content.
    Conflict(String),
    /// Its key belongs to this first message; whether it has the same content cannot be told before
    /// it is normalised.
    Undecided(String),
}

/// An earlier document with the same id.
#[derive(Clone, Debug)]
pub(super) struct KnownDocument {
    pub(super) id: String,
    pub(super) number: String,
    document_id: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Known {
    by_key: HashMap<Name, FirstMessage>,
    /// With the format that the bytes were read as.
    by_submission: HashMap<Name, Vec<(FirstMessage, String)>>,
    by_content: HashMap<Name, FirstMessage>,
    by_id: HashMap<String, FirstMessage>,
    by_document: HashMap<Name, KnownDocument>,
    sequences: HashMap<String, Result<u64, Corrupt>>,
}

/// The names that items are looked up by.
#[derive(Default)]
struct Names {
    keys: Vec<Name>,
    submissions: Vec<Name>,
    contents: Vec<Name>,
    /// With a key, the id is derived from it, so looking the key up is enough.
    ids: Vec<String>,
    documents: Vec<(Name, i64)>,
    conversations: Vec<String>,
}

impl Names {
    fn new(items: &[&Acceptance]) -> Self {
        let mut names = Self::default();
        for item in items {
            let Some(envelope) = item.message.as_ref().and_then(|it| it.envelope.as_ref()) else {
                continue;
            };
            let of_sender = |digest: &[u8]| (envelope.sender.clone(), hex::encode(digest));
            if !item.key.is_empty() {
                names.keys.push((envelope.source.clone(), item.key.clone()));
            }
            if !item.submission_digest.is_empty() {
                names.submissions.push(of_sender(&item.submission_digest));
            }
            if !item.content_digest.is_empty() {
                names.contents.push(of_sender(&item.content_digest));
            }
            if item.known_only {
                continue;
            }
            if item.key.is_empty() {
                names.ids.push(envelope.id.clone());
            }
            if let Some(name) = document_name(item, envelope) {
                names.documents.push((name, i64::from(envelope.r#type)));
            }
            names.conversations.push(envelope.conversation.clone());
        }
        names.conversations.sort_unstable();
        names.conversations.dedup();
        names
    }
}

/// The name of an item's document. A status bears the id of the document that it is about.
fn document_name(item: &Acceptance, envelope: &Envelope) -> Option<Name> {
    let folded = item.index.as_ref().map(folded_document_id).filter(|it| !it.is_empty())?;
    (envelope.r#type() != MessageType::Status).then(|| (envelope.sender.clone(), folded))
}

impl Known {
    pub(super) async fn load(
        unit: &mut UnitOfWork<'_>,
        items: &[&Acceptance],
    ) -> Result<Self, DatabaseError> {
        let names = Names::new(items);
        let pair = |(one, other): &Name| vec![one.clone().into(), other.clone().into()];
        let single = |it: &String| vec![it.clone().into()];
        let document = |((sender, id), message_type): &(Name, i64)| {
            vec![id.clone().into(), sender.clone().into(), (*message_type).into()]
        };
        let keys: Vec<Parameters> = names.keys.iter().map(pair).collect();
        let submissions: Vec<Parameters> = names.submissions.iter().map(pair).collect();
        let contents: Vec<Parameters> = names.contents.iter().map(pair).collect();
        let ids: Vec<Parameters> = names.ids.iter().map(single).collect();
        let documents: Vec<Parameters> = names.documents.iter().map(document).collect();
        let conversations: Vec<Parameters> = names.conversations.iter().map(single).collect();
        let steps: [Batch<'_>; 9] = [
            (BY_KEY, &keys),
            (BY_KEY_ALIAS, &keys),
            (BY_SUBMISSION, &submissions),
            (BY_SUBMISSION_ALIAS, &submissions),
            (BY_CONTENT, &contents),
            (BY_CONTENT_ALIAS, &contents),
            (BY_ID, &ids),
            (BY_DOCUMENT, &documents),
            (LAST_SEQUENCE, &conversations),
        ];
        let found = unit.database.run_all(&steps).await?;
        Ok(Self::read(names, found.into_iter()))
    }

    /// Reads what the look-ups found, in their order.
    fn read(names: Names, mut found: impl Iterator<Item = Vec<Vec<Row>>>) -> Self {
        let mut next = || found.next().unwrap_or_default();
        let mut known = Self::default();
        known.by_key.extend(names.keys.iter().cloned().zip(next()).filter_map(with_keyed));
        known.by_key.extend(names.keys.into_iter().zip(next()).filter_map(with_first));
        let stored = names.submissions.iter().zip(next());
        let aliases: Vec<Vec<Row>> = next();
        for (name, rows) in stored.chain(names.submissions.iter().zip(aliases)) {
            let submissions = rows.into_iter().map(read_submission);
            known.by_submission.entry(name.clone()).or_default().extend(submissions);
        }
        known.by_content.extend(names.contents.iter().cloned().zip(next()).filter_map(with_first));
        known.by_content.extend(names.contents.into_iter().zip(next()).filter_map(with_first));
        known.by_id.extend(names.ids.into_iter().zip(next()).filter_map(with_first));
        let documents = names.documents.into_iter().map(|(name, _)| name).zip(next());
        known.by_document.extend(documents.filter_map(with_document));
        let last = |(conversation, rows): (String, Vec<Row>)| {
            let last = last_sequence(rows, &conversation);
            (conversation, last)
        };
        known.sequences.extend(names.conversations.into_iter().zip(next()).map(last));
        known
    }

    /// Ids of the first messages that were found.
    pub(super) fn first_messages(&self) -> Vec<String> {
        let named = self.by_key.values().chain(self.by_content.values()).chain(self.by_id.values());
        let submitted = self.by_submission.values().flatten().map(|(it, _)| it);
        named.chain(submitted).flatten().cloned().collect()
    }

    /// What is known of an item. What its sender said is compared first, then its content: neither
    /// the registry nor a description can turn a retry into another item. The key decides before
    /// both: the same key with other content is a conflict even when that content is known under
    /// another key.
    pub(super) fn find(&self, item: &Acceptance, envelope: &Envelope) -> Result<Match, Corrupt> {
        let name = |digest: &[u8]| (envelope.sender.clone(), hex::encode(digest));
        let by_key = self.by_key.get(&(envelope.source.clone(), item.key.clone()));
        let by_submission = self
            .by_submission
            .get(&name(&item.submission_digest))
            .into_iter()
            .flatten()
            .find(|(first, format)| {
                first.is_err()
                    || item.submitted_format == DETECT_FORMAT
                    || item.submitted_format == *format
            })
            .map(|(first, _)| first);
        let by_content = self.by_content.get(&name(&item.content_digest));
        let same: Vec<&String> =
            [by_submission, by_content].into_iter().flatten().flatten().collect();
        if let Some(keyed) = by_key {
            let keyed = keyed.clone()?;
            return Ok(match () {
                () if same.contains(&&keyed) => Match::Repeat(keyed),
                () if item.content_digest.is_empty() => Match::Undecided(keyed),
                () => Match::Conflict(keyed),
            });
        }
        let unkeyed = by_submission.or(by_content).cloned().transpose()?;
        let by_id = || self.by_id.get(&envelope.id).cloned().transpose();
        Ok(match unkeyed {
            Some(first) => Match::Repeat(first),
            None => by_id()?.map_or(Match::New, Match::Conflict),
        })
    }

    /// An earlier document of the sender with the id that this item bears.
    pub(super) fn document(&self, item: &Acceptance, envelope: &Envelope) -> Option<KnownDocument> {
        let known = self.by_document.get(&document_name(item, envelope)?)?;
        let document_id = item.index.as_ref().map(|it| it.document_id.trim());
        (document_id == Some(known.document_id.trim())).then(|| known.clone())
    }

    /// Adds a name of a first message; true when it is a new one. A later item of the same group
    /// finds the message by it.
    pub(super) fn add_key(&mut self, envelope: &Envelope, key: &str, first: &str) -> bool {
        let name = (envelope.source.clone(), key.to_owned());
        let is_new = !key.is_empty() && !self.by_key.contains_key(&name);
        if is_new {
            self.by_key.insert(name, Ok(first.to_owned()));
        }
        is_new
    }

    /// Adds the digests of an item that is the content of a first message; those that are new.
    pub(super) fn add_digests(
        &mut self,
        (item, envelope): (&Acceptance, &Envelope),
        first: &str,
    ) -> Vec<String> {
        let mut new = Vec::new();
        let submission = (envelope.sender.clone(), hex::encode(&item.submission_digest));
        if !item.submission_digest.is_empty() {
            let known = self.by_submission.entry(submission.clone()).or_default();
            if !known.iter().any(|(it, _)| it.as_deref() == Ok(first)) {
                known.push((Ok(first.to_owned()), envelope.format.clone()));
                new.push(submission.1);
            }
        }
        let content = (envelope.sender.clone(), hex::encode(&item.content_digest));
        if !item.content_digest.is_empty() && !self.by_content.contains_key(&content) {
            self.by_content.insert(content.clone(), Ok(first.to_owned()));
            new.push(content.1);
        }
        new
    }

    /// Adds a new message, which is the first with its content.
    pub(super) fn add_first(&mut self, item: &Acceptance, envelope: &Envelope) {
        self.add_key(envelope, &item.key, &envelope.id);
        self.add_digests((item, envelope), &envelope.id);
        self.by_id.insert(envelope.id.clone(), Ok(envelope.id.clone()));
        if let (Some(name), Some(index)) = (document_name(item, envelope), &item.index) {
            self.by_document.insert(name, known_document(envelope.id.clone(), index));
        }
    }

    pub(super) fn next_sequence(&mut self, conversation: &str) -> Result<u64, Corrupt> {
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

fn read_id(row: &mut Row) -> FirstMessage {
    row.text("id").map_err(|it| it.in_row(TABLE, "unknown"))
}

fn with_first<T>((name, rows): (T, Vec<Row>)) -> Option<(T, FirstMessage)> {
    let mut row = rows.into_iter().next()?;
    Some((name, read_id(&mut row)))
}

/// The message of a key. Without its digest a repeat cannot be told from a conflict.
fn with_keyed<T>((name, rows): (T, Vec<Row>)) -> Option<(T, FirstMessage)> {
    let mut row = rows.into_iter().next()?;
    let first = read_id(&mut row).and_then(|id| match row.text("content_digest") {
        Ok(_) => Ok(id),
        Err(unreadable) => Err(unreadable.in_row(TABLE, id)),
    });
    Some((name, first))
}

fn read_submission(mut row: Row) -> (FirstMessage, String) {
    let read = read_id(&mut row).and_then(|id| match row.message::<Envelope>("envelope") {
        Ok(envelope) => Ok((id, envelope.format)),
        Err(unreadable) => Err(unreadable.in_row(TABLE, id)),
    });
    match read {
        Ok((id, format)) => (Ok(id), format),
        Err(corrupt) => (Err(corrupt), String::new()),
    }
}

/// A document whose row cannot be read is passed over: the finding is only a hint.
fn with_document((name, rows): (Name, Vec<Row>)) -> Option<(Name, KnownDocument)> {
    let mut row = rows.into_iter().next()?;
    let columns = |row: &mut Row| {
        Ok::<_, Unreadable>(known_document(row.text("id")?, &row.message("search_index")?))
    };
    columns(&mut row).ok().map(|it| (name, it))
}

fn known_document(id: String, index: &Index) -> KnownDocument {
    let (number, document_id) = (index.number.clone(), index.document_id.clone());
    KnownDocument { id, number, document_id }
}

/// The last sequence of a conversation, from the rows of [`LAST_SEQUENCE`].
pub(crate) fn last_sequence(rows: Vec<Row>, conversation: &str) -> Result<u64, Corrupt> {
    let corrupt = |column| Corrupt::new("delivery_state", conversation, column);
    let Some(mut row) = rows.into_iter().next() else { return Ok(0) };
    let last = row.number("sequence").map_err(|it| corrupt(it.column))?;
    u64::try_from(last).map_err(|_negative| corrupt("sequence"))
}
