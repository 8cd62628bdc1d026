//! The sweeper: publishes what is due, and gives back what is in hand beyond its lease.

use std::time::Duration;

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::{State, Step};

use crate::database::Database;
use crate::database::error::DatabaseError;
use crate::delivery_report::write_reports;
use crate::delivery_row::{DeliveryRow, sql_list};
use crate::lease::{END_AT_RESTART, LeaseEffect, LeaseEvent};
use crate::pauses::PAUSED_WAIT;
use crate::retry_schedule::{ScheduleEvent, publish_deadline};
use crate::row_cache::{SELECT_WATERMARK, UPDATE_WATERMARK, WATERMARK_COLUMN};
use crate::steps::give_back;
use crate::transitions::{Event, Transition};
use crate::unit_of_work::UnitOfWork;

/// How many rows one sweep reads; the next one follows at once when there may be more.
pub(crate) const SWEEP_MAX: usize = 500;

/// Rows that one statement of a start changes.
const START_MAX: usize = 5_000;

/// States that the sweeper passes over, as nearly all rows end in them.
const PASSED: [State; 2] = [State::Routed, State::Taken];

/// States of messages that a channel or a session held when the process ended.
const ON_THEIR_WAY: [State; 4] = [State::Accepted, State::Queued, State::Held, State::InHand];

/// Publishes what is due. True: there may be more.
pub(crate) async fn sweep(unit: &mut UnitOfWork<'_>) -> Result<bool, DatabaseError> {
    let condition = format!(
        "sweep_at > $1 AND sweep_at <= $2 AND state NOT IN ({}) ORDER BY sweep_at LIMIT {SWEEP_MAX}",
        sql_list(&PASSED)
    );
    // When the clock was set back the watermark follows, so rows written now lie above it again.
    unit.watermark = unit.watermark.min(unit.now);
    let due = unit.find(&condition, vec![vec![unit.watermark.into(), unit.now.into()]]).await?;
    let has_more = due.len() == SWEEP_MAX;
    let last = due.last().and_then(|it| unit.row(it)).map_or(unit.now, |it| it.sweep_at);
    // Further rows may have the `sweep_at` of the last one.
    let swept = if has_more { last - 1 } else { unit.now };
    unit.watermark = unit.watermark.max(swept);
    for id in &due {
        unit.reschedule(id);
        let Some(row) = unit.row(id).cloned() else { continue };
        if row.due_at > unit.now {
            continue;
        }
        if row.state == State::InHand {
            end_lease(unit, &row).await?;
        } else if unit.is_paused(id) {
            let wait = i64::try_from(PAUSED_WAIT.as_micros()).unwrap_or_default();
            unit.delay(id, unit.now + wait);
        } else if unit.allowed(id, Event::Due) == Some(Transition::Publish) {
            if row.state == State::Parked {
                unit.step(id, Step::DrivenAgain, "");
                unit.publish_after(id, ScheduleEvent::Released);
            } else {
                unit.publish(id);
            }
        }
    }
    write_reports(unit).await?;
    Ok(has_more)
}

async fn end_lease(unit: &mut UnitOfWork<'_>, row: &DeliveryRow) -> Result<(), DatabaseError> {
    unit.load_sessions([row.session.as_str()].into_iter()).await?;
    let class = unit.session(&row.session).unwrap_or_default().class;
    if unit.advance_lease(&row.id, LeaseEvent::Due) == LeaseEffect::GivenBack {
        give_back(unit, &row.id, class, Fault::new(&code::LT_JNL_021));
    }
    Ok(())
}

