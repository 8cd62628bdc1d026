//! Begin and End, and the sessions they belong to: the inbox, the order keeper, the fence.

use std::collections::HashMap;

use prost::Message as _;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::begun::Answer;
use proto::journal::v1::ended::Outcome;
use proto::journal::v1::ending::Answer as Given;
use proto::journal::v1::{Begun, Ended, Ending, Index, OpenRequest, Receipt, State, Step};
use proto::registry::v1::ReceiverClass;

use crate::database::{DatabaseError, Value};
use crate::desk::Desk;
use crate::plan;
use crate::record::park_or_bury;
use crate::stored::Stored;

/// A connected adapter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) class: ReceiverClass,
    pub(crate) lease_ms: i64,
}

/// Opens a session; the older one of the same adapter gives back what it has in hand.
pub(crate) async fn open(
    desk: &mut Desk<'_>,
    id: &str,
    request: &OpenRequest,
) -> Result<u32, DatabaseError> {
    let place = vec![request.application.as_str().into(), request.adapter.as_str().into()];
    let sql = "SELECT id FROM session WHERE application = $1 AND adapter = $2";
    let older = desk.database.query(sql, place).await?;
    let mut given_back = 0;
    for mut row in older {
        given_back += close(desk, &row.text()).await?;
    }
    let sql = "INSERT INTO session (id, application, adapter, receiver_class, lease_ms, opened_at) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    let values = vec![
        id.into(),
        request.application.as_str().into(),
        request.adapter.as_str().into(),
        i64::from(request.receiver_class).into(),
        i64::try_from(request.lease_ms).unwrap_or(600_000).into(),
        desk.now.into(),
    ];
    desk.database.query(sql, values).await?;
    Ok(given_back)
}

/// Closes a session and gives back what it has in hand.
pub(crate) async fn close(desk: &mut Desk<'_>, id: &str) -> Result<u32, DatabaseError> {
    let Some(session) = session(desk, id).await? else { return Ok(0) };
    let state = i64::from(i32::from(State::InHand));
    let held = desk.find("session = $1 AND state = $2", vec![vec![id.into(), state.into()]]).await?;
    let held: Vec<_> = held.into_iter().filter(|it| in_hand(desk, it, id)).collect();
    for message in &held {
        give_back(desk, message, session.class, "the session ended");
    }
    desk.database.query("DELETE FROM session WHERE id = $1", vec![id.into()]).await?;
    Ok(u32::try_from(held.len()).unwrap_or(u32::MAX))
}

fn in_hand(desk: &Desk<'_>, message: &str, session: &str) -> bool {
    desk.get(message).is_some_and(|it| it.state == State::InHand && it.session == session)
}

/// An interrupted delivery: driven again where that is safe, else in doubt.
pub(crate) fn give_back(desk: &mut Desk<'_>, id: &str, class: ReceiverClass, why: &str) {
    if class == ReceiverClass::Neither {
        desk.to(id, State::InDoubt, 0);
        desk.change(id, |row| row.fault = Some(Fault::new(&code::LT_JNL_002)));
        desk.step(id, Step::InDoubt, why);
    } else {
        desk.step(id, Step::GivenBack, why);
        desk.drive(id);
    }
}

pub(crate) async fn session(
    desk: &mut Desk<'_>,
    id: &str,
) -> Result<Option<Session>, DatabaseError> {
    let sql = "SELECT id, receiver_class, lease_ms FROM session WHERE id = $1";
    let rows = desk.database.query(sql, vec![id.into()]).await?;
    Ok(rows.into_iter().next().map(|mut row| Session {
        id: row.text(),
        class: i32::try_from(row.number())
            .ok()
            .and_then(|it| ReceiverClass::try_from(it).ok())
            .unwrap_or_default(),
        lease_ms: row.number(),
    }))
}

