//! Sends queued deliveries to an adapter: as a stream, or in answer to a long poll.

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use proto::exchange::v1::Delivery;
use proto::fault::code;
use proto::fault::v1::Fault;
use tonic::Status;

use crate::fault::unavailable;
use crate::gateway::Gateway;
use crate::session::{DeliveryStream, Session};

/// The stream of a connected adapter. When it is dropped the connection broke: another stream may
/// be opened for a while before the session is closed.
struct ConnectedStream {
    gateway: Arc<Gateway>,
    session: Arc<Session>,
    /// None: the reason of the end was sent.
    deliveries: Option<DeliveryStream>,
}

impl Drop for ConnectedStream {
    fn drop(&mut self) {
        if self.session.closed.is_cancelled() || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        self.session.mark_broken(self.gateway.clock.now_us());
        let (gateway, session) = (self.gateway.clone(), self.session.clone());
        self.gateway.open_work.spawn(async move {
            if gateway.draining.is_cancelled() {
                gateway.close_session(&session.id).await;
            } else {
                // Another session of the application may take them while this one has no stream.
                let unsent = session.take_unsent();
                gateway.return_unsent(&session, unsent).await;
            }
        });
    }
}

/// Streams deliveries until the session ends; the last item is the reason.
pub(crate) fn stream(
    gateway: &Arc<Gateway>,
    session: Arc<Session>,
) -> Result<impl Stream<Item = Result<Delivery, Status>> + Send + use<>, Fault> {
    let deliveries = session.open_stream().ok_or_else(|| Fault::new(&code::LT_EX_016))?;
    let connected =
        ConnectedStream { gateway: gateway.clone(), session, deliveries: Some(deliveries) };
    Ok(futures::stream::unfold(connected, |mut connected| async {
        let deliveries = connected.deliveries.as_ref()?;
        let taken = take(&connected.gateway, &connected.session, deliveries, 1).await;
        let item = taken.into_iter().next().ok_or_else(|| {
            connected.deliveries = None;
            Status::from(end_reason(&connected.gateway))
        });
        Some((item, connected))
    }))
}

/// Waits for deliveries and takes at most `count_max` of them; none: the session has ended.
async fn take(
    gateway: &Arc<Gateway>,
    session: &Arc<Session>,
    deliveries: &DeliveryStream,
    count_max: usize,
) -> Vec<Delivery> {
    loop {
        if session.closed.is_cancelled() {
            return Vec::new();
        }
        let (taken, expired) = deliveries.take(count_max, gateway.clock.now_us());
        // Not awaited: a caller that goes away meanwhile would drop the taken deliveries.
        gateway.spawn_return_unsent(session, expired);
        if !taken.is_empty() {
            return taken;
        }
        tokio::select! {
            () = session.closed.cancelled() => return Vec::new(),
            () = deliveries.queued() => {}
        }
    }
}

/// Why a session has ended: the gateway stops, or the session was replaced or closed.
fn end_reason(gateway: &Gateway) -> Fault {
    let is_stopping = gateway.draining.is_cancelled();
    if is_stopping { unavailable("gateway") } else { Fault::new(&code::LT_JNL_004) }
}

/// Waits at most `wait` for a delivery, and takes at most `count_max` of those that are queued.
pub(crate) async fn poll(
    gateway: &Arc<Gateway>,
    session: &Arc<Session>,
    count_max: usize,
    wait: Duration,
) -> Result<Vec<Delivery>, Fault> {
    let deliveries = session.open_stream().ok_or_else(|| Fault::new(&code::LT_EX_016))?;
    let taking = take(gateway, session, &deliveries, count_max);
    match tokio::time::timeout(wait, taking).await {
        Ok(taken) if taken.is_empty() => Err(end_reason(gateway)),
        Ok(taken) => Ok(taken),
        Err(_elapsed) => Ok(Vec::new()),
    }
}
