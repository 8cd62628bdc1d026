//! Command: an operator releases, redrives, withdraws or confirms messages.

use proto::journal::v1::command_request::Action;
use proto::journal::v1::{CommandRequest, CommandResponse};
use proto::message::v1::Step;

use crate::database::error::DatabaseError;
use crate::delivery_row::DeliveryRow;
use crate::steps::release_blocked;
use crate::transitions::{Event, Transition};
use crate::unit_of_work::UnitOfWork;

/// Carries out an operator's command on each message whose state allows it.
pub(crate) async fn command(
    unit: &mut UnitOfWork<'_>,
    request: &CommandRequest,
) -> Result<CommandResponse, DatabaseError> {
    unit.load(request.message_ids.iter().map(String::as_str)).await?;
    let action = request.action();
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

fn command_one(unit: &mut UnitOfWork<'_>, id: &str, action: Action, detail: &str) -> bool {
    match unit.allowed(id, Event::Command(action)) {
        Some(Transition::To(state)) => {
            let step = if action == Action::Confirm { Step::Confirmed } else { Step::Withdrawn };
            unit.step(id, step, detail);
            unit.set_state(id, state, 0);
            true
        }
        Some(Transition::Publish | Transition::PublishOrRetry | Transition::Retry) => {
            unit.step(id, Step::DrivenAgain, detail);
            unit.change(id, |row| {
                row.tries = 0;
                row.publishes = 0;
            });
            unit.publish(id);
            true
        }
        None => false,
    }
}