/// Takes back publishes that failed: they do not count, and their messages are due again after the
/// wait.
pub(crate) async fn postpone(
    unit: &mut UnitOfWork<'_>,
    failed: &[(String, Duration)],
) -> Result<(), DatabaseError> {
    unit.load(failed.iter().map(|(id, _)| id.as_str())).await?;
    for (id, wait) in failed {
        let due_at = unit.now + i64::try_from(wait.as_micros()).unwrap_or_default();
        let is_published = |it: &DeliveryRow| matches!(it.state, State::Accepted | State::Queued);
        if unit.row(id).is_some_and(is_published) {
            unit.change(id, |row| {
                row.take_back_publish();
                row.due_at = row.due_at.min(due_at);
            });
        }
    }
    Ok(())
}

/// Makes everything that was on its way due: after the start of a process whose channels were in
/// memory.
pub(crate) async fn publish_all(database: &mut Database) -> Result<(), DatabaseError> {
    // The watermark goes back by one, and the rows are moved to just above it.
    let watermark = database.query_number(SELECT_WATERMARK, WATERMARK_COLUMN).await? - 1;
    database.query(UPDATE_WATERMARK, vec![watermark.into()]).await?;
    let due_now = format!(
        "UPDATE delivery_state SET due_at = {END_AT_RESTART}, sweep_at = $1, publishes = 0 WHERE row_id IN \
         (SELECT row_id FROM delivery_state WHERE sweep_at > $1 AND state IN ({}) \
         ORDER BY sweep_at LIMIT {START_MAX}) RETURNING row_id",
        sql_list(&ON_THEIR_WAY)
    );
    while !database.query(&due_now, vec![(watermark + 1).into()]).await?.is_empty() {}
    Ok(())
}

/// Makes due soon what may have been on its way to a channel when the process before this ended:
/// the publish was committed, and then perhaps never happened.
pub(crate) async fn publish_soon(database: &mut Database, now: i64) -> Result<(), DatabaseError> {
    let watermark = database.query_number(SELECT_WATERMARK, WATERMARK_COLUMN).await?;
    let due_soon = format!(
        "UPDATE delivery_state SET due_at = $1, \
         sweep_at = CASE WHEN sweep_at > $1 THEN $1 ELSE sweep_at END WHERE row_id IN \
         (SELECT row_id FROM delivery_state WHERE sweep_at > $2 AND due_at > $1 AND state IN ({}) \
         AND publishes = 1 ORDER BY sweep_at LIMIT {START_MAX}) RETURNING row_id",
        sql_list(&[State::Accepted, State::Queued])
    );
    let soon = publish_deadline(now, 0);
    while !database.query(&due_soon, vec![soon.into(), watermark.into()]).await?.is_empty() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery_row::INSERT;

    #[tokio::test]
    async fn after_a_start_what_was_just_published_is_due_soon() {
        let (mut database, _directory) = Database::empty().await;
        let far = 600_000_000;
        // Published once; published often, so its channel has a backlog; parked; due sooner anyway.
        let rows: [(&str, State, i64, i64); 4] = [
            ("once", State::Queued, far, 1),
            ("often", State::Queued, far, 4),
            ("parked", State::Parked, far, 1),
            ("due", State::Accepted, 5, 1),
        ];
        for (row_id, (id, state, due_at, publishes)) in (1..).zip(rows) {
            let (id, sweep_at) = (id.to_owned(), due_at);
            let row = DeliveryRow { id, row_id, state, due_at, sweep_at, ..DeliveryRow::default() };
            database.query(INSERT, row.insertion()).await.unwrap();
            let sql = "UPDATE delivery_state SET publishes = $2 WHERE row_id = $1";
            database.query(sql, vec![row_id.into(), publishes.into()]).await.unwrap();
        }
        publish_soon(&mut database, 0).await.unwrap();
        let sql = "SELECT due_at, sweep_at FROM delivery_state ORDER BY id";
        let found = database.query(sql, Vec::new()).await.unwrap();
        let times: Vec<_> = found
            .into_iter()
            .map(|mut it| (it.number("due_at").unwrap(), it.number("sweep_at").unwrap()))
            .collect();
        assert_eq!(times, [5, far, 30_000_000, far].map(|it| (it, it)));
    }
}
