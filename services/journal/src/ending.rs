//! End: the adapter's answer closes its lease, and lets go of who waited behind.

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::ended::Outcome;
use proto::journal::v1::ending::Answer as Given;
use proto::journal::v1::{Ended, Ending, State, Step};

use crate::database::{DatabaseError, Value};
use crate::desk::Desk;
use crate::record::park_or_bury;
use crate::stored::Stored;

/// Closes leases with the answers given, by session, and releases who waited behind.
pub(crate) async fn end(
    desk: &mut Desk<'_>,
    calls: Vec<(String, Vec<Ending>)>,
) -> Result<Vec<Vec<Ended>>, DatabaseError> {
    let mut answers = Vec::with_capacity(calls.len());
    let mut freed = Vec::new();
    for (session, endings) in calls {
        let mut of_call = Vec::with_capacity(endings.len());
        for ending in endings {
            let outcome = close_lease(desk, &session, &ending);
            let row = desk.get(&ending.message_id);
            let state = row.map_or(State::Unspecified, |it| it.state);
            if outcome == Outcome::Closed && row.is_some_and(Stored::is_ended) {
                freed.push(ending.message_id.clone());
            }
            of_call.push(Ended {
                message_id: ending.message_id,
                outcome: outcome.into(),
                state: state.into(),
            });
        }
        answers.push(of_call);
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
            park_or_bury(desk, id, fault, row.tries);
        }
        Given::Unsent(_) => {
            // It never left the gateway, so it was no try.
            desk.change(id, |row| {
                row.attempt -= 1;
                row.tries -= 1;
            });
            desk.step(id, Step::GivenBack, "it was not handed over");
            desk.drive(id);
        }
    }
}

/// Lets go of who waited behind messages that ended or were routed: of one application the next,
/// behind a routed message everybody. One that has yet another ahead is held again when it begins.
pub(crate) async fn release_behind(
    desk: &mut Desk<'_>,
    ended: &[String],
) -> Result<(), DatabaseError> {
    let held = i64::from(i32::from(State::Held));
    let (mut next, mut all): (Vec<Vec<Value>>, Vec<Vec<Value>>) = (Vec::new(), Vec::new());
    for row in ended.iter().filter_map(|id| desk.get(id)) {
        let conversation = row.conversation.clone().into();
        if row.is_derived() {
            next.push(vec![conversation, row.application.clone().into(), held.into()]);
        } else {
            all.push(vec![conversation, held.into(), row.id.clone().into()]);
        }
    }
    let condition =
        "conversation = $1 AND application = $2 AND state = $3 ORDER BY sequence LIMIT 1";
    let mut released = desk.find(condition, next).await?;
    let condition = "conversation = $1 AND state = $2 AND behind = $3 ORDER BY sequence";
    released.extend(desk.find(condition, all).await?);
    for id in released {
        if desk.get(&id).is_some_and(|it| it.state == State::Held) {
            desk.step(&id, Step::Released, "");
            desk.drive(&id);
        }
    }
    Ok(())
}
