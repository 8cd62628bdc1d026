//! A family: the first message with some content, and those that send the same content again.

use std::collections::HashMap;

use proto::journal::v1::RecipientState;
use proto::message::v1::State;

use crate::database::error::{Corrupt, DatabaseError};
use crate::database::row::{Parameters, Row, Unreadable};
use crate::delivery_row::DeliveryRow;
use crate::new_message::TABLE;
use crate::unit_of_work::UnitOfWork;

/// The first message and those that name it.
const MEMBERS: &str = "SELECT id, generation, receipt, outline_digest FROM message_row \
     WHERE id = $1 UNION ALL SELECT id, generation, receipt, outline_digest FROM message_row \
     WHERE copy_of = $1 AND copy_of <> ''";

/// The messages derived from one, which share its conversation and sequence.
const DERIVED: &str = "conversation = $1 AND sequence = $2 AND parent = $3";

/// A submitted message of a family.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    pub(crate) id: String,
    /// Above 0 for one that its sender submitted again.
    pub(crate) generation: i64,
    pub(crate) receipt: Vec<u8>,
    pub(crate) outline: String,
}

/// All messages with some content, with their rows loaded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Family {
    /// Id of the first message.
    pub(crate) first: String,
    members: Vec<Member>,
    /// Ids of the messages derived from the members.
    derived: Vec<String>,
}

/// Families by the id of their first message, or the damage that keeps one from being read.
pub(crate) type Families = HashMap<String, Result<Family, Corrupt>>;

/// Loads families by the ids of their first messages, and the rows of all their messages.
pub(crate) async fn load(
    unit: &mut UnitOfWork<'_>,
    mut firsts: Vec<String>,
) -> Result<Families, DatabaseError> {
    firsts.sort_unstable();
    firsts.dedup();
    let mut families = Families::new();
    if firsts.is_empty() {
        return Ok(families);
    }
    let sets = firsts.iter().map(|it| vec![it.as_str().into()]).collect();
    let found = unit.database.query_many(MEMBERS, sets).await?;
    for (first, rows) in firsts.into_iter().zip(found) {
        let members = rows.into_iter().map(|row| read_member(row, &first)).collect();
        let family = |members| Family { first: first.clone(), members, derived: Vec::new() };
        let family: Result<Family, Corrupt> = Result::map(members, family);
        families.insert(first, family);
    }
    let members = || families.values().flatten().flat_map(|it| &it.members);
    unit.load(members().map(|it| it.id.as_str())).await?;
    let rows: Vec<Parameters> = members()
        .filter_map(|it| unit.row(&it.id))
        .map(|row| {
            let (conversation, id) = (row.conversation.as_str(), row.id.as_str());
            vec![conversation.into(), row.sequence.into(), id.into()]
        })
        .collect();
    let derived = unit.find(DERIVED, rows).await?;
    for family in families.values_mut().flatten() {
        let is_of_family = |id: &&String| {
            unit.row(id).is_some_and(|row| family.members.iter().any(|it| it.id == row.parent))
        };
        family.derived = derived.iter().filter(is_of_family).cloned().collect();
    }
    Ok(families)
}

fn read_member(mut row: Row, first: &str) -> Result<Member, Corrupt> {
    let columns = |row: &mut Row| {
        Ok::<_, Unreadable>(Member {
            id: row.text("id")?,
            generation: row.number("generation")?,
            receipt: row.bytes("receipt")?,
            outline: row.text("outline_digest")?,
        })
    };
    columns(&mut row).map_err(|it| it.in_row(TABLE, first))
}

impl Family {
    /// The family of a message that is the first.
    pub(crate) fn of(first: Member) -> Self {
        Self { first: first.id.clone(), members: vec![first], derived: Vec::new() }
    }

    pub(crate) fn add(&mut self, member: Member) {
        self.members.push(member);
    }

    /// How many members there are.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The newest that the sender submitted; an operator's copies are none of the sender's.
    pub(crate) fn newest(&self) -> Member {
        let submitted = self.members.iter().filter(|it| it.id == self.first || it.generation > 0);
        submitted.max_by_key(|it| it.generation).cloned().unwrap_or_default()
    }

