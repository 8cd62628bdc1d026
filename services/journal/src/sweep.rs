//! The sweeper and the operator: what is due is driven again, what waits is let go or ended.

use proto::journal::v1::command_request::Action;
use proto::journal::v1::{CommandRequest, CommandResponse};
use proto::message::v1::{State, Step};

use crate::database::{Database, DatabaseError};
use crate::deliver::give_back;
use crate::desk::Desk;
use crate::ending::release_behind;
use crate::stored::Stored;

/// How many rows one sweep looks at; more are looked at by the next one, at once.
pub(crate) const SWEEP_MAX: usize = 500;

/// Drives what is due. True: there may be more.
pub(crate) async fn sweep(desk: &mut Desk<'_>) -> Result<bool, DatabaseError> {
    // What simply went its way is passed over; the others have a later time afterwards.
    let condition = format!(
        "sweep_at > $1 AND sweep_at <= $2 AND state NOT IN (2, 7) ORDER BY sweep_at LIMIT {SWEEP_MAX}"
    );
    // A clock that was set back takes the sweeper with it: what is written now lies above it again.
    desk.swept = desk.swept.min(desk.now);
    let due = desk.find(&condition, vec![vec![desk.swept.into(), desk.now.into()]]).await?;
    let has_more = due.len() == SWEEP_MAX;
    let last = due.last().and_then(|it| desk.get(it)).map_or(desk.now, |it| it.sweep_at);
    // More rows may have the time of the last one.
    desk.swept = desk.swept.max(if has_more { last - 1 } else { desk.now });
    for id in &due {
        desk.look_later(id);
        let Some(row) = desk.get(id).cloned() else { continue };
        if row.next_at > desk.now || !row.is_moving() {
            continue;
        }
        if row.state == State::InHand {
            expired(desk, &row).await?;
            continue;
        }
        if row.state == State::Parked {
            desk.step(id, Step::DrivenAgain, "");
            desk.change(id, |row| row.driven = 0);
        }
        desk.drive(id);
    }
    Ok(has_more)
}

async fn expired(desk: &mut Desk<'_>, row: &Stored) -> Result<(), DatabaseError> {
    desk.load_sessions([row.session.as_str()].into_iter()).await?;
    let class = desk.session(&row.session).unwrap_or_default().class;
    give_back(desk, &row.id, class, "the lease is over");
    Ok(())
}

/// Makes the next of what was on its way due, as many as one statement may take, and says which.
const DUE_AGAIN: &str = "UPDATE standing SET next_at = 1, sweep_at = $1, driven = 0 WHERE slot IN \
     (SELECT slot FROM standing WHERE sweep_at > $1 AND state IN (1, 3, 4, 5) \
     ORDER BY sweep_at LIMIT 5000) RETURNING id";

/// Drives everything that was on its way: after a start of a process whose channels were memory.
pub(crate) async fn drive_all(database: &mut Database) -> Result<(), DatabaseError> {
    // The sweeper goes back by one, to where they now lie.
    let found = database.query("UPDATE swept SET at = at - 1 RETURNING at", Vec::new()).await?;
    let back = found.into_iter().next().map_or(0, |mut it| it.number());
    while !database.query(DUE_AGAIN, vec![(back + 1).into()]).await?.is_empty() {}
    Ok(())
}

/// Makes the next of what was driven once due by a time.
const DUE_SOON: &str = "UPDATE standing SET next_at = $1, \
     sweep_at = CASE WHEN sweep_at > $1 THEN $1 ELSE sweep_at END WHERE slot IN \
     (SELECT slot FROM standing WHERE sweep_at > $2 AND next_at > $1 AND state IN (1, 3) \
     AND driven = 1 ORDER BY sweep_at LIMIT 5000) RETURNING id";

/// Looks soon at what may have been on its way to a channel when the process before this ended:
/// its drive was written down, and then perhaps never published.
pub(crate) async fn look_soon(database: &mut Database, now: i64) -> Result<(), DatabaseError> {
    let soon = crate::plan::deadline(now, 0);
    let found = database.query("SELECT at FROM swept", Vec::new()).await?;
    let swept = found.into_iter().next().map_or(0, |mut it| it.number());
    while !database.query(DUE_SOON, vec![soon.into(), swept.into()]).await?.is_empty() {}
    Ok(())
}

/// Does what an operator asks.
pub(crate) async fn command(
    desk: &mut Desk<'_>,
    request: CommandRequest,
) -> Result<CommandResponse, DatabaseError> {
    desk.load(request.message_ids.iter().map(String::as_str)).await?;
    let action = request.action();
    let words = format!("{}: {}", request.actor, request.reason);
    let mut response = CommandResponse::default();
    for id in request.message_ids {
        let state = desk.get(&id).map_or(State::Unspecified, |it| it.state);
        if act(desk, &id, state, action, &words) {
            response.done.push(id);
        } else {
            response.not_done.push(id);
        }
    }
    let ended: Vec<_> = response
        .done
        .iter()
        .filter(|it| desk.get(it).is_some_and(Stored::is_ended))
        .cloned()
        .collect();
    release_behind(desk, &ended).await?;
    Ok(response)
}

fn act(desk: &mut Desk<'_>, id: &str, state: State, action: Action, words: &str) -> bool {
    match (action, state) {
        (Action::Release, State::Held | State::Parked | State::Queued | State::Accepted)
        | (Action::Redrive, State::Dead | State::InDoubt | State::Parked) => {
            desk.step(id, Step::DrivenAgain, words);
            desk.change(id, |row| {
                row.tries = 0;
                row.driven = 0;
            });
            desk.drive(id);
            true
        }
        (
            Action::Withdraw,
            State::Held
            | State::Parked
            | State::Dead
            | State::InDoubt
            | State::Queued
            | State::Accepted,
        ) => {
            desk.step(id, Step::Withdrawn, words);
            desk.to(id, State::Withdrawn, 0);
            true
        }
        (Action::Confirm, State::InDoubt) => {
            desk.step(id, Step::Confirmed, words);
            desk.to(id, State::Taken, 0);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn after_a_start_what_was_just_driven_is_due_soon() {
        let (mut database, _folder) = Database::empty().await;
        let insert = "INSERT INTO standing (id, parent, recipients, accepted_at, body_size, \
                      conversation, application, sequence, urgency, state, changed_at, next_at, \
                      attempt, tries, driven, session, lease, fault, detail, behind, sweep_at, \
                      told_at) VALUES ($1, '', '', 0, 1, '', '', 1, 0, $2, 0, $3, 0, 0, $4, '', 0, \
                      x'', '', '', $3, x'')";
        let far = 600_000_000;
        // Driven once; driven often, so it is behind a backlog; parked; due sooner anyway.
        let rows: [(&str, i64, i64, i64); 4] =
            [("once", 3, far, 1), ("often", 3, far, 4), ("parked", 6, far, 1), ("due", 1, 5, 1)];
        for (id, state, next_at, driven) in rows {
            let values = vec![id.into(), state.into(), next_at.into(), driven.into()];
            database.query(insert, values).await.unwrap();
        }
        look_soon(&mut database, 0).await.unwrap();
        let sql = "SELECT next_at, sweep_at FROM standing ORDER BY id";
        let found = database.query(sql, Vec::new()).await.unwrap();
        let times: Vec<_> = found.into_iter().map(|mut it| (it.number(), it.number())).collect();
        assert_eq!(times, [5, far, 30_000_000, far].map(|it| (it, it)));
    }
}
