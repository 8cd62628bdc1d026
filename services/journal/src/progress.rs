//! What waits in each channel, and the sessions that are stored: reads for operators.

use std::collections::{BTreeMap, HashMap};

use proto::message::v1::State;
use proto::operate::v1::{ChannelProgress, ProgressResponse, Session};

use crate::database::Database;
use crate::database::error::DatabaseError;
use crate::database::row::{Row, Unreadable};
use crate::delivery_row::{self, resting_sweep_at, sql_list};
use crate::last_progress::{LastProgress, channel_of};
use crate::pauses::Pauses;
use crate::row_cache::{SELECT_WATERMARK, WATERMARK_COLUMN};

/// Messages that are not routed yet and are counted by partition; more are counted, but not told
/// apart by partition.
const UNROUTED_MAX: usize = 100_000;

/// Counts what waits, by channel.
pub(crate) async fn progress(
    database: &mut Database,
    (last, partitions): (&LastProgress, u16),
) -> Result<ProgressResponse, DatabaseError> {
    let pauses = Pauses::read(database, partitions).await?;
    let watermark = database.query_number(SELECT_WATERMARK, WATERMARK_COLUMN).await?;
    let moving = [State::Queued, State::Held, State::InHand, State::Parked];
    let by_application = format!(
        "SELECT application, state, COUNT(*) AS count, MIN(accepted_at) AS oldest, \
         '' AS conversation FROM delivery_state WHERE sweep_at > $1 AND application <> '' \
         AND state IN ({}) GROUP BY application, state",
        sql_list(&moving)
    );
    let stopped = format!(
        "SELECT application, state, CAST(1 AS BIGINT) AS count, \
         CAST(0 AS BIGINT) AS oldest, conversation FROM delivery_state \
         WHERE sweep_at IN ({}, {}) LIMIT {UNROUTED_MAX}",
        resting_sweep_at(State::Dead),
        resting_sweep_at(State::InDoubt)
    );
    let unrouted = format!(
        "SELECT application, state, CAST(1 AS BIGINT) AS count, \
         accepted_at AS oldest, conversation \
         FROM delivery_state WHERE sweep_at > $1 AND application = '' AND state IN ({}) \
         ORDER BY sweep_at LIMIT {UNROUTED_MAX}",
        sql_list(&[State::Accepted, State::Queued, State::Held, State::Parked])
    );
    let mut channels: BTreeMap<String, ChannelProgress> = BTreeMap::new();
    for (sql, values) in [
        (by_application, vec![watermark.into()]),
        (unrouted, vec![watermark.into()]),
        (stopped, Vec::new()),
    ] {
        for mut row in database.query(&sql, values).await? {
            if let Err(unreadable) = add(&mut channels, &mut row, partitions) {
                // It is counted as soon as the sweeper has made it a dead letter.
                unreadable.in_row(delivery_row::TABLE, "").log();
            }
        }
    }
    for (channel, at) in last.all() {
        entry(&mut channels, &channel).last_progress_us = at;
    }
    let mut unfinished = 0;
    for it in channels.values_mut() {
        it.paused = is_paused(&pauses, it);
        unfinished += it.waiting + it.in_flight + it.parked;
    }
    Ok(ProgressResponse { channels: channels.into_values().collect(), unfinished })
}

fn entry<'a>(
    channels: &'a mut BTreeMap<String, ChannelProgress>,
    channel: &str,
) -> &'a mut ChannelProgress {
    channels.entry(channel.to_owned()).or_insert_with(|| ChannelProgress {
        channel: channel.to_owned(),
        application: channel.strip_prefix("delivery.").unwrap_or_default().to_owned(),
        ..ChannelProgress::default()
    })
}

fn add(
    channels: &mut BTreeMap<String, ChannelProgress>,
    row: &mut Row,
    partitions: u16,
) -> Result<(), Unreadable> {
    let state = delivery_row::state(row)?;
    let count = u64::try_from(row.number("count")?).unwrap_or_default();
    let (application, conversation) = (row.text("application")?, row.text("conversation")?);
    let oldest = row.number("oldest")?;
    let of = entry(channels, &channel_of(&application, &conversation, partitions));
    match state {
        State::InHand => of.in_flight += count,
        State::Parked => of.parked += count,
        State::Dead | State::InDoubt => of.stopped += count,
        State::Unspecified
        | State::Accepted
        | State::Routed
        | State::Queued
        | State::Held
        | State::Taken
        | State::Refused
        | State::Withdrawn => of.waiting += count,
    }
    if oldest > 0 && (of.oldest_us == 0 || oldest < of.oldest_us) {
        of.oldest_us = oldest;
    }
    Ok(())
}

fn is_paused(pauses: &Pauses, of: &ChannelProgress) -> bool {
    if of.application.is_empty() {
        pauses.of_partition(&of.channel).is_some()
    } else {
        pauses.of_delivery(&of.application, "").is_some()
    }
}

const SESSIONS: &str = "SELECT id, application, adapter, adapter_version, address, opened_at, \
     gateway FROM session ORDER BY application, adapter, id";

/// The stored sessions, with what each has in hand.
pub(crate) async fn sessions(database: &mut Database) -> Result<Vec<Session>, DatabaseError> {
    let watermark = database.query_number(SELECT_WATERMARK, WATERMARK_COLUMN).await?;
    let in_hand = format!(
        "SELECT session, COUNT(*) AS count, MAX(due_at) AS until FROM delivery_state \
         WHERE sweep_at > $1 AND state IN ({}) GROUP BY session",
        sql_list(&[State::InHand])
    );
    let mut leases: HashMap<String, (u32, i64)> = HashMap::new();
    for mut row in database.query(&in_hand, vec![watermark.into()]).await? {
        if let (Ok(id), Ok(count), Ok(until)) =
            (row.text("session"), row.number("count"), row.number("until"))
        {
            leases.insert(id, (u32::try_from(count).unwrap_or(u32::MAX), until));
        }
    }
    let mut sessions = Vec::new();
    for mut row in database.query(SESSIONS, Vec::new()).await? {
        // A damaged row belongs to a session that cannot be shown; its leases end by their time.
        let Ok(mut session) = read_session(&mut row) else { continue };
        let (in_flight, until) = leases.get(&session.id).copied().unwrap_or_default();
        (session.in_flight, session.lease_until_us) = (in_flight, until);
        sessions.push(session);
    }
    Ok(sessions)
}

fn read_session(row: &mut Row) -> Result<Session, Unreadable> {
    Ok(Session {
        id: row.text("id")?,
        application: row.text("application")?,
        adapter: row.text("adapter")?,
        adapter_version: row.text("adapter_version")?,
        address: row.text("address")?,
        opened_at_us: row.number("opened_at")?,
        gateway: row.text("gateway")?,
        stored: true,
        ..Session::default()
    })
}
