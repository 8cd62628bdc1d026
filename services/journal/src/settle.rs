//! End: the answers of applications settle deliveries and release the messages behind them.

use std::time::Duration;

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::ended::Outcome;
use proto::journal::v1::settlement::Answer;
use proto::journal::v1::{EndRequest, Ended, Settlement};
use proto::message::v1::{Fact, State, Step};

use crate::database::error::DatabaseError;
use crate::delivery_row::DeliveryRow;
use crate::lease::{LeaseEffect, LeaseEvent};
use crate::record::read_facts;
use crate::retry_schedule::{NextStep, ScheduleEvent};
use crate::steps::{give_back, release_blocked, retry};
use crate::transitions::{Event, Transition};
use crate::unit_of_work::{COMPONENT, UnitOfWork};

/// The ids that a request names.
pub(crate) fn ids(request: &EndRequest) -> impl Iterator<Item = &str> {
    request.settlements.iter().map(|it| it.message_id.as_str())
}

/// The sessions and leases whose messages a request returns as not delivered.
pub(crate) fn unsent_leases(request: &EndRequest) -> impl Iterator<Item = (&str, u64)> {
    let is_unsent = |it: &&Settlement| matches!(it.answer, Some(Answer::Unsent(_)));
    let unsent = request.settlements.iter().filter(is_unsent);
    unsent.map(|it| (request.session.as_str(), it.lease))
}

fn is_interrupted(settlement: &Settlement) -> bool {
    matches!(settlement.answer, Some(Answer::Interrupted(_)))
}

/// Settles deliveries by the answers given, and releases the messages behind them.
pub(crate) async fn end(
    unit: &mut UnitOfWork<'_>,
    calls: &[&EndRequest],
) -> Result<Vec<Vec<Ended>>, DatabaseError> {
    let read = facts_of_late_answers(unit, calls).await?;
    let interrupted = calls.iter().filter(|it| it.settlements.iter().any(is_interrupted));
    unit.load_sessions(interrupted.map(|it| it.session.as_str())).await?;
    let mut results = Vec::with_capacity(calls.len());
    let mut settled = Vec::new();
    for call in calls {
        let mut ended = Vec::with_capacity(call.settlements.len());
        for settlement in &call.settlements {
            let outcome = end_one(unit, call, settlement, &read);
            let row = unit.row(&settlement.message_id).filter(|_| outcome != Outcome::NotKnown);
            let state = row.map_or(State::Unspecified, |it| it.state);
            if outcome == Outcome::Closed && row.is_some_and(DeliveryRow::is_ended) {
                settled.push(settlement.message_id.clone());
            }
            ended.push(Ended {
                message_id: settlement.message_id.clone(),
                outcome: outcome.into(),
                state: state.into(),
            });
        }
        results.push(ended);
    }
    release_blocked(unit, &settled).await?;
    Ok(results)
}

/// True when an answer holds the lease of a message that is in hand.
fn holds_lease(row: &DeliveryRow, session: &str, settlement: &Settlement) -> bool {
    let (_, effect) = row.lease().after(lease_event(session, settlement), row.changed_at);
    effect == LeaseEffect::Settled
}

/// What an answer is for the lease.
fn lease_event<'a>(session: &'a str, settlement: &Settlement) -> LeaseEvent<'a> {
    let is_final = matches!(settlement.answer, Some(Answer::Taken(_) | Answer::Refused(_)));
    LeaseEvent::Settled { session, number: settlement.lease, is_final }
}

/// Facts of messages that are answered without their lease: a repeat of an answer is noted once.
async fn facts_of_late_answers(
    unit: &mut UnitOfWork<'_>,
    calls: &[&EndRequest],
) -> Result<Vec<(String, Fact)>, DatabaseError> {
    let each = calls.iter().flat_map(|call| call.settlements.iter().map(move |it| (call, it)));
    let late = each.filter_map(|(call, settlement)| {
        let row = unit.row(&settlement.message_id)?;
        (row.attempt > 0 && !holds_lease(row, &call.session, settlement)).then(|| row.id.clone())
    });
    let late = late.collect();
    read_facts(unit, late).await
}

