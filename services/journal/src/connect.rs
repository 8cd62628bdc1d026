//! Open, Renew and Close: sessions of adapters, and the messages they give back.

use std::time::Duration;

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::OpenRequest;
use proto::message::v1::{ReceiverClass, State};

use crate::database::Database;
use crate::database::error::{Corrupt, DatabaseError};
use crate::delivery_row::number_of;
use crate::lease::{LeaseEffect, LeaseEvent};
use crate::steps::give_back;
use crate::unit_of_work::UnitOfWork;

/// The lease of an adapter that names none.
const LEASE_MS: u64 = 600_000;

/// The longest lease: an adapter that needs longer has a defect.
const LEASE_MS_MAX: u64 = 7 * 24 * 3_600_000;

/// The messages in hand of a session.
const IN_SESSION: &str = "session = $1 AND state = $2 AND sweep_at > $3";

const INSERT: &str = "INSERT INTO session (id, application, adapter, receiver_class, lease_ms, \
     opened_at, adapter_version, address, gateway, renewed_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $6)";

/// A session that its gateway did not renew for this long is held by none: gateways renew them
/// every 10 seconds.
const UNRENEWED: Duration = Duration::from_secs(60);

/// Opens a session. An older one of the same adapter is closed; the number of messages it gave
/// back.
pub(crate) async fn open(
    unit: &mut UnitOfWork<'_>,
    id: &str,
    request: &OpenRequest,
) -> Result<u32, DatabaseError> {
    let (application, adapter) = (request.application.as_str(), request.adapter.as_str());
    let sql = "SELECT id FROM session WHERE application = $1 AND adapter = $2";
    let older = unit.database.query(sql, vec![application.into(), adapter.into()]).await?;
    let mut given_back = 0;
    for mut row in older {
        match row.text("id") {
            Ok(older) => given_back += close(unit, &older).await?,
            // Its messages are given back when their leases end.
            Err(_) => {
                Corrupt::new("session", format!("{application} {adapter}"), "id").log();
                let sql = "DELETE FROM session WHERE application = $1 AND adapter = $2";
                unit.database.query(sql, vec![application.into(), adapter.into()]).await?;
            }
        }
    }
    let lease_ms = if request.lease_ms == 0 { LEASE_MS } else { request.lease_ms };
    let lease_ms = i64::try_from(lease_ms.min(LEASE_MS_MAX)).unwrap_or_default();
    let values = vec![
        id.into(),
        application.into(),
        adapter.into(),
        i64::from(request.receiver_class).into(),
        lease_ms.into(),
        unit.now.into(),
        request.adapter_version.as_str().into(),
        request.address.as_str().into(),
        request.gateway.as_str().into(),
    ];
    unit.database.query(INSERT, values).await?;
    unit.forget_sessions();
    Ok(given_back)
}

/// Closes a session: the number of messages it gave back.
pub(crate) async fn close(unit: &mut UnitOfWork<'_>, id: &str) -> Result<u32, DatabaseError> {
    unit.load_sessions([id].into_iter()).await?;
    let Some(session) = unit.session_row(id) else { return Ok(0) };
    // What a session with a damaged row had in hand may have arrived, so it is in doubt.
    let class = session.as_ref().map_or(ReceiverClass::Unspecified, |it| it.class);
    let parameters = vec![id.into(), number_of(State::InHand).into(), unit.watermark.into()];
    let found = unit.find(IN_SESSION, vec![parameters]).await?;
    let mut given_back = 0;
    for message in &found {
        let closed = LeaseEvent::SessionClosed { session: id };
        if unit.advance_lease(message, closed) == LeaseEffect::GivenBack {
            give_back(unit, message, class, Fault::new(&code::LT_JNL_020));
            given_back += 1;
        }
    }
    unit.database.query("DELETE FROM session WHERE id = $1", vec![id.into()]).await?;
    unit.forget_sessions();
    Ok(given_back)
}

/// Notes that a gateway holds these sessions; those that are closed.
pub(crate) async fn renew(
    unit: &mut UnitOfWork<'_>,
    ids: &[String],
) -> Result<Vec<String>, DatabaseError> {
    let sql = "UPDATE session SET renewed_at = $2 WHERE id = $1 RETURNING id";
    let sets = ids.iter().map(|it| vec![it.as_str().into(), unit.now.into()]).collect();
    let renewed = unit.database.query_many(sql, sets).await?;
    let unknown = ids.iter().zip(renewed).filter(|(_, rows)| rows.is_empty());
    Ok(unknown.map(|(id, _)| id.clone()).collect())
}

/// Starts the time anew in which gateways must renew their sessions: they could not while no journal
/// ran.
pub(crate) async fn renew_all(database: &mut Database, now: i64) -> Result<(), DatabaseError> {
    database.query("UPDATE session SET renewed_at = $1", vec![now.into()]).await.map(drop)
}

/// Closes the sessions that no gateway holds any more and that have nothing in hand. What one has
/// in hand stays under its lease, because the adapter may settle it through another gateway.
pub(crate) async fn close_unrenewed(unit: &mut UnitOfWork<'_>) -> Result<(), DatabaseError> {
    let before = unit.now - i64::try_from(UNRENEWED.as_micros()).unwrap_or_default();
    let sql = "SELECT id FROM session WHERE renewed_at < $1";
    for mut row in unit.database.query(sql, vec![before.into()]).await? {
        let Ok(id) = row.text("id") else { continue };
        let in_hand = number_of(State::InHand).into();
        let parameters = vec![id.as_str().into(), in_hand, unit.watermark.into()];
        let found = unit.find(IN_SESSION, vec![parameters]).await?;
        if !found.iter().any(|it| is_in_hand(unit, it, &id)) {
            tracing::info!(session = id, "session that no gateway holds is closed");
            close(unit, &id).await?;
        }
    }
    Ok(())
}

fn is_in_hand(unit: &UnitOfWork<'_>, message: &str, session: &str) -> bool {
    unit.row(message).is_some_and(|it| it.state == State::InHand && it.session == session)
}
