//! Rows of the message table, and the columns they are made of.

use std::sync::Arc;

use prost::Message as _;
use proto::fault::v1::Fault;
use proto::journal::v1::Envelope;
use proto::message::v1::{Attachment, Index, State};

use crate::database::{Row, Value};
use crate::facts::Positions;

/// The columns decisions are made on, in the order [`Stored::read`] takes them; both `standing` and
/// `message` have them.
pub(crate) const COLUMNS: &str = "id, parent, application, recipients, conversation, sequence, \
     accepted_at, urgency, state, changed_at, next_at, attempt, tries, driven, session, lease, \
     fault, detail, behind, body_size, sweep_at, slot, told_at";

/// Writes what changes in a row; parameters as [`Stored::progress`] gives them.
pub(crate) const UPDATE: &str = "UPDATE standing SET state = $2, changed_at = $3, next_at = $4, \
     attempt = $5, tries = $6, driven = $7, session = $8, lease = $9, fault = $10, detail = $11, \
     behind = $12, body_size = $13, sweep_at = $14, told_at = $15 WHERE slot = $1";

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
    /// When the sweeper looks at it; 0: to be found anew when it is written.
    pub(crate) sweep_at: i64,
    /// Its row's number; no other message has it.
    pub(crate) slot: i64,
    /// Where its facts are.
    pub(crate) told_at: Positions,
    /// False until it is inserted; no column.
    pub(crate) is_written: bool,
    /// True where nothing was derived from it yet, as far as is known by heart; no column.
    pub(crate) is_childless: bool,
    /// What is told with it at Begin, where it is known; no column.
    pub(crate) told: Option<Arc<Told>>,
}

/// What an adapter is told of a message that is handed over, beside its bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) index: Index,
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
            sweep_at: row.number(),
            slot: row.number(),
            told_at: Positions::decode(&row.bytes()),
            is_written: true,
            is_childless: false,
            told: None,
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

    /// True while it is on its way, or waits for a time.
    pub(crate) fn is_moving(&self) -> bool {
        match self.state {
            State::Accepted | State::Queued | State::Held | State::InHand | State::Parked => true,
            State::Unspecified
            | State::Routed
            | State::Taken
            | State::Refused
            | State::Dead
            | State::InDoubt
            | State::Withdrawn => false,
        }
    }

    /// Sets when the sweeper looks at it, the sweeper being at `swept`. Looking too early costs a
    /// look, and writing another time costs an index, so the time stays while it is early enough.
    pub(crate) fn schedule(&mut self, swept: i64) {
        self.sweep_at = match self.state {
            State::Routed | State::Taken | State::Unspecified => self.sweep_at,
            State::Refused | State::Dead | State::InDoubt | State::Withdrawn => resting(self.state),
            State::Accepted | State::Queued | State::Held | State::InHand | State::Parked => {
                let is_early_enough = self.sweep_at > swept.max(0) && self.sweep_at <= self.next_at;
                if is_early_enough { self.sweep_at } else { self.next_at.max(swept + 1) }
            }
        };
    }

    /// Parameters of [`INSERT_STANDING`].
    pub(crate) fn insertion(&self) -> Vec<Value> {
        vec![
            self.id.as_str().into(),
            self.parent.as_str().into(),
            self.recipients.as_str().into(),
            self.accepted_at.into(),
            self.body_size.into(),
            self.conversation.as_str().into(),
            self.application.as_str().into(),
            self.sequence.into(),
            self.urgency.into(),
            i64::from(i32::from(self.state)).into(),
            self.changed_at.into(),
            self.next_at.into(),
            self.tries.into(),
            self.fault.as_ref().map_or_else(Vec::new, Fault::encode_to_vec).into(),
            self.sweep_at.into(),
            self.slot.into(),
            self.told_at.encode().into(),
        ]
    }

    /// Parameters of [`UPDATE`].
    pub(crate) fn progress(&self) -> Vec<Value> {
        vec![
            self.slot.into(),
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
            self.sweep_at.into(),
            self.told_at.encode().into(),
        ]
    }
}

/// Where those lie that the sweeper does not look at, and that somebody may ask for.
pub(crate) fn resting(state: State) -> i64 {
    -i64::from(i32::from(state))
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
    pub(crate) index: &'a Index,
    pub(crate) key: &'a str,
    pub(crate) content_digest: String,
    pub(crate) state: State,
    pub(crate) now: i64,
    pub(crate) next_at: i64,
    pub(crate) fault: Option<&'a Fault>,
    pub(crate) told: Option<Arc<Told>>,
    /// The number of its row.
    pub(crate) slot: i64,
}

