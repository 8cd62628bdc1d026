//! Rows of `delivery_state`: what the writer decides on.

use std::sync::Arc;

use journal_client::CopyDigest;
use prost::Message as _;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::{Attachment, Index, State};

use crate::database::error::Corrupt;
use crate::database::row::{Parameters, Row, Unreadable};
use crate::facts::FactPositions;
use crate::lease::Lease;

pub(crate) const TABLE: &str = "delivery_state";

/// The columns that [`DeliveryRow::read`] needs; `delivery_state` and `message` both have them.
pub(crate) const COLUMNS: &str = "id, parent, application, recipients, conversation, sequence, \
     accepted_at, urgency, state, changed_at, due_at, attempt, tries, publishes, session, lease, \
     fault, detail, blocked_by, body_size, sweep_at, row_id, reports, fact_positions";

/// Inserts the row of a new message; parameters from [`DeliveryRow::insertion`].
pub(crate) const INSERT: &str = "INSERT INTO delivery_state (id, parent, recipients, accepted_at, \
     body_size, conversation, application, sequence, urgency, state, changed_at, due_at, tries, \
     fault, sweep_at, row_id, reports, fact_positions) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
     $10, $11, $12, $13, $14, $15, $16, $17, $18)";

/// Writes the columns that a step may change; parameters from [`DeliveryRow::progress`].
pub(crate) const UPDATE: &str = "UPDATE delivery_state SET state = $2, changed_at = $3, \
     due_at = $4, attempt = $5, tries = $6, publishes = $7, session = $8, lease = $9, fault = $10, \
     detail = $11, blocked_by = $12, body_size = $13, sweep_at = $14, reports = $15, \
     fact_positions = $16 \
     WHERE row_id = $1";

/// Writes the state of a row that has a damaged column, and leaves the damage where it is: an
/// operator can look at it, and no later step takes an empty value for what was stored.
pub(crate) const UPDATE_CORRUPT: &str = "UPDATE delivery_state SET state = $2, changed_at = $3, \
     due_at = $4, fault = $5, sweep_at = $6 WHERE row_id = $1";

/// Adds the facts of a row whose damaged column is another one.
pub(crate) const UPDATE_FACT_POSITIONS: &str =
    "UPDATE delivery_state SET fact_positions = $2 WHERE row_id = $1";

/// A row of `delivery_state`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DeliveryRow {
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
    /// When the next step is due; 0: never.
    pub(crate) due_at: i64,
    /// Number of the current try; a redrive does not reset it.
    pub(crate) attempt: i64,
    /// Tries since the schedule began; a redrive resets it.
    pub(crate) tries: i64,
    /// Publishes since the message last made progress.
    pub(crate) publishes: i64,
    pub(crate) session: String,
    pub(crate) lease: i64,
    pub(crate) fault: Option<Fault>,
    pub(crate) detail: String,
    /// The earlier message of its conversation that a held message waits for.
    pub(crate) blocked_by: String,
    /// Bytes of the body; 0: the body is still missing.
    pub(crate) body_size: i64,
    /// When the sweeper reads the row; 0: computed anew when the row is written.
    pub(crate) sweep_at: i64,
    pub(crate) row_id: i64,
    /// Delivery reports written about it; above 0 its sender was told that it did not arrive.
    pub(crate) reports: i64,
    /// Rows of `fact` that hold this message's facts.
    pub(crate) fact_positions: FactPositions,
    /// False until the row is inserted. Not a column.
    pub(crate) is_written: bool,
    /// True while nothing was derived from the message, as far as the cache knows. Not a column.
    pub(crate) is_childless: bool,
    /// What Begin answers with, where the cache knows it. Not a column.
    pub(crate) info: Option<Arc<DeliveryInfo>>,
    /// What a genuine copy of the message has for a digest, where the cache knows it. Not a column:
    /// it is computed from the stored bytes.
    pub(crate) copy_digest: Option<CopyDigest>,
    /// Altered copies noticed while the row is cached. Not a column.
    pub(crate) altered_copies: u32,
    /// The first column that could not be read; the fields of damaged columns hold their defaults.
    /// Such a row is a dead letter and can only be withdrawn. Not a column.
    pub(crate) corrupt: Option<Corrupt>,
}

/// What Begin tells an adapter about a message, beside its bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DeliveryInfo {
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) index: Index,
}

/// Takes the value of a readable column; notes the first unreadable one and takes the default.
fn take<T: Default>(column: Result<T, Unreadable>, unreadable: &mut Option<Unreadable>) -> T {
    column.unwrap_or_else(|it| {
        unreadable.get_or_insert(it);
        T::default()
    })
}

