//! Sends queued deliveries to an adapter: as a stream, or in answer to a long poll. What was not sent
//! when the stream or the poll ends goes back to the journal at once, for another session.

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use proto::exchange::v1::Delivery;
use proto::fault::code;
use proto::fault::v1::Fault;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use crate::fault::unavailable;
use crate::gateway::Gateway;
use crate::poll_response::SentDeliveries;
use crate::session::{Asking, DeliveryStream, Session};

/// The least time that a poll waits: what is ready in the channel is begun in the journal first.
const POLL_WAIT_MIN: Duration = Duration::from_millis(250);

/// How much longer a poll waits for deliveries that are being begun for it when its time is over.
const BEGIN_WAIT: Duration = Duration::from_secs(2);

/// An adapter that reads. When it is dropped the adapter has stopped asking.
struct Reader {
    gateway: Arc<Gateway>,
    session: Arc<Session>,
    /// None: it was closed.
    deliveries: Option<DeliveryStream>,
    asking: Asking,
}

impl Drop for Reader {
    fn drop(&mut self) {
        let Some(deliveries) = self.deliveries.take() else { return };
        let is_lost = self.asking == Asking::Stream && !self.session.closed.is_cancelled();
        let unsent = deliveries.close(is_lost.then(|| self.gateway.clock.now_us()));
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        if is_lost && self.gateway.draining.is_cancelled() {
            self.gateway.spawn_close_session(self.session.id.clone());
        }
        self.gateway.spawn_return_unsent(&self.session, unsent);
    }
}

impl Reader {
    fn open(gateway: &Arc<Gateway>, session: &Arc<Session>, asking: Asking) -> Result<Self, Fault> {
        let deliveries = session.open_stream(asking).ok_or_else(|| Fault::new(&code::LT_EX_016))?;
        let (gateway, session) = (gateway.clone(), session.clone());
        Ok(Self { gateway, session, deliveries: Some(deliveries), asking })
    }

    /// Waits for deliveries and takes at most `count_max` of them; none: the session has ended.
    async fn take(&self, count_max: usize) -> Vec<Delivery> {
        let Some(deliveries) = &self.deliveries else { return Vec::new() };
        loop {
            if self.session.closed.is_cancelled() {
                return Vec::new();
            }
            let taken = self.take_ready(count_max);
            if !taken.is_empty() {
                return taken;
            }
            tokio::select! {
                () = self.session.closed.cancelled() => return Vec::new(),
                () = deliveries.queued() => {}
            }
        }
    }

    /// Takes at most `count_max` of the deliveries that are queued.
    fn take_ready(&self, count_max: usize) -> Vec<Delivery> {
        let Some(deliveries) = &self.deliveries else { return Vec::new() };
        let (taken, expired) = deliveries.take(count_max, self.gateway.clock.now_us());
        // Not awaited: a caller that goes away meanwhile would drop the taken deliveries.
        self.gateway.spawn_return_unsent(&self.session, expired);
        taken
    }

    /// Waits until what is being begun for the session is queued, and takes it.
    async fn take_reserved(&self, count_max: usize) -> Vec<Delivery> {
        let until = Instant::now() + BEGIN_WAIT;
        while let Some(deliveries) = &self.deliveries {
            let has_reserved = deliveries.has_reserved();
            let taken = self.take_ready(count_max);
            if !taken.is_empty() || !has_reserved || self.session.closed.is_cancelled() {
                return taken;
            }
            if timeout_at(until, deliveries.queued()).await.is_err() {
                return Vec::new();
            }
        }
        Vec::new()
    }
}

/// Streams deliveries until the session ends; the last item is the reason.
pub(crate) fn stream(
    gateway: &Arc<Gateway>,
    session: &Arc<Session>,
) -> Result<impl Stream<Item = Result<Delivery, Status>> + Send + use<>, Fault> {
    let reader = Reader::open(gateway, session, Asking::Stream)?;
    Ok(futures::stream::unfold(Some(reader), |reader| async {
        let reader = reader?;
        let taken = reader.take(1).await;
        match taken.into_iter().next() {
            Some(delivery) => Some((Ok(delivery), Some(reader))),
            None => Some((Err(Status::from(end_reason(&reader.gateway))), None)),
        }
    }))
}

/// Why a session has ended: the gateway stops, or the session was replaced or closed.
fn end_reason(gateway: &Gateway) -> Fault {
    let is_stopping = gateway.draining.is_cancelled();
    if is_stopping { unavailable("gateway") } else { Fault::new(&code::LT_JNL_004) }
}

/// Waits at most `wait` for a delivery, and takes at most `count_max` of those that are queued.
/// They go back to the journal unless the response is written with them.
pub(crate) async fn poll(
    gateway: &Arc<Gateway>,
    session: &Arc<Session>,
    count_max: usize,
    wait: Duration,
) -> Result<(Vec<Delivery>, SentDeliveries), Fault> {
    let reader = Reader::open(gateway, session, Asking::Poll(count_max))?;
    let until = Instant::now() + wait.max(POLL_WAIT_MIN);
    let taken = match timeout_at(until, reader.take(count_max)).await {
        Ok(taken) if taken.is_empty() => return Err(end_reason(gateway)),
        Ok(taken) => taken,
        Err(_elapsed) => reader.take_reserved(count_max).await,
    };
    let sent = SentDeliveries::new(gateway, session, &taken);
    Ok((taken, sent))
}
