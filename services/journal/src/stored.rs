//! Rows of the message table, and the columns they are made of.

use std::collections::HashMap;

use prost::Message as _;
use proto::fault::v1::Fault;
use proto::journal::v1::{Entry, Envelope, Fact, State};

use crate::database::{Row, Value};

/// The columns decisions are made on, in the order [`Stored::read`] takes them; both `standing` and
/// `message` have them.
pub(crate) const COLUMNS: &str = "id, parent, application, recipients, conversation, sequence, \
     accepted_at, urgency, state, changed_at, next_at, attempt, tries, driven, session, lease, \
     fault, detail, behind, body_size";

/// Writes what changes in a row; parameters as [`Stored::progress`] gives them.
pub(crate) const UPDATE: &str = "UPDATE standing SET state = $2, changed_at = $3, next_at = $4, \
     attempt = $5, tries = $6, driven = $7, session = $8, lease = $9, fault = $10, detail = $11, \
     behind = $12, body_size = $13 WHERE id = $1";

/// What decisions need of a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stored {
    pub(crate) id: String,
    pub(crate) parent: String,
    /// Empty for a submitted message.
    pub(crate) application: String,
    /// Directory keys, comma separated.
    pub(crate) recipients: String,
    pub(crate) conversation: String,
    pub(crate) sequence: i64,
    pub(crate) accepted_at: i64,
    pub(crate) urgency: i64,
    pub(crate) state: State,
    pub(crate) changed_at: i64,
    pub(crate) next_at: i64,
    /// Which try it is, counted for ever.
    pub(crate) attempt: i64,
    /// Tries since an operator last let it begin anew.
    pub(crate) tries: i64,
    pub(crate) driven: i64,
    pub(crate) session: String,
    pub(crate) lease: i64,
    pub(crate) fault: Option<Fault>,
    pub(crate) detail: String,
    pub(crate) behind: String,
    /// Bytes of the body; 0: it has none yet.
    pub(crate) body_size: i64,
}

impl Stored {
    /// Takes [`COLUMNS`] from a row.
    pub(crate) fn read(row: &mut Row) -> Self {
        Self {
            id: row.text(),
            parent: row.text(),
            application: row.text(),
            recipients: row.text(),
            conversation: row.text(),
            sequence: row.number(),
            accepted_at: row.number(),
            urgency: row.number(),
            state: state(row.number()),
            changed_at: row.number(),
            next_at: row.number(),
            attempt: row.number(),
            tries: row.number(),
            driven: row.number(),
            session: row.text(),
            lease: row.number(),
            fault: fault(&row.bytes()),
            detail: row.text(),
            behind: row.text(),
            body_size: row.number(),
        }
    }

    /// True for a message that was derived and goes to one application.
    pub(crate) fn is_derived(&self) -> bool {
        !self.parent.is_empty()
    }

    /// True when nothing will happen to it any more.
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.state, State::Taken | State::Refused | State::Withdrawn)
    }

    /// Parameters of [`UPDATE`].
    pub(crate) fn progress(&self) -> Vec<Value> {
        vec![
            self.id.clone().into(),
            i64::from(i32::from(self.state)).into(),
            self.changed_at.into(),
            self.next_at.into(),
            self.attempt.into(),
            self.tries.into(),
            self.driven.into(),
            self.session.clone().into(),
            self.lease.into(),
            self.fault.as_ref().map_or_else(Vec::new, Fault::encode_to_vec).into(),
            self.detail.clone().into(),
            self.behind.clone().into(),
            self.body_size.into(),
        ]
    }
}

/// The state of its number.
pub(crate) fn state(number: i64) -> State {
    i32::try_from(number).ok().and_then(|it| State::try_from(it).ok()).unwrap_or_default()
}

fn fault(bytes: &[u8]) -> Option<Fault> {
    if bytes.is_empty() { None } else { Fault::decode(bytes).ok() }
}

/// A whole new row.
#[derive(Debug)]
pub(crate) struct Fresh<'a> {
    pub(crate) envelope: &'a Envelope,
    pub(crate) body: Vec<u8>,
    pub(crate) native: Vec<u8>,
    pub(crate) receipt: Vec<u8>,
    pub(crate) index: &'a proto::journal::v1::Index,
    pub(crate) key: &'a str,
    pub(crate) content_digest: String,
    pub(crate) state: State,
    pub(crate) now: i64,
    pub(crate) next_at: i64,
    pub(crate) fault: Option<&'a Fault>,
}

/// Writes what a message is. That it is new was looked up in the same transaction.
pub(crate) const INSERT_KEPT: &str = "INSERT INTO kept (id, parent, kind, source, sender, \
     recipients, accepted_at, item_key, content_digest, trace, number_folded, document_id, \
     envelope, shown, receipt, body, native) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
     $12, $13, $14, $15, $16, $17)";

/// Writes what a new message is doing.
pub(crate) const INSERT_STANDING: &str = "INSERT INTO standing (id, parent, recipients, \
     accepted_at, body_size, conversation, application, sequence, urgency, state, changed_at, \
     next_at, attempt, tries, driven, session, lease, fault, detail, behind) VALUES ($1, $2, $3, \
     $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13, 0, '', 0, $14, '', '')";