/// Answers for each message whether it may be handed over now.
pub(crate) async fn begin(
    desk: &mut Desk<'_>,
    session_id: &str,
    ids: Vec<String>,
) -> Result<Option<Vec<Begun>>, DatabaseError> {
    let Some(session) = session(desk, session_id).await? else { return Ok(None) };
    desk.load(ids.iter().map(String::as_str)).await?;
    let ahead = ahead(desk, &ids).await?;
    let mut answers = Vec::with_capacity(ids.len());
    let mut wanted = Vec::new();
    for id in ids {
        // One that was decided for an earlier place of this very batch counts as still ahead.
        let begun = one(desk, &session, &id, ahead.get(&id));
        if begun.answer() == Answer::Deliver {
            wanted.push((answers.len(), id));
        }
        answers.push(begun);
    }
    let sql = "SELECT m.receipt, COALESCE(p.shown, m.shown) FROM message m \
               LEFT JOIN message p ON p.id = m.parent WHERE m.id = $1";
    let sets = wanted.iter().map(|(_, id)| vec![id.clone().into()]).collect();
    let found = desk.database.query_many(sql, sets).await?;
    for ((place, _), rows) in wanted.iter().zip(found) {
        let Some(mut row) = rows.into_iter().next() else { continue };
        let receipt = Receipt::decode(row.bytes().as_slice()).unwrap_or_default();
        answers[*place].attachments = receipt.attachments;
        answers[*place].index = Index::decode(row.bytes().as_slice()).ok();
    }
    Ok(Some(answers))
}

/// For each message, the nearest earlier one of its conversation that its application still
/// waits for. The first of a conversation has none, so it costs no look.
async fn ahead(
    desk: &mut Desk<'_>,
    ids: &[String],
) -> Result<HashMap<String, String>, DatabaseError> {
    let later: Vec<Stored> =
        ids.iter().filter_map(|id| desk.get(id)).filter(|it| it.sequence > 1).cloned().collect();
    if later.is_empty() {
        return Ok(HashMap::new());
    }
    desk.flush().await?;
    let sql = "SELECT id, application, recipients FROM message WHERE conversation = $1 \
               AND sequence < $2 AND application IN ('', $3) AND state NOT IN (2, 7, 8, 11) \
               ORDER BY sequence";
    let sets = later.iter().map(|it| {
        let (conversation, sequence) = (it.conversation.clone(), it.sequence);
        vec![conversation.into(), sequence.into(), it.application.clone().into()]
    });
    let found = desk.database.query_many(sql, sets.collect()).await?;
    let mut ahead = HashMap::new();
    for (message, rows) in later.into_iter().zip(found) {
        for mut row in rows {
            let (id, application, recipients) = (row.text(), row.text(), row.text());
            let concerns = !application.is_empty()
                || recipients.split(',').any(|it| it == message.recipients);
            if concerns {
                ahead.insert(message.id, id);
                break;
            }
        }
    }
    Ok(ahead)
}

fn one(desk: &mut Desk<'_>, session: &Session, id: &str, ahead: Option<&String>) -> Begun {
    let begun = Begun { message_id: id.to_owned(), ..Begun::default() };
    let Some(row) = desk.get(id).cloned() else {
        return Begun { answer: Answer::Unknown.into(), ..begun };
    };
    match row.state {
        State::Taken | State::Refused | State::Withdrawn => Begun {
            answer: Answer::AlreadyDone.into(),
            state: row.state.into(),
            detail: row.detail,
            ..begun
        },
        State::InHand => Begun { answer: Answer::InHandElsewhere.into(), ..begun },
        // These wait in the journal, which drives them when their turn comes.
        State::Parked | State::Dead | State::InDoubt => {
            Begun { answer: Answer::Hold.into(), state: row.state.into(), ..begun }
        }
        State::Queued | State::Held | State::Accepted | State::Routed | State::Unspecified => {
            match ahead {
                Some(ahead) => hold(desk, &row, ahead, begun),
                None => deliver(desk, session, &row, begun),
            }
        }
    }
}

fn hold(desk: &mut Desk<'_>, row: &Stored, ahead: &str, begun: Begun) -> Begun {
    if row.state != State::Held {
        desk.step(&row.id, Step::Held, ahead);
    }
    let next = plan::deadline(desk.now, row.driven + 1);
    desk.to(&row.id, State::Held, next);
    desk.change(&row.id, |it| ahead.clone_into(&mut it.behind));
    Begun { answer: Answer::Hold.into(), state: State::Held.into(), ..begun }
}

fn deliver(desk: &mut Desk<'_>, session: &Session, row: &Stored, begun: Begun) -> Begun {
    let attempt = row.attempt + 1;
    // Later than any lease given before, even by a journal that ran earlier.
    let lease = desk.now.max(row.changed_at + 1);
    let until = desk.now + session.lease_ms * 1_000;
    desk.change(&row.id, |it| {
        it.state = State::InHand;
        it.attempt = attempt;
        it.session.clone_from(&session.id);
        it.lease = lease;
        it.next_at = until;
        it.fault = None;
        it.behind.clear();
    });
    desk.step(&row.id, Step::Begun, "");
    Begun {
        answer: Answer::Deliver.into(),
        lease: u64::try_from(lease).unwrap_or_default(),
        lease_until_us: until,
        attempt: u32::try_from(attempt).unwrap_or(u32::MAX),
        ask_first: attempt > 1 && session.class == ReceiverClass::Askable,
        ..begun
    }
}

