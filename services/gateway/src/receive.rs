//! Deliveries on their way out: as a stream, or in answer to a long poll.

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use proto::exchange::v1::Delivery;
use proto::fault::code;
use proto::fault::v1::Fault;
use tokio::sync::{OwnedMutexGuard, mpsc};
use tonic::Status;

use crate::fault::away;
use crate::gateway::Gateway;
use crate::session::Session;

/// An adapter's stream. Whoever holds it is connected; dropped, the session is closed.
struct Receiving {
    gateway: Gateway,
    session: Arc<Session>,
    /// None: the last word has been said.
    outlet: Option<OwnedMutexGuard<mpsc::Receiver<Delivery>>>,
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.outlet = None;
        if self.session.closed.is_cancelled() || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (gateway, session) = (self.gateway.clone(), self.session.clone());
        self.gateway.busy.spawn(async move { gateway.close(&session.id).await });
    }
}

/// Deliveries as they come, until the session ends; its last word says why.
pub(crate) fn stream(
    gateway: &Gateway,
    session: Arc<Session>,
) -> Result<impl Stream<Item = Result<Delivery, Status>> + Send + use<>, Fault> {
    let outlet = session.outlet().ok_or_else(|| Fault::new(&code::LT_EX_016))?;
    let receiving = Receiving { gateway: gateway.clone(), session, outlet: Some(outlet) };
    Ok(futures::stream::unfold(receiving, |mut receiving| async {
        let closed = receiving.session.closed.clone();
        let outlet = receiving.outlet.as_mut()?;
        let delivery = tokio::select! {
            biased;
            () = closed.cancelled() => None,
            delivery = outlet.recv() => delivery,
        };
        let item = delivery.ok_or_else(|| {
            receiving.outlet = None;
            Status::from(over(&receiving.gateway))
        });
        Some((item, receiving))
    }))
}

/// Why a session ended: the gateway stops, or there is a newer one.
fn over(gateway: &Gateway) -> Fault {
    if gateway.stopping.is_cancelled() { away("gateway") } else { Fault::new(&code::LT_JNL_004) }
}

/// Takes deliveries for a caller that cannot keep a stream: waits for the first one at most so
/// long, and takes what else is there.
pub(crate) async fn poll(
    gateway: &Gateway,
    session: &Session,
    most: usize,
    wait: Duration,
) -> Result<Vec<Delivery>, Fault> {
    let mut outlet = session.outlet().ok_or_else(|| Fault::new(&code::LT_EX_016))?;
    let first = tokio::select! {
        () = session.closed.cancelled() => return Err(over(gateway)),
        first = tokio::time::timeout(wait, outlet.recv()) => first.ok().flatten(),
    };
    let mut deliveries: Vec<Delivery> = first.into_iter().collect();
    let is_some = !deliveries.is_empty();
    while let (true, Ok(next)) = (is_some && deliveries.len() < most, outlet.try_recv()) {
        deliveries.push(next);
    }
    Ok(deliveries)
}