fn end_one(
    unit: &mut UnitOfWork<'_>,
    call: &EndRequest,
    settlement: &Settlement,
    read: &[(String, Fact)],
) -> Outcome {
    let id = settlement.message_id.as_str();
    let row = unit.row(id).filter(|it| it.application == call.application).cloned();
    let (Some(row), Some(answer)) = (row, &settlement.answer) else { return Outcome::NotKnown };
    if unit.advance_lease(id, lease_event(&call.session, settlement)) == LeaseEffect::Settled {
        settle(unit, &row, answer);
        return Outcome::Closed;
    }
    let is_same = match answer {
        Answer::Taken(_) => row.state == State::Taken,
        Answer::Refused(_) => row.state == State::Refused,
        Answer::Unavailable(_) => row.state == State::Parked,
        Answer::Unsent(_) | Answer::Interrupted(_) => return Outcome::LeaseLost,
    };
    if is_same {
        return Outcome::Repeated;
    }
    if row.attempt == 0 {
        return Outcome::NotKnown;
    }
    let fact = Fact {
        step: Step::LateAnswer.into(),
        at_us: unit.now,
        component: COMPONENT.to_owned(),
        detail: format!("{} (lease {})", describe(answer), settlement.lease),
        ..Fact::default()
    };
    if !unit.has_fact(read, id, &fact) {
        unit.fact(id, fact);
    }
    if row.is_ended() { Outcome::Contradicted } else { Outcome::LeaseLost }
}

fn describe(answer: &Answer) -> String {
    match answer {
        Answer::Taken(it) => format!("taken: {}", it.reference),
        Answer::Refused(it) => format!("refused: {}", it.reason),
        Answer::Unavailable(it) => format!("unavailable: {}", it.reason),
        Answer::Unsent(_) => "unsent".to_owned(),
        Answer::Interrupted(_) => "interrupted".to_owned(),
    }
}

/// The event of an answer, with its step and detail.
fn event_of(answer: &Answer) -> (Event, Step, &str) {
    match answer {
        Answer::Taken(it) => (Event::Taken, Step::Taken, it.reference.as_str()),
        Answer::Refused(it) => (Event::Refused, Step::Refused, it.reason.as_str()),
        Answer::Unavailable(it) => (Event::Unavailable, Step::Unavailable, it.reason.as_str()),
        Answer::Unsent(_) => (Event::Unsent, Step::GivenBack, ""),
        Answer::Interrupted(_) => (Event::Interrupted, Step::GivenBack, ""),
    }
}

fn settle(unit: &mut UnitOfWork<'_>, row: &DeliveryRow, answer: &Answer) {
    let id = row.id.as_str();
    let (event, step, detail) = event_of(answer);
    if event == Event::Interrupted {
        // A session that is closed meanwhile has given it back already.
        let class = unit.session(&row.session).unwrap_or_default().class;
        return give_back(unit, id, class, Fault::new(&code::LT_JNL_023));
    }
    match unit.allowed(id, event) {
        Some(Transition::To(state)) => {
            unit.set_state(id, state, 0);
            unit.change(id, |row| detail.clone_into(&mut row.detail));
            unit.step(id, step, detail);
        }
        Some(Transition::Retry) => {
            unit.step(id, step, detail);
            let reason = if detail.is_empty() { "–" } else { detail };
            let mut fault = Fault::new(&code::LT_JNL_003).param("reason", reason);
            if let Answer::Unavailable(it) = answer {
                fault.retry_after_ms = it.retry_after_ms;
            }
            let requested = Duration::from_millis(fault.retry_after_ms);
            retry(unit, id, ScheduleEvent::Unavailable { requested }, fault);
        }
        Some(Transition::Publish) => {
            // It never left the gateway, so it was no try.
            let next = unit.advance_schedule(id, ScheduleEvent::Unsent);
            unit.step_because(id, step, Fault::new(&code::LT_JNL_022));
            if let NextStep::Publish { deadline } = next {
                unit.publish_until(id, deadline);
            }
        }
        Some(Transition::PublishOrRetry) | None => {}
    }
}