    /// True when a member was submitted with this outline.
    pub(crate) fn has_outline(&self, outline: &str) -> bool {
        !outline.is_empty() && self.members.iter().any(|it| it.outline == outline)
    }

    /// True when no member lives or has arrived: each is refused, withdrawn or dead at every
    /// recipient. A damaged row does not tell, so its message counts as alive.
    pub(crate) fn has_ended_without_arriving(&self, unit: &UnitOfWork<'_>) -> bool {
        let has_failed = |row: &DeliveryRow| {
            row.corrupt.is_none()
                && matches!(row.state, State::Refused | State::Withdrawn | State::Dead)
        };
        self.members.iter().all(|member| {
            let Some(row) = unit.row(&member.id) else { return false };
            let mut derived = self.derived_from(unit, &member.id).peekable();
            let is_routed = row.state == State::Routed && derived.peek().is_some();
            (is_routed || has_failed(row)) && derived.all(has_failed)
        })
    }

    /// Ids of members and of messages derived from them that are dead letters.
    pub(crate) fn dead(&self, unit: &UnitOfWork<'_>) -> Vec<String> {
        let ids = self.members.iter().map(|it| &it.id).chain(&self.derived);
        let is_dead = |it: &&String| unit.row(it).is_some_and(|row| row.state == State::Dead);
        ids.filter(is_dead).cloned().collect()
    }

    /// How the newest member and an operator's copies stand at each recipient.
    pub(crate) fn recipients(&self, unit: &UnitOfWork<'_>) -> Vec<RecipientState> {
        let newest = self.newest();
        let is_shown =
            |it: &&Member| it.id == newest.id || (it.generation == 0 && it.id != self.first);
        let mut states = Vec::new();
        for member in self.members.iter().filter(is_shown) {
            let derived: Vec<&DeliveryRow> = self.derived_from(unit, &member.id).collect();
            let shown = derived.iter().filter(|it| !is_replaced(it, &derived));
            states.extend(shown.flat_map(|row| states_of(row)));
            if derived.is_empty() {
                states.extend(unit.row(&member.id).into_iter().flat_map(states_of));
            }
        }
        states
    }

    /// The rows of the messages derived from a member.
    pub(crate) fn derived_from<'a>(
        &'a self,
        unit: &'a UnitOfWork<'_>,
        member: &'a str,
    ) -> impl Iterator<Item = &'a DeliveryRow> {
        self.derived.iter().filter_map(|id| unit.row(id)).filter(move |it| it.parent == member)
    }

    /// An operator's copies that are still on their way, or wait for an operator, with their rows.
    pub(crate) fn live_copies<'a>(
        &'a self,
        unit: &'a UnitOfWork<'_>,
    ) -> impl Iterator<Item = &'a DeliveryRow> {
        let copies = self.members.iter().filter(|it| it.generation == 0 && it.id != self.first);
        let rows = copies.flat_map(move |it| {
            unit.row(&it.id).into_iter().chain(self.derived_from(unit, &it.id))
        });
        rows.filter(|it| !it.is_ended() && it.state != State::Routed)
    }
}

/// True for the message of an organisation without an application, once another one goes to the
/// application that it has now.
fn is_replaced(row: &DeliveryRow, derived: &[&DeliveryRow]) -> bool {
    row.application.is_empty()
        && row.state == State::Withdrawn
        && derived.iter().any(|it| it.id != row.id && it.recipients == row.recipients)
}

/// The state of a row at each of its recipients.
fn states_of(row: &DeliveryRow) -> impl Iterator<Item = RecipientState> {
    row.recipients.split(',').map(|organisation| RecipientState {
        organisation: organisation.to_owned(),
        application: row.application.clone(),
        state: row.state.into(),
        changed_at_us: row.changed_at,
        detail: row.detail.clone(),
        attempt: u32::try_from(row.attempt).unwrap_or(u32::MAX),
        fault: row.fault.clone(),
        due_us: if row.state == State::Parked { row.due_at } else { 0 },
    })
}
