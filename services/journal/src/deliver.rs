//! Begin, and the sessions that messages are handed to: the inbox, the order keeper, the fence.

use std::collections::HashMap;

use prost::Message as _;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::begun::Answer;
use proto::journal::v1::{Begun, OpenRequest};
use proto::message::v1::{Index, Receipt, ReceiverClass, State, Step};

use crate::database::{DatabaseError, Row};
use crate::desk::Desk;
use crate::plan;
use crate::record::park_or_bury;
use crate::stored::Stored;

/// A lease of an adapter that names no time.
const LEASE_MS: u64 = 600_000;

/// The longest lease; what is in hand longer is somebody's mistake.
const LEASE_MS_MAX: u64 = 7 * 24 * 3_600_000;

/// Interrupted tries after which a message goes at once; later ones wait by the schedule, so that
/// a message that breaks its receiver does not break it without a pause.
const AT_ONCE: i64 = 2;

/// A connected adapter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) application: String,
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
    let lease_ms = if request.lease_ms == 0 { LEASE_MS } else { request.lease_ms };
    let lease_ms = i64::try_from(lease_ms.min(LEASE_MS_MAX)).unwrap_or_default();
    let sql = "INSERT INTO session (id, application, adapter, receiver_class, lease_ms, opened_at) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    let values = vec![
        id.into(),
        request.application.as_str().into(),
        request.adapter.as_str().into(),
        i64::from(request.receiver_class).into(),
        lease_ms.into(),
        desk.now.into(),
    ];
    desk.database.query(sql, values).await?;
    desk.sessions.clear();
    Ok(given_back)
}

/// What a session has in hand.
const IN_SESSION: &str = "session = $1 AND state = $2 AND sweep_at > $3";

/// Closes a session and gives back what it has in hand.
pub(crate) async fn close(desk: &mut Desk<'_>, id: &str) -> Result<u32, DatabaseError> {
    desk.load_sessions([id].into_iter()).await?;
    let Some(session) = desk.session(id) else { return Ok(0) };
    let state = i64::from(i32::from(State::InHand));
    let held =
        desk.find(IN_SESSION, vec![vec![id.into(), state.into(), desk.swept.into()]]).await?;
    let held: Vec<_> = held.into_iter().filter(|it| in_hand(desk, it, id)).collect();
    for message in &held {
        give_back(desk, message, session.class, "the session ended");
    }
    desk.database.query("DELETE FROM session WHERE id = $1", vec![id.into()]).await?;
    desk.sessions.clear();
    Ok(u32::try_from(held.len()).unwrap_or(u32::MAX))
}

fn in_hand(desk: &Desk<'_>, message: &str, session: &str) -> bool {
    desk.get(message).is_some_and(|it| it.state == State::InHand && it.session == session)
}

/// An interrupted delivery: driven again where that is safe, else in doubt. An application that
/// did not say what it can do is taken for one that can do neither.
pub(crate) fn give_back(desk: &mut Desk<'_>, id: &str, class: ReceiverClass, why: &str) {
    let tries = desk.get(id).map_or(0, |it| it.tries);
    match class {
        ReceiverClass::Neither | ReceiverClass::Unspecified => {
            desk.to(id, State::InDoubt, 0);
            desk.change(id, |row| row.fault = Some(Fault::new(&code::LT_JNL_002)));
            desk.step(id, Step::InDoubt, why);
        }
        ReceiverClass::Repeatable | ReceiverClass::Askable => {
            desk.step(id, Step::GivenBack, why);
            if tries <= AT_ONCE {
                desk.drive(id);
            } else {
                park_or_bury(desk, id, Fault::new(&code::LT_JNL_008), tries - AT_ONCE);
            }
        }
    }
}

pub(crate) fn read_session(mut row: Row) -> Session {
    Session {
        id: row.text(),
        application: row.text(),
        class: i32::try_from(row.number())
            .ok()
            .and_then(|it| ReceiverClass::try_from(it).ok())
            .unwrap_or_default(),
        lease_ms: row.number(),
    }
}

