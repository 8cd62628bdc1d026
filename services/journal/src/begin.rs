//! Begin: whether a message may be handed to a session now. Keeps the order of a conversation, and
//! gives each delivery the lease that the session names, which fences off the answers to other ones.

use std::collections::HashMap;
use std::sync::Arc;

use proto::journal::v1::Begun;
use proto::journal::v1::begun::Answer;
use proto::message::v1::{Fact, Index, Receipt, ReceiverClass, State, Step};

use crate::altered_copies::{CopyCheck, CopyChecks, ReceivedCopy, drop_altered_copy};
use crate::database::error::{Corrupt, DatabaseError};
use crate::database::row::Row;
use crate::delivery_row::{self, DeliveryInfo, DeliveryRow, sql_list};
use crate::lease::{Lease, LeaseEffect, LeaseEvent};
use crate::new_message::TABLE;
use crate::retry_schedule::{ScheduleEvent, publish_deadline};
use crate::session::Session;
use crate::transitions::{Event, Transition};
use crate::unit_of_work::UnitOfWork;

/// What a session asks for.
#[derive(Debug)]
pub(crate) struct BeginCall {
    pub(crate) session: String,
    /// The number that the leases of all the copies get.
    pub(crate) lease: i64,
    pub(crate) copies: Vec<ReceivedCopy>,
}

impl BeginCall {
    /// The ids of the messages that it asks for.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &String> {
        self.copies.iter().map(|it| &it.message_id)
    }
}

/// States in which a message does not block later ones of its conversation.
const PASSED: [State; 4] = [State::Routed, State::Taken, State::Refused, State::Withdrawn];

/// What Begin answers with, and the parent's index, which derived messages share.
const INFO: &str = "SELECT m.receipt AS receipt, m.parent AS parent, \
     m.search_index AS search_index, p.id AS parent_id, p.search_index AS parent_index \
     FROM message_row m LEFT JOIN message_row p ON p.id = m.parent WHERE m.id = $1";

/// What Begin answers with, by message, or the damage that keeps it from being read.
type Infos = HashMap<String, Result<Arc<DeliveryInfo>, Corrupt>>;

/// Answers for each message whether it may be handed over now; none for a session that is closed.
pub(crate) async fn begin(
    unit: &mut UnitOfWork<'_>,
    calls: &[&BeginCall],
) -> Result<Vec<Option<Vec<Begun>>>, DatabaseError> {
    let ids = || calls.iter().flat_map(|it| it.ids());
    let received: Vec<_> =
        calls.iter().flat_map(|it| &it.copies).map(ReceivedCopy::as_ref).collect();
    let checks = CopyChecks::load(unit, received).await?;
    // Read once for the whole group, so a message that begins in this group still blocks the ones
    // behind it.
    let blocked = find_blocked(unit, ids()).await?;
    let infos = read_infos(unit, ids().filter(|it| !blocked.contains_key(*it))).await?;
    let mut answers = Vec::with_capacity(calls.len());
    for call in calls {
        let session = unit.session(&call.session);
        answers.push(session.map(|session| {
            let asker = (&session, call.lease);
            let begin = |copy: &ReceivedCopy| match refuse_copy(unit, &checks, copy) {
                Some(refused) => refused,
                None => begin_one(unit, asker, &copy.message_id, (&blocked, &infos)),
            };
            call.copies.iter().map(begin).collect()
        }));
    }
    Ok(answers)
}

/// For each message that must wait, the nearest earlier one of its conversation that its
/// application still waits for. The first of a conversation has none, so it costs no query.
async fn find_blocked(
    unit: &mut UnitOfWork<'_>,
    ids: impl Iterator<Item = &String>,
) -> Result<HashMap<String, String>, DatabaseError> {
    let rows = ids.filter_map(|id| unit.row(id)).filter(|it| it.corrupt.is_none());
    let later: Vec<DeliveryRow> = rows.filter(|it| it.sequence > 1).cloned().collect();
    if later.is_empty() {
        return Ok(HashMap::new());
    }
    unit.flush().await?;
    let sql = format!(
        "SELECT id, application, recipients FROM delivery_state WHERE conversation = $1 \
         AND sequence < $2 AND application IN ('', $3) AND state NOT IN ({}) ORDER BY sequence",
        sql_list(&PASSED)
    );
    let sets = later.iter().map(|it| {
        let (conversation, application) = (it.conversation.as_str(), it.application.as_str());
        vec![conversation.into(), it.sequence.into(), application.into()]
    });
    let found = unit.database.query_many(&sql, sets.collect()).await?;
    let mut blocked = HashMap::new();
    for (message, rows) in later.into_iter().zip(found) {
        for mut row in rows {
            if let Some(id) = blocks(&mut row, &message) {
                blocked.insert(message.id.clone(), id);
            }
        }
    }
    Ok(blocked)
}