/// Writes whom a new submitted message concerns.
pub(crate) const INSERT_ADDRESSED: &str =
    "INSERT INTO addressed (organisation, at, message) VALUES ($1, $2, $3)";

/// Writes a further key of a message; the first message of a key keeps it.
pub(crate) const INSERT_ALIAS: &str = "INSERT INTO alias (source, item_key, message) \
     VALUES ($1, $2, $3) ON CONFLICT (source, item_key) DO NOTHING";

/// Gives a message that was kept without a body its body.
pub(crate) const REWRITE: &str =
    "UPDATE kept SET envelope = $2, body = $3, receipt = $4 WHERE id = $1";

/// Writes what one commit tells of one message.
pub(crate) const INSERT_FACT: &str = "INSERT INTO fact (message, facts) VALUES ($1, $2)";

/// Writes what was not taken over.
pub(crate) const INSERT_REFUSAL: &str =
    "INSERT INTO refusal (application, item_key, at, fault) VALUES ($1, $2, $3, $4)";

impl Fresh<'_> {
    /// Parameters of [`INSERT_KEPT`] and [`INSERT_STANDING`], and the words of the subject.
    pub(crate) fn values(self) -> New {
        let it = self.envelope;
        let fault = self.fault.map_or_else(Vec::new, Fault::encode_to_vec);
        let subject = bounded(crate::fold::searched(&self.index.subject), SUBJECT_BYTES_MAX);
        let trace = chassis::trace::trace_id(&it.traceparent).unwrap_or_default();
        let recipients = it.recipients.join(",");
        let standing = vec![
            it.id.as_str().into(),
            it.parent.as_str().into(),
            recipients.as_str().into(),
            it.accepted_at_us.into(),
            i64::try_from(self.body.len()).unwrap_or(i64::MAX).into(),
            it.conversation.as_str().into(),
            it.application.as_str().into(),
            i64::try_from(it.sequence).unwrap_or(i64::MAX).into(),
            i64::from(it.urgency).into(),
            i64::from(i32::from(self.state)).into(),
            self.now.into(),
            self.next_at.into(),
            i64::from(self.fault.is_some()).into(),
            fault.into(),
        ];
        let kept = vec![
            it.id.as_str().into(),
            it.parent.as_str().into(),
            i64::from(it.r#type).into(),
            it.source.as_str().into(),
            it.sender.as_str().into(),
            recipients.into(),
            it.accepted_at_us.into(),
            self.key.into(),
            self.content_digest.into(),
            // A trace leads to what was submitted, and from there to what was derived.
            if it.parent.is_empty() { trace } else { "" }.into(),
            bounded(crate::fold::number(&self.index.number), NAME_BYTES_MAX).into(),
            bounded(crate::fold::words(&self.index.document_id), NAME_BYTES_MAX).into(),
            it.encode_to_vec().into(),
            self.index.encode_to_vec().into(),
            self.receipt.into(),
            self.body.into(),
            self.native.into(),
        ];
        New { id: it.id.clone(), kept, standing, subject, addressed: addressed(it) }
    }
}

/// Whom a submitted message concerns; a derived one is found through its parent.
fn addressed(envelope: &Envelope) -> Vec<Vec<Value>> {
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

/// The longest name that is searched by. PostgreSQL's indexes end at 2.7 kB, and one name beyond
/// that would stop everybody's batch.
pub(crate) const NAME_BYTES_MAX: usize = 500;

/// The words of a subject that are searched by; a longer one is a document in the wrong field.
const SUBJECT_BYTES_MAX: usize = 8_000;

/// The beginning of a text, at most this long.
fn bounded(mut text: String, bytes_max: usize) -> String {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// The facts of a row.
pub(crate) fn facts(bytes: &[u8]) -> Vec<Fact> {
    Entry::decode(bytes).unwrap_or_default().facts
}

/// Facts as rows: one a message, in the order of their first.
pub(crate) fn fact_rows(facts: impl Iterator<Item = (String, Fact)>) -> Vec<Vec<Value>> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut rows: Vec<(String, Entry)> = Vec::new();
    for (id, fact) in facts {
        let place = *places.entry(id).or_insert_with_key(|id| {
            rows.push((id.clone(), Entry::default()));
            rows.len() - 1
        });
        if let Some((_, entry)) = rows.get_mut(place) {
            entry.facts.push(fact);
        }
    }
    rows.into_iter().map(|(id, entry)| vec![id.into(), entry.encode_to_vec().into()]).collect()
}

/// A whole new message, ready to be written.
#[derive(Debug)]
pub(crate) struct New {
    pub(crate) id: String,
    pub(crate) kept: Vec<Value>,
    pub(crate) standing: Vec<Value>,
    /// Empty: it has none.
    pub(crate) subject: String,
    /// Parameters of [`INSERT_ADDRESSED`].
    pub(crate) addressed: Vec<Vec<Value>>,
}
