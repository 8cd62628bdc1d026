//! Pause and Resume: operators' actions on what waits.

use std::sync::Arc;

use proto::message::v1::State;
use proto::operate::v1::pause_target::Kind;
use proto::operate::v1::{Pause, PauseRequest, PauseTarget, ResumeRequest};

use crate::command::note;
use crate::database::error::DatabaseError;
use crate::database::row::Parameters;
use crate::delivery_row::number_of;
use crate::pauses::Pauses;
use crate::retry_schedule::ScheduleEvent;
use crate::unit_of_work::UnitOfWork;

/// Messages that the end of a pause publishes at once; the sweeper publishes the others.
const RESUMED_MAX: usize = 5_000;

const STORE: &str = "INSERT INTO pause (kind, name, reason, actor, since) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (kind, name) \
     DO UPDATE SET reason = $3, actor = $4, since = $5";

/// Stores a pause of a checked target; true when the target was paused before.
pub(crate) async fn pause(
    unit: &mut UnitOfWork<'_>,
    request: &PauseRequest,
) -> Result<(Pause, bool), DatabaseError> {
    let target = request.target.clone().unwrap_or_default();
    let pause = Pause {
        target: Some(target.clone()),
        reason: request.reason.clone(),
        actor: request.actor.clone(),
        since_us: unit.now,
    };
    let is_repeat = unit.pauses.of_target(&target).is_some();
    let values = vec![
        i64::from(target.kind).into(),
        target.name.as_str().into(),
        pause.reason.as_str().into(),
        pause.actor.as_str().into(),
        pause.since_us.into(),
    ];
    unit.database.query(STORE, values).await?;
    let mut all = unit.pauses.without(&target);
    all.push(pause.clone());
    unit.pauses = Arc::new(Pauses { all, partitions: unit.pauses.partitions });
    note_action(unit, "pause", &target, (&request.actor, &request.reason)).await?;
    Ok((pause, is_repeat))
}

/// Ends the pause of a checked target, and publishes what waited for it; none when there is none.
pub(crate) async fn resume(
    unit: &mut UnitOfWork<'_>,
    request: &ResumeRequest,
) -> Result<Option<Pause>, DatabaseError> {
    let target = request.target.clone().unwrap_or_default();
    let Some(pause) = unit.pauses.of_target(&target).cloned() else { return Ok(None) };
    let values = vec![i64::from(target.kind).into(), target.name.as_str().into()];
    unit.database.query("DELETE FROM pause WHERE kind = $1 AND name = $2", values).await?;
    let all = unit.pauses.without(&target);
    unit.pauses = Arc::new(Pauses { all, partitions: unit.pauses.partitions });
    note_action(unit, "resume", &target, (&request.actor, &request.reason)).await?;
    let (condition, parameters) = waiting_of(&target, unit.watermark);
    for id in unit.find(&condition, vec![parameters]).await? {
        let is_free = unit.row(&id).is_some_and(|it| {
            matches!(it.state, State::Accepted | State::Queued) && unit.pauses.of_row(it).is_none()
        });
        if is_free {
            unit.publish_after(&id, ScheduleEvent::Released);
        }
    }
    Ok(Some(pause))
}

/// The condition on the messages that wait for the end of a pause, and its parameters.
fn waiting_of(target: &PauseTarget, watermark: i64) -> (String, Parameters) {
    let (column, name, state) = match target.kind() {
        Kind::Application => ("application", target.name.as_str(), State::Queued),
        Kind::Organisation => ("recipients", target.name.as_str(), State::Queued),
        Kind::Channel | Kind::Unspecified => ("application", "", State::Accepted),
    };
    let condition = format!(
        "sweep_at > $1 AND {column} = $2 AND state = $3 ORDER BY sweep_at LIMIT {RESUMED_MAX}"
    );
    (condition, vec![watermark.into(), name.into(), number_of(state).into()])
}

async fn note_action(
    unit: &mut UnitOfWork<'_>,
    action: &str,
    target: &PauseTarget,
    (actor, reason): (&str, &str),
) -> Result<(), DatabaseError> {
    let action = proto::journal::v1::OperatorAction {
        id: uuid::Uuid::now_v7().to_string(),
        at_us: unit.now,
        actor: actor.to_owned(),
        action: action.to_owned(),
        reason: reason.to_owned(),
        detail: format!("{} {}", target.kind().as_str_name(), target.name),
    };
    note(unit, &[action]).await
}
