//! Steps of the state machine that several calls share: park, dead letter, give back, release.

use std::time::Duration;

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::{Fact, ReceiverClass, State, Step};

use crate::database::error::DatabaseError;
use crate::database::row::Parameters;
use crate::delivery_row::number_of;
use crate::retry_schedule::{NextStep, ScheduleEvent};
use crate::transitions::{Event, Transition};
use crate::unit_of_work::UnitOfWork;

/// Applies an event that leads to `Retry` before any session began with the message.
pub(crate) fn defer(unit: &mut UnitOfWork<'_>, id: &str, fault: Fault) {
    let requested = Duration::from_millis(fault.retry_after_ms);
    retry(unit, id, ScheduleEvent::Deferred { requested }, fault);
}

/// Takes the step of the schedule after an event: publishes a message, parks it until its next try,
/// or makes it a dead letter after the last.
pub(crate) fn retry(unit: &mut UnitOfWork<'_>, id: &str, event: ScheduleEvent, fault: Fault) {
    match unit.advance_schedule(id, event) {
        NextStep::Publish { deadline } => unit.publish_until(id, deadline),
        NextStep::Park { until } => {
            unit.set_state(id, State::Parked, until);
            unit.change(id, |row| row.fault = Some(fault.clone()));
            unit.fact(id, Fact { fault: Some(fault), ..unit.own_fact(id, Step::Parked) });
        }
        NextStep::Dead => dead_letter(unit, id, fault),
        NextStep::InSession => {}
    }
}

/// Makes a message a dead letter: it waits for an operator.
pub(crate) fn dead_letter(unit: &mut UnitOfWork<'_>, id: &str, fault: Fault) {
    unit.set_state(id, State::Dead, 0);
    unit.change(id, |row| row.fault = Some(fault.clone()));
    unit.fact(id, Fact { fault: Some(fault), ..unit.own_fact(id, Step::Dead) });
}

/// Gives back a message whose delivery was interrupted: published again where a second delivery is
/// harmless, else in doubt. A receiver of an unknown class is taken for one that can do neither.
pub(crate) fn give_back(unit: &mut UnitOfWork<'_>, id: &str, class: ReceiverClass, cause: Fault) {
    let event = match class {
        ReceiverClass::Neither | ReceiverClass::Unspecified => Event::InterruptedInDoubt,
        ReceiverClass::Repeatable | ReceiverClass::Askable => Event::Interrupted,
    };
    match unit.allowed(id, event) {
        Some(Transition::To(state)) => {
            unit.set_state(id, state, 0);
            unit.change(id, |row| row.fault = Some(Fault::new(&code::LT_JNL_002)));
            unit.step_because(id, Step::InDoubt, cause);
        }
        Some(Transition::PublishOrRetry | Transition::Publish | Transition::Retry) => {
            unit.step_because(id, Step::GivenBack, cause);
            retry(unit, id, ScheduleEvent::Interrupted, Fault::new(&code::LT_JNL_008));
        }
        None => {}
    }
}

/// Releases messages that were held behind messages which are settled or routed now: behind a
/// settled one the next of its application, behind a routed one all. A released message that has
/// yet another one ahead is held again by its Begin.
pub(crate) async fn release_blocked(
    unit: &mut UnitOfWork<'_>,
    ended: &[String],
) -> Result<(), DatabaseError> {
    if !unit.may_hold() {
        return Ok(());
    }
    let held = number_of(State::Held);
    let (mut next, mut all): (Vec<Parameters>, Vec<Parameters>) = (Vec::new(), Vec::new());
    for row in ended.iter().filter_map(|id| unit.row(id)) {
        let conversation = row.conversation.as_str().into();
        // A message without an application held back every receiver of its organisation, as a
        // message that is not routed yet does.
        if row.application.is_empty() {
            all.push(vec![conversation, held.into(), row.id.as_str().into()]);
        } else {
            next.push(vec![conversation, row.application.as_str().into(), held.into()]);
        }
    }
    let condition =
        "conversation = $1 AND application = $2 AND state = $3 ORDER BY sequence LIMIT 1";
    let mut released = unit.find(condition, next).await?;
    let condition = "conversation = $1 AND state = $2 AND blocked_by = $3 ORDER BY sequence";
    released.extend(unit.find(condition, all).await?);
    for id in released {
        if unit.allowed(&id, Event::Unblocked).is_some() {
            unit.step(&id, Step::Released, "");
            unit.publish_after(&id, ScheduleEvent::Released);
        }
    }
    Ok(())
}
