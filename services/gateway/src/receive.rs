//! Deliveries on their way out: as a stream, or in answer to a long poll.

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use proto::exchange::v1::Delivery;
use proto::fault::code;
use proto::fault::v1::Fault;
use tonic::Status;

use crate::fault::away;
use crate::gateway::Gateway;
use crate::session::{DeliveryStream, Session};

/// An adapter's stream. Whoever holds it is connected; dropped, it may be taken up again for a
/// while before the session is closed.
struct Receiving {
    gateway: Arc<Gateway>,
    session: Arc<Session>,
    /// None: the last word has been said.
    outlet: Option<DeliveryStream>,
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if self.session.closed.is_cancelled() || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        self.session.mark_broken(self.gateway.clock.now_us());
        let (gateway, session) = (self.gateway.clone(), self.session.clone());
        self.gateway.busy.spawn(async move {
            if gateway.draining.is_cancelled() {
                gateway.close(&session.id).await;
            } else {
                // Somebody else may have it meanwhile.
                let unsent = session.take_unsent();
                gateway.return_unsent(&session, unsent).await;
            }
        });
    }
}

/// Deliveries as they come, until the session ends; its last word says why.
pub(crate) fn stream(
    gateway: &Arc<Gateway>,
    session: Arc<Session>,
) -> Result<impl Stream<Item = Result<Delivery, Status>> + Send + use<>, Fault> {
    let outlet = session.open_stream().ok_or_else(|| Fault::new(&code::LT_EX_016))?;
    let receiving = Receiving { gateway: gateway.clone(), session, outlet: Some(outlet) };
    Ok(futures::stream::unfold(receiving, |mut receiving| async {
        let outlet = receiving.outlet.as_ref()?;
        let deliveries = take(&receiving.gateway, &receiving.session, outlet, 1).await;
        let item = deliveries.into_iter().next().ok_or_else(|| {
            receiving.outlet = None;
            Status::from(over(&receiving.gateway))
        });
        Some((item, receiving))
    }))
}

/// Waits for deliveries and takes what is there, up to `most`; none: the session is over.
async fn take(
    gateway: &Arc<Gateway>,
    session: &Arc<Session>,
    outlet: &DeliveryStream,
    most: usize,
) -> Vec<Delivery> {
    loop {
        if session.closed.is_cancelled() {
            return Vec::new();
        }
        let (taken, lapsed) = outlet.take(most, gateway.clock.now_us());
        // Not waited for: what was taken must not be lost with a caller who goes away.
        gateway.leave_unsent(session, lapsed);
        if !taken.is_empty() {
            return taken;
        }
        tokio::select! {
            () = session.closed.cancelled() => return Vec::new(),
            () = outlet.queued() => {}
        }
    }
}

/// Why a session ended: the gateway stops, or there is a newer one.
fn over(gateway: &Gateway) -> Fault {
    if gateway.draining.is_cancelled() { away("gateway") } else { Fault::new(&code::LT_JNL_004) }
}

/// Takes deliveries for a caller that cannot keep a stream: waits for the first one at most so
/// long, and takes what else is there.
pub(crate) async fn poll(
    gateway: &Arc<Gateway>,
    session: &Arc<Session>,
    most: usize,
    wait: Duration,
) -> Result<Vec<Delivery>, Fault> {
    let outlet = session.open_stream().ok_or_else(|| Fault::new(&code::LT_EX_016))?;
    let taking = take(gateway, session, &outlet, most);
    match tokio::time::timeout(wait, taking).await {
        Ok(deliveries) if deliveries.is_empty() => Err(over(gateway)),
        Ok(deliveries) => Ok(deliveries),
        Err(_elapsed) => Ok(Vec::new()),
    }
}