impl DeliveryRow {
    /// Reads [`COLUMNS`] of a row.
    ///
    /// # Errors
    ///
    /// The row's own key is damaged. A damage in any other column is noted in the row, because the
    /// message must still become a dead letter.
    pub(crate) fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let mut damage = None;
        let damage_of = &mut damage;
        let mut read = Self {
            id: take(row.text("id"), damage_of),
            parent: take(row.text("parent"), damage_of),
            application: take(row.text("application"), damage_of),
            recipients: take(row.text("recipients"), damage_of),
            conversation: take(row.text("conversation"), damage_of),
            sequence: take(row.number("sequence"), damage_of),
            accepted_at: take(row.number("accepted_at"), damage_of),
            urgency: take(row.number("urgency"), damage_of),
            state: take(state(row), damage_of),
            changed_at: take(row.number("changed_at"), damage_of),
            due_at: take(row.number("due_at"), damage_of),
            attempt: take(row.number("attempt"), damage_of),
            tries: take(row.number("tries"), damage_of),
            publishes: take(row.number("publishes"), damage_of),
            session: take(row.text("session"), damage_of),
            lease: take(row.number("lease"), damage_of),
            fault: take(fault(row), damage_of),
            detail: take(row.text("detail"), damage_of),
            blocked_by: take(row.text("blocked_by"), damage_of),
            body_size: take(row.number("body_size"), damage_of),
            sweep_at: take(row.number("sweep_at"), damage_of),
            row_id: row.number("row_id").map_err(|it| it.in_row(TABLE, "unknown"))?,
            reports: take(row.number("reports"), damage_of),
            fact_positions: take(fact_positions(row), damage_of),
            is_written: true,
            ..Self::default()
        };
        read.corrupt = damage.map(|it| it.in_row(TABLE, read.key()));
        Ok(read)
    }

    /// What an operator finds the row by.
    fn key(&self) -> String {
        if self.id.is_empty() { format!("row_id {}", self.row_id) } else { self.id.clone() }
    }

    /// Notes that the row which a message's `row_id` leads to names another message.
    pub(crate) fn belongs_to(mut self, id: &str) -> Self {
        if self.id != id {
            self.corrupt = Some(Corrupt::new(TABLE, self.key(), "id"));
            id.clone_into(&mut self.id);
        }
        self
    }

    /// True for a derived message, which goes to one application.
    pub(crate) fn is_derived(&self) -> bool {
        !self.parent.is_empty()
    }

    /// True in a terminal state.
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.state, State::Taken | State::Refused | State::Withdrawn)
    }

    /// True while the next step comes by itself: from a channel, a session or the sweeper.
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

    /// The lease as the columns say it.
    pub(crate) fn lease(&self) -> Lease {
        match self.state {
            State::InHand => Lease::Held {
                session: self.session.clone(),
                number: self.lease,
                until: self.due_at,
            },
            State::Taken | State::Refused | State::Withdrawn => Lease::Ended,
            State::Unspecified
            | State::Accepted
            | State::Routed
            | State::Queued
            | State::Held
            | State::Parked
            | State::Dead
            | State::InDoubt => Lease::Free,
        }
    }

    /// Writes a lease into its columns. The state of a message that leaves its session is set by the
    /// step that it takes.
    pub(crate) fn set_lease(&mut self, lease: Lease) {
        match lease {
            Lease::Held { session, number, until } => {
                (self.state, self.due_at) = (State::InHand, until);
                (self.session, self.lease) = (session, number);
            }
            Lease::Free | Lease::Ended => (self.session, self.lease) = (String::new(), 0),
        }
    }

    /// True for a dead letter whose fault already names its damaged column.
    pub(crate) fn is_known_corrupt(&self) -> bool {
        let code = self.fault.as_ref().map(|it| it.code.as_str());
        self.state == State::Dead && code == Some(code::LT_JNL_009.code)
    }

    /// Sets when the sweeper reads the row, the sweeper's watermark being `watermark`. Reading a
    /// row too early costs one look, and writing another time costs an index entry, so the time
    /// stays while it is early enough.
    pub(crate) fn schedule(&mut self, watermark: i64) {
        self.sweep_at = match self.state {
            State::Routed | State::Taken | State::Unspecified => self.sweep_at,
            State::Refused | State::Dead | State::InDoubt | State::Withdrawn => {
                resting_sweep_at(self.state)
            }
            State::Accepted | State::Queued | State::Held | State::InHand | State::Parked => {
                let is_early_enough =
                    self.sweep_at > watermark.max(0) && self.sweep_at <= self.due_at;
                if is_early_enough { self.sweep_at } else { self.due_at.max(watermark + 1) }
            }
        };
    }

    fn encoded_fault(&self) -> Vec<u8> {
        self.fault.as_ref().map_or_else(Vec::new, Fault::encode_to_vec)
    }

    /// Parameters of [`INSERT`].
    pub(crate) fn insertion(&self) -> Parameters {
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
            number_of(self.state).into(),
            self.changed_at.into(),
            self.due_at.into(),
            self.tries.into(),
            self.encoded_fault().into(),
            self.sweep_at.into(),
            self.row_id.into(),
            self.reports.into(),
            self.fact_positions.encode().into(),
        ]
    }

    /// Parameters of [`UPDATE`].
    pub(crate) fn progress(&self) -> Parameters {
        vec![
            self.row_id.into(),
            number_of(self.state).into(),
            self.changed_at.into(),
            self.due_at.into(),
            self.attempt.into(),
            self.tries.into(),
            self.publishes.into(),
            self.session.as_str().into(),
            self.lease.into(),
            self.encoded_fault().into(),
            self.detail.as_str().into(),
            self.blocked_by.as_str().into(),
            self.body_size.into(),
            self.sweep_at.into(),
            self.reports.into(),
            self.fact_positions.encode().into(),
        ]
    }

    /// Parameters of [`UPDATE_CORRUPT`].
    pub(crate) fn corrupt_progress(&self) -> Parameters {
        vec![
            self.row_id.into(),
            number_of(self.state).into(),
            self.changed_at.into(),
            self.due_at.into(),
            self.encoded_fault().into(),
            self.sweep_at.into(),
        ]
    }

    /// Parameters of [`UPDATE_FACT_POSITIONS`]; none where that column is the damaged one.
    pub(crate) fn corrupt_fact_positions(&self) -> Option<Parameters> {
        let is_readable = self.corrupt.as_ref().is_some_and(|it| it.column != FACT_POSITIONS);
        is_readable.then(|| vec![self.row_id.into(), self.fact_positions.encode().into()])
    }
}