/// Ids that one session asks for.
pub(crate) type Asked = (String, Vec<String>);

/// Answers for each message whether it may be handed over now; none for a session that is over.
pub(crate) async fn begin(
    desk: &mut Desk<'_>,
    calls: Vec<Asked>,
) -> Result<Vec<Option<Vec<Begun>>>, DatabaseError> {
    let ahead = ahead(desk, calls.iter().flat_map(|(_, ids)| ids)).await?;
    let mut answers: Vec<Option<Vec<Begun>>> = Vec::with_capacity(calls.len());
    for (session, ids) in calls {
        // One that an earlier place of this very batch was decided for still counts as ahead.
        answers.push(
            desk.session(&session).map(|session| {
                ids.iter().map(|id| one(desk, &session, id, ahead.get(id))).collect()
            }),
        );
    }
    let mut delivered = Vec::new();
    for begun in answers.iter_mut().flatten().flatten() {
        if begun.answer() != Answer::Deliver {
            continue;
        }
        match desk.get(&begun.message_id).and_then(|it| it.told.as_ref()) {
            Some(told) => {
                begun.attachments.clone_from(&told.attachments);
                begun.index = Some(told.index.clone());
            }
            None => delivered.push(begun),
        }
    }
    let sql = "SELECT m.receipt, COALESCE(p.shown, m.shown) FROM kept m \
               LEFT JOIN kept p ON p.id = m.parent WHERE m.id = $1";
    let sets = delivered.iter().map(|it| vec![it.message_id.clone().into()]).collect();
    let found = desk.database.query_many(sql, sets).await?;
    for (begun, rows) in delivered.into_iter().zip(found) {
        let Some(mut row) = rows.into_iter().next() else { continue };
        let receipt = Receipt::decode(row.bytes().as_slice()).unwrap_or_default();
        begun.attachments = receipt.attachments;
        begun.index = Index::decode(row.bytes().as_slice()).ok();
    }
    Ok(answers)
}

/// For each message, the nearest earlier one of its conversation that its application still
/// waits for. The first of a conversation has none, so it costs no look.
async fn ahead(
    desk: &mut Desk<'_>,
    ids: impl Iterator<Item = &String>,
) -> Result<HashMap<String, String>, DatabaseError> {
    let later: Vec<Stored> =
        ids.filter_map(|id| desk.get(id)).filter(|it| it.sequence > 1).cloned().collect();
    if later.is_empty() {
        return Ok(HashMap::new());
    }
    desk.flush().await?;
    let sql = "SELECT id, application, recipients FROM standing WHERE conversation = $1 \
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
            let concerns =
                !application.is_empty() || recipients.split(',').any(|it| it == message.recipients);
            if concerns {
                ahead.insert(message.id.clone(), id);
            }
        }
    }
    Ok(ahead)
}

fn one(desk: &mut Desk<'_>, session: &Session, id: &str, ahead: Option<&String>) -> Begun {
    let begun = Begun { message_id: id.to_owned(), ..Begun::default() };
    let row = desk.get(id).filter(|it| it.application == session.application).cloned();
    let Some(row) = row else {
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
    desk.hold(&row.id, next);
    desk.change(&row.id, |it| ahead.clone_into(&mut it.behind));
    Begun { answer: Answer::Hold.into(), state: State::Held.into(), ..begun }
}

fn deliver(desk: &mut Desk<'_>, session: &Session, row: &Stored, begun: Begun) -> Begun {
    let attempt = row.attempt + 1;
    // Above every number given before, whatever the clock did in between.
    let lease = desk.now.max(row.lease + 1);
    let until = desk.now + session.lease_ms * 1_000;
    desk.change(&row.id, |it| {
        it.state = State::InHand;
        it.attempt = attempt;
        it.tries += 1;
        it.driven = 0;
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