/// Closes leases with the answers given, and releases who waited behind.
pub(crate) async fn end(
    desk: &mut Desk<'_>,
    session_id: &str,
    endings: Vec<Ending>,
) -> Result<Vec<Ended>, DatabaseError> {
    desk.load(endings.iter().map(|it| it.message_id.as_str())).await?;
    let mut answers = Vec::with_capacity(endings.len());
    let mut freed = Vec::new();
    for ending in endings {
        let outcome = close_lease(desk, session_id, &ending);
        let row = desk.get(&ending.message_id);
        let state = row.map_or(State::Unspecified, |it| it.state);
        if outcome == Outcome::Closed && row.is_some_and(Stored::is_ended) {
            freed.push(ending.message_id.clone());
        }
        answers.push(Ended {
            message_id: ending.message_id,
            outcome: outcome.into(),
            state: state.into(),
        });
    }
    release_behind(desk, &freed).await?;
    Ok(answers)
}

fn close_lease(desk: &mut Desk<'_>, session: &str, ending: &Ending) -> Outcome {
    let id = ending.message_id.as_str();
    let Some(row) = desk.get(id).cloned() else { return Outcome::NotKnown };
    let Some(given) = &ending.answer else { return Outcome::NotKnown };
    if row.state == State::InHand
        && row.session == session
        && u64::try_from(row.lease) == Ok(ending.lease)
    {
        settle(desk, &row, given);
        return Outcome::Closed;
    }
    let same = match given {
        Given::Taken(_) => row.state == State::Taken,
        Given::Refused(_) => row.state == State::Refused,
        Given::Unavailable(_) => row.state == State::Parked,
        Given::Unsent(_) => return Outcome::LeaseLost,
    };
    if same {
        return Outcome::Repeated;
    }
    if row.attempt == 0 {
        return Outcome::NotKnown;
    }
    desk.step(id, Step::LateAnswer, words(given));
    if row.is_ended() { Outcome::Contradicted } else { Outcome::LeaseLost }
}

fn words(given: &Given) -> &str {
    match given {
        Given::Taken(it) => &it.reference,
        Given::Refused(it) => &it.reason,
        Given::Unavailable(it) => &it.reason,
        Given::Unsent(_) => "unsent",
    }
}

fn settle(desk: &mut Desk<'_>, row: &Stored, given: &Given) {
    let id = row.id.as_str();
    match given {
        Given::Taken(it) => {
            desk.to(id, State::Taken, 0);
            desk.change(id, |row| row.detail.clone_from(&it.reference));
            desk.step(id, Step::Taken, &it.reference);
        }
        Given::Refused(it) => {
            desk.to(id, State::Refused, 0);
            desk.change(id, |row| row.detail.clone_from(&it.reason));
            desk.step(id, Step::Refused, &it.reason);
        }
        Given::Unavailable(it) => {
            desk.step(id, Step::Unavailable, &it.reason);
            let mut fault = Fault::new(&code::LT_JNL_003).param("reason", &it.reason);
            fault.retry_after_ms = it.retry_after_ms;
            park_or_bury(desk, id, fault, 0);
        }
        Given::Unsent(_) => {
            // It never left the gateway, so it was no try.
            desk.change(id, |row| row.attempt -= 1);
            desk.step(id, Step::GivenBack, "it was not handed over");
            desk.drive(id);
        }
    }
}

/// Lets go of whoever is next in the conversations of messages that have ended.
pub(crate) async fn release_behind(
    desk: &mut Desk<'_>,
    ended: &[String],
) -> Result<(), DatabaseError> {
    let mut sets: Vec<Vec<Value>> = Vec::new();
    for id in ended {
        let Some(row) = desk.get(id) else { continue };
        let held = i64::from(i32::from(State::Held));
        sets.push(vec![row.conversation.clone().into(), row.application.clone().into(), held.into()]);
    }
    if sets.is_empty() {
        return Ok(());
    }
    let condition = "conversation = $1 AND application = $2 AND state = $3 ORDER BY sequence LIMIT 1";
    for id in desk.find(condition, sets).await? {
        if desk.get(&id).is_some_and(|it| it.state == State::Held) {
            desk.step(&id, Step::Released, "");
            desk.drive(&id);
        }
    }
    Ok(())
}
