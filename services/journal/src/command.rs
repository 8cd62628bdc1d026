//! Operators' actions: on messages (Command), and on what is no message (Note).

use proto::journal::v1::command_request::Action;
use proto::journal::v1::{CommandRequest, CommandResponse, OperatorAction};
use proto::message::v1::Step;

use crate::database::error::DatabaseError;
use crate::delivery_row::DeliveryRow;
use crate::retry_schedule::ScheduleEvent;
use crate::steps::release_blocked;
use crate::transitions::{Event, Transition};
use crate::unit_of_work::UnitOfWork;

const INSERT_ACTION: &str = "INSERT INTO operator_action (id, at, actor, action, reason, detail) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";

/// Carries out an operator's command on each message whose state allows it.
pub(crate) async fn command(
    unit: &mut UnitOfWork<'_>,
    request: &CommandRequest,
) -> Result<CommandResponse, DatabaseError> {
    unit.load(request.message_ids.iter().map(String::as_str)).await?;
    let action = request.action();
    if request.dry_run {
        let is_allowed = |id: &String| unit.allowed(id, Event::Command(action)).is_some();
        let (done, not_done) = request.message_ids.iter().cloned().partition(is_allowed);
        return Ok(CommandResponse { done, not_done });
    }
    let detail = format!("{}: {}", request.actor, request.reason);
    let mut response = CommandResponse::default();
    for id in &request.message_ids {
        let is_done = command_one(unit, id, action, &detail);
        if is_done { &mut response.done } else { &mut response.not_done }.push(id.clone());
    }
    let ended: Vec<_> = response
        .done
        .iter()
        .filter(|it| unit.row(it).is_some_and(DeliveryRow::is_ended))
        .cloned()
        .collect();
    release_blocked(unit, &ended).await?;
    Ok(response)
}

/// Stores operators' actions that concern no message. One that is stored already stays as it is.
pub(crate) async fn note(
    unit: &mut UnitOfWork<'_>,
    actions: &[OperatorAction],
) -> Result<(), DatabaseError> {
    for it in actions {
        let values = vec![
            it.id.as_str().into(),
            it.at_us.into(),
            it.actor.as_str().into(),
            it.action.as_str().into(),
            it.reason.as_str().into(),
            it.detail.as_str().into(),
        ];
        unit.database.query(INSERT_ACTION, values).await?;
    }
    Ok(())
}

fn command_one(unit: &mut UnitOfWork<'_>, id: &str, action: Action, detail: &str) -> bool {
    match unit.allowed(id, Event::Command(action)) {
        Some(Transition::To(state)) => {
            let step = if action == Action::Confirm { Step::Confirmed } else { Step::Withdrawn };
            unit.step(id, step, detail);
            unit.set_state(id, state, 0);
            // What kept it waiting is over.
            unit.change(id, |row| row.fault = None);
            true
        }
        Some(Transition::Publish | Transition::PublishOrRetry | Transition::Retry) => {
            unit.step(id, Step::DrivenAgain, detail);
            unit.publish_after(id, ScheduleEvent::Redriven);
            true
        }
        None => false,
    }
}