/// The id of an earlier message, if it blocks a later one. An earlier message whose recipients
/// cannot be read blocks: it may go to the same receiver, and an operator can withdraw it.
fn blocks(earlier: &mut Row, later: &DeliveryRow) -> Option<String> {
    let id = earlier.text("id").unwrap_or_else(|it| {
        it.in_row(delivery_row::TABLE, format!("before {}", later.id)).log();
        String::new()
    });
    let is_delivery = earlier.text("application").is_ok_and(|it| !it.is_empty());
    let concerns = match earlier.text("recipients") {
        Ok(recipients) => recipients.split(',').any(|it| it == later.recipients),
        Err(unreadable) => {
            unreadable.in_row(delivery_row::TABLE, id.as_str()).log();
            true
        }
    };
    (is_delivery || concerns).then_some(id)
}

/// Reads what Begin answers with for messages that may begin and whose info is not cached.
async fn read_infos(
    unit: &mut UnitOfWork<'_>,
    ids: impl Iterator<Item = &String>,
) -> Result<Infos, DatabaseError> {
    let needed = ids.filter(|id| {
        unit.row(id).is_some_and(|it| it.info.is_none()) && unit.allowed(id, Event::Begun).is_some()
    });
    let needed: Vec<&String> = needed.collect();
    if needed.is_empty() {
        return Ok(Infos::new());
    }
    // A message of this very group is not in the table before this.
    unit.flush().await?;
    let sets = needed.iter().map(|it| vec![it.as_str().into()]).collect();
    let found = unit.database.query_many(INFO, sets).await?;
    let infos = needed.into_iter().zip(found);
    Ok(infos.map(|(id, rows)| (id.clone(), read_info(id, rows).map(Arc::new))).collect())
}

fn read_info(id: &str, rows: Vec<Row>) -> Result<DeliveryInfo, Corrupt> {
    let corrupt = |column| Corrupt::new(TABLE, id, column);
    let mut row = rows.into_iter().next().ok_or_else(|| corrupt("id"))?;
    let has_parent_row = !row.is_null("parent_id");
    let receipt = row.message::<Receipt>("receipt").map_err(|it| corrupt(it.column))?;
    // A stored receipt names its message, so an emptied one is damaged.
    if receipt.message_id != id {
        return Err(corrupt("receipt"));
    }
    let parent = row.text("parent").map_err(|it| corrupt(it.column))?;
    let index = if parent.is_empty() {
        row.message::<Index>("search_index").map_err(|it| corrupt(it.column))?
    } else if has_parent_row {
        let index = row.message::<Index>("parent_index");
        index.map_err(|_column| Corrupt::new(TABLE, parent, "search_index"))?
    } else {
        return Err(corrupt("parent"));
    };
    Ok(DeliveryInfo { attachments: receipt.attachments, index })
}

/// The answer for a copy that is not the stored message; none: it may be begun.
fn refuse_copy(
    unit: &mut UnitOfWork<'_>,
    checks: &CopyChecks,
    copy: &ReceivedCopy,
) -> Option<Begun> {
    let id = copy.message_id.as_str();
    let begun = Begun { message_id: copy.message_id.clone(), ..Begun::default() };
    match checks.compare(unit, copy.as_ref()) {
        CopyCheck::Genuine => None,
        CopyCheck::Altered => {
            drop_altered_copy(unit, copy.as_ref());
            Some(Begun { answer: Answer::Altered.into(), ..begun })
        }
        // Without the stored message nobody can tell whether the copy is genuine.
        CopyCheck::Unreadable(corrupt) => {
            unit.damaged(id, &corrupt);
            let state = State::Dead.into();
            Some(Begun { answer: Answer::Hold.into(), state, ..begun })
        }
    }
}

