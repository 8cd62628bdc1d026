//! Open and Close: sessions of adapters, and the messages they give back.

use proto::journal::v1::OpenRequest;
use proto::message::v1::{ReceiverClass, State};

use crate::database::error::{Corrupt, DatabaseError};
use crate::delivery_row::number_of;
use crate::steps::give_back;
use crate::unit_of_work::UnitOfWork;

/// The lease of an adapter that names none.
const LEASE_MS: u64 = 600_000;

/// The longest lease: an adapter that needs longer has a defect.
const LEASE_MS_MAX: u64 = 7 * 24 * 3_600_000;

/// The messages in hand of a session.
const IN_SESSION: &str = "session = $1 AND state = $2 AND sweep_at > $3";

const INSERT: &str = "INSERT INTO session (id, application, adapter, receiver_class, lease_ms, \
     opened_at) VALUES ($1, $2, $3, $4, $5, $6)";

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
    let in_hand: Vec<_> = found.into_iter().filter(|it| is_in_hand(unit, it, id)).collect();
    for message in &in_hand {
        give_back(unit, message, class, "the session ended");
    }
    unit.database.query("DELETE FROM session WHERE id = $1", vec![id.into()]).await?;
    unit.forget_sessions();
    Ok(u32::try_from(in_hand.len()).unwrap_or(u32::MAX))
}

fn is_in_hand(unit: &UnitOfWork<'_>, message: &str, session: &str) -> bool {
    unit.row(message).is_some_and(|it| it.state == State::InHand && it.session == session)
}
