//! End: the adapter's answer closes its lease, and lets go of who waited behind.

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::ended::Outcome;
use proto::journal::v1::settlement::Answer as Given;
use proto::journal::v1::{EndRequest, Ended, Settlement};
use proto::message::v1::{Fact, State, Step};

use crate::database::{DatabaseError, Value};
use crate::desk::{COMPONENT, Desk};
use crate::record::{facts_of, park_or_bury};
use crate::stored::Stored;

/// The ids that a request names.
pub(crate) fn ids(request: &EndRequest) -> impl Iterator<Item = &str> {
    request.settlements.iter().map(|it| it.message_id.as_str())
}

/// Closes leases with the answers given, and releases who waited behind.
pub(crate) async fn end(
    desk: &mut Desk<'_>,
    calls: Vec<EndRequest>,
) -> Result<Vec<Vec<Ended>>, DatabaseError> {
    let known = facts_of_late_answers(desk, &calls).await?;
    let mut answers = Vec::with_capacity(calls.len());
    let mut freed = Vec::new();
    for call in calls {
        let mut of_call = Vec::with_capacity(call.settlements.len());
        for ending in &call.settlements {
            let outcome = close_lease(desk, &call, ending, &known);
            let row = desk.get(&ending.message_id).filter(|_| outcome != Outcome::NotKnown);
            let state = row.map_or(State::Unspecified, |it| it.state);
            if outcome == Outcome::Closed && row.is_some_and(Stored::is_ended) {
                freed.push(ending.message_id.clone());
            }
            of_call.push(Ended {
                message_id: ending.message_id.clone(),
                outcome: outcome.into(),
                state: state.into(),
            });
        }
        answers.push(of_call);
    }
    release_behind(desk, &freed).await?;
    Ok(answers)
}

/// Whether an answer closes the lease of a message that is in hand.
fn closes(row: &Stored, session: &str, ending: &Settlement) -> bool {
    let is_of_a_lost_begin = ending.lease == 0 && matches!(ending.answer, Some(Given::Unsent(_)));
    row.state == State::InHand
        && row.session == session
        && (is_of_a_lost_begin || u64::try_from(row.lease) == Ok(ending.lease))
}

/// What is known of messages that are answered late: an answer that comes again is noted once.
async fn facts_of_late_answers(
    desk: &mut Desk<'_>,
    calls: &[EndRequest],
) -> Result<Vec<(String, Fact)>, DatabaseError> {
    let each = calls.iter().flat_map(|call| call.settlements.iter().map(move |it| (call, it)));
    let late = each.filter_map(|(call, ending)| {
        let row = desk.get(&ending.message_id)?;
        (row.attempt > 0 && !closes(row, &call.session, ending)).then(|| row.id.clone())
    });
    let late = late.collect();
    facts_of(desk, late).await
}

fn close_lease(
    desk: &mut Desk<'_>,
    call: &EndRequest,
    ending: &Settlement,
    known: &[(String, Fact)],
) -> Outcome {
    let id = ending.message_id.as_str();
    let row = desk.get(id).filter(|it| it.application == call.application).cloned();
    let (Some(row), Some(given)) = (row, &ending.answer) else { return Outcome::NotKnown };
    if closes(&row, &call.session, ending) {
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
    let fact = Fact {
        step: Step::LateAnswer.into(),
        at_us: desk.now,
        component: COMPONENT.to_owned(),
        detail: format!("{} (lease {})", words(given), ending.lease),
        ..Fact::default()
    };
    if !desk.knows(known, id, &fact) {
        desk.fact(id, fact);
    }
    if row.is_ended() { Outcome::Contradicted } else { Outcome::LeaseLost }
}

fn words(given: &Given) -> String {
    match given {
        Given::Taken(it) => format!("taken: {}", it.reference),
        Given::Refused(it) => format!("refused: {}", it.reason),
        Given::Unavailable(it) => format!("unavailable: {}", it.reason),
        Given::Unsent(_) => "unsent".to_owned(),
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
    if !desk.holds_any() {
        return Ok(());
    }
    let held = i64::from(i32::from(State::Held));
    let (mut next, mut all): (Vec<Vec<Value>>, Vec<Vec<Value>>) = (Vec::new(), Vec::new());
    for row in ended.iter().filter_map(|id| desk.get(id)) {
        let conversation = row.conversation.clone().into();
        // One without an application held back whoever goes to its organisation, as a parent does.
        if !row.application.is_empty() {
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
            desk.change(&id, |row| row.driven = 0);
            desk.drive(&id);
        }
    }
    Ok(())
}