fn begin_one(
    unit: &mut UnitOfWork<'_>,
    (session, number): (&Session, i64),
    id: &str,
    (blocked, infos): (&HashMap<String, String>, &Infos),
) -> Begun {
    let begun = Begun { message_id: id.to_owned(), ..Begun::default() };
    let row = unit.row(id).filter(|it| it.application == session.application).cloned();
    let Some(row) = row else {
        return Begun { answer: Answer::Unknown.into(), ..begun };
    };
    let state = row.state.into();
    let lasts = session.lease_ms * 1_000;
    let asked = LeaseEvent::Begun { session: &session.id, number, lasts };
    let (lease, effect) = row.lease().after(asked, unit.now);
    match effect {
        LeaseEffect::AlreadyEnded => {
            let answer = Answer::AlreadyDone.into();
            return Begun { answer, state, detail: row.detail, ..begun };
        }
        LeaseEffect::HeldAlready => {
            return Begun { answer: Answer::InHandElsewhere.into(), ..begun };
        }
        LeaseEffect::Granted
        | LeaseEffect::Nothing
        | LeaseEffect::Settled
        | LeaseEffect::Late
        | LeaseEffect::GivenBack => {}
    }
    if unit.is_paused(id) {
        // It waits in the journal, which publishes it when the pause ends.
        return Begun { answer: Answer::Hold.into(), state, ..begun };
    }
    let ahead = blocked.get(id);
    let event = if ahead.is_some() { Event::Blocked } else { Event::Begun };
    let Some(Transition::To(next)) = unit.allowed(id, event) else {
        // It waits in the journal, which publishes it when its turn comes.
        return Begun { answer: Answer::Hold.into(), state, ..begun };
    };
    if let Some(ahead) = ahead {
        return hold(unit, (&row, next), ahead, begun);
    }
    match row.info.clone().map(Ok).or_else(|| infos.get(id).cloned()) {
        Some(Ok(info)) => deliver(unit, (session, lease), (&row, &info), begun),
        Some(Err(corrupt)) => {
            unit.damaged(id, &corrupt);
            Begun { answer: Answer::Hold.into(), state: State::Dead.into(), ..begun }
        }
        None => Begun { answer: Answer::Hold.into(), state, ..begun },
    }
}

fn hold(
    unit: &mut UnitOfWork<'_>,
    (row, held): (&DeliveryRow, State),
    ahead: &str,
    begun: Begun,
) -> Begun {
    if row.state != held {
        unit.step(&row.id, Step::Held, ahead);
    }
    let deadline = publish_deadline(unit.now, row.publishes + 1);
    unit.set_state(&row.id, held, deadline);
    unit.change(&row.id, |it| ahead.clone_into(&mut it.blocked_by));
    Begun { answer: Answer::Hold.into(), state: held.into(), ..begun }
}

/// Gives a message to a session under a lease that was granted.
fn deliver(
    unit: &mut UnitOfWork<'_>,
    (session, lease): (&Session, Lease),
    (row, info): (&DeliveryRow, &DeliveryInfo),
    begun: Begun,
) -> Begun {
    unit.advance_schedule(&row.id, ScheduleEvent::Begun);
    unit.change(&row.id, |it| {
        it.set_lease(lease);
        it.fault = None;
        it.blocked_by.clear();
    });
    let (adapter, session_id) = (session.adapter.clone(), session.id.clone());
    let fact = Fact { adapter, session: session_id, ..unit.own_fact(&row.id, Step::Begun) };
    unit.fact(&row.id, fact);
    let (lease, lease_until, attempt) =
        unit.row(&row.id).map_or((0, 0, 0), |it| (it.lease, it.due_at, it.attempt));
    Begun {
        answer: Answer::Deliver.into(),
        lease: u64::try_from(lease).unwrap_or_default(),
        lease_until_us: lease_until,
        attempt: u32::try_from(attempt).unwrap_or(u32::MAX),
        ask_first: attempt > 1 && session.class == ReceiverClass::Askable,
        attachments: info.attachments.clone(),
        index: Some(info.index.clone()),
        ..begun
    }
}