const FACT_POSITIONS: &str = "fact_positions";

/// The number that the tables hold for a state.
pub(crate) fn number_of(state: State) -> i64 {
    i64::from(i32::from(state))
}

/// The numbers of states as a list in SQL, for a condition with `IN`.
pub(crate) fn sql_list(states: &[State]) -> String {
    let numbers: Vec<String> = states.iter().map(|it| number_of(*it).to_string()).collect();
    numbers.join(", ")
}

/// `sweep_at` of states that the sweeper passes over and that a search may ask for.
pub(crate) fn resting_sweep_at(state: State) -> i64 {
    -number_of(state)
}

/// The state of a row; the journal never writes `Unspecified`.
pub(crate) fn state(row: &mut Row) -> Result<State, Unreadable> {
    let state = row.enumeration("state")?;
    if state == State::Unspecified { Err(Unreadable { column: "state" }) } else { Ok(state) }
}

fn fault(row: &mut Row) -> Result<Option<Fault>, Unreadable> {
    let bytes = row.bytes("fault")?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let decoded = Fault::decode(bytes.as_slice());
    decoded.map(Some).map_err(|_undecodable| Unreadable { column: "fault" })
}

/// The positions of a row's facts.
pub(crate) fn fact_positions(row: &mut Row) -> Result<FactPositions, Unreadable> {
    let bytes = row.bytes(FACT_POSITIONS)?;
    FactPositions::decode(&bytes).ok_or(Unreadable { column: FACT_POSITIONS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweep_at_is_rewritten_only_where_it_must_be() {
        let scheduled = |row: DeliveryRow, watermark| {
            let mut row = row;
            row.schedule(watermark);
            row.sweep_at
        };
        let row = |state, due_at, sweep_at| DeliveryRow {
            state,
            due_at,
            sweep_at,
            ..DeliveryRow::default()
        };
        assert_eq!(scheduled(row(State::Queued, 30, 0), 10), 30, "a new row");
        assert_eq!(scheduled(row(State::Queued, 30, 0), -1), 30, "before the first sweep");
        assert_eq!(scheduled(row(State::InHand, 600, 30), 10), 30, "early enough");
        assert_eq!(scheduled(row(State::Parked, 20, 30), 10), 20, "due sooner");
        assert_eq!(scheduled(row(State::Queued, 600, 30), 30), 600, "swept already");
        assert_eq!(scheduled(row(State::Queued, 5, 0), 10), 11, "never below the watermark");
        assert_eq!(scheduled(row(State::Taken, 0, 30), 10), 30, "passed over by the sweeper");
        assert_eq!(scheduled(row(State::Dead, 0, 30), 10), resting_sweep_at(State::Dead));
        assert_eq!(scheduled(row(State::Queued, 40, resting_sweep_at(State::Dead)), 10), 40);
    }
}