/// Writes what a message is. That it is new was looked up in the same transaction.
pub(crate) const INSERT_KEPT: &str = "INSERT INTO kept (id, parent, kind, source, sender, \
     recipients, accepted_at, item_key, content_digest, trace, number_folded, document_id, \
     envelope, shown, receipt, body, native, slot) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
     $10, $11, $12, $13, $14, $15, $16, $17, $18)";

/// Writes what a new message is doing.
pub(crate) const INSERT_STANDING: &str = "INSERT INTO standing (id, parent, recipients, \
     accepted_at, body_size, conversation, application, sequence, urgency, state, changed_at, \
     next_at, tries, fault, sweep_at, slot, told_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
     $10, $11, $12, $13, $14, $15, $16, $17)";

/// Writes whom a new submitted message concerns.
pub(crate) const INSERT_ADDRESSED: &str =
    "INSERT INTO addressed (organisation, at, message) VALUES ($1, $2, $3)";

/// Writes a further key of a message; the first message of a key keeps it.
pub(crate) const INSERT_ALIAS: &str = "INSERT INTO alias (source, item_key, message) \
     VALUES ($1, $2, $3) ON CONFLICT (source, item_key) DO NOTHING";

/// Gives a message that was kept without a body its body.
pub(crate) const REWRITE: &str =
    "UPDATE kept SET envelope = $2, body = $3, receipt = $4 WHERE id = $1";

/// Writes what one commit tells.
pub(crate) const INSERT_FACT: &str = "INSERT INTO fact (position, entries) VALUES ($1, $2)";

/// Writes what was not taken over.
pub(crate) const INSERT_REFUSAL: &str =
    "INSERT INTO refusal (application, item_key, at, fault) VALUES ($1, $2, $3, $4)";

impl Fresh<'_> {
    /// The row, parameters of [`INSERT_KEPT`], and what it is found by.
    pub(crate) fn values(self) -> New {
        let it = self.envelope;
        let subject = bounded(crate::fold::searched(&self.index.subject), SUBJECT_BYTES_MAX);
        let trace = chassis::trace::trace_id(&it.traceparent).unwrap_or_default();
        let recipients = it.recipients.join(",");
        let row = Stored {
            id: it.id.clone(),
            parent: it.parent.clone(),
            application: it.application.clone(),
            recipients: recipients.clone(),
            conversation: it.conversation.clone(),
            sequence: i64::try_from(it.sequence).unwrap_or(i64::MAX),
            accepted_at: it.accepted_at_us,
            urgency: i64::from(it.urgency),
            state: self.state,
            changed_at: self.now,
            next_at: self.next_at,
            tries: i64::from(self.fault.is_some()),
            fault: self.fault.cloned(),
            body_size: i64::try_from(self.body.len()).unwrap_or(i64::MAX),
            told: self.told,
            slot: self.slot,
            is_childless: true,
            ..Stored::default()
        };
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
            self.slot.into(),
        ];
        New { row, kept, subject, addressed: addressed(it) }
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

/// A whole new message, ready to be written.
#[derive(Debug)]
pub(crate) struct New {
    pub(crate) row: Stored,
    pub(crate) kept: Vec<Value>,
    /// Empty: it has none.
    pub(crate) subject: String,
    /// Parameters of [`INSERT_ADDRESSED`].
    pub(crate) addressed: Vec<Vec<Value>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sweepers_time_is_written_anew_only_where_it_must_be() {
        let scheduled = |row: Stored, swept| {
            let mut row = row;
            row.schedule(swept);
            row.sweep_at
        };
        let row =
            |state, next_at, sweep_at| Stored { state, next_at, sweep_at, ..Stored::default() };
        assert_eq!(scheduled(row(State::Queued, 30, 0), 10), 30, "a new one");
        assert_eq!(scheduled(row(State::Queued, 30, 0), -1), 30, "before the first sweep of all");
        assert_eq!(scheduled(row(State::InHand, 600, 30), 10), 30, "early enough");
        assert_eq!(scheduled(row(State::Parked, 20, 30), 10), 20, "sooner");
        assert_eq!(scheduled(row(State::Queued, 600, 30), 30), 600, "looked at already");
        assert_eq!(scheduled(row(State::Queued, 5, 0), 10), 11, "never where the sweeper was");
        assert_eq!(scheduled(row(State::Taken, 0, 30), 10), 30, "passed over");
        assert_eq!(scheduled(row(State::Dead, 0, 30), 10), resting(State::Dead));
        assert_eq!(scheduled(row(State::Queued, 40, resting(State::Dead)), 10), 40);
    }
}
