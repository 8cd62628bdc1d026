//! Receiving: windows to a handler, verdicts back, and what cannot go on to a keeper.

use std::{error::Error, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::time::Instant;

use crate::{
    channel::Channel,
    message::Message,
    metrics::Metrics,
    publish::PublisherFailure,
    rabbitmq::BrokerError,
    verdict::{Disposition, Fault, Verdict, Verdicts, code},
};

/// A window ends with the message that brings it to this many bytes.
pub(crate) const WINDOW_BYTES: usize = 8 * 1024 * 1024;

/// How soon a handler that answered "no hands" without waiting is asked again.
const HANDS_AGAIN: Duration = Duration::from_millis(50);

/// Does the work for a window: the messages that were ready, up to the receiver's bound.
///
/// Gives one verdict a message, in their order, and not a `Result`: a `?` must not be able to
/// leave a delivery unsettled, and one message's trouble must not become its neighbours'.
pub trait Handle: Send + Sync + 'static {
    /// Handles a window. A panic is caught; the messages are then handed over one by one, so that
    /// only the one that causes it is rejected. The others are seen a second time.
    fn handle(&self, window: Vec<Message>) -> impl Future<Output = Verdicts> + Send;

    /// Waits until at least one message can be taken, and says how many. It is asked when a
    /// message has come and before it is handed over; no more than the answer are handed over.
    fn capacity(&self) -> impl Future<Output = usize> + Send {
        async { usize::MAX }
    }
}

impl<H: Handle> Handle for Arc<H> {
    fn handle(&self, window: Vec<Message>) -> impl Future<Output = Verdicts> + Send {
        H::handle(self, window)
    }

    fn capacity(&self) -> impl Future<Output = usize> + Send {
        H::capacity(self)
    }
}

/// Keeps what cannot go on, and brings it back when it is due. The journal implements it.
pub trait FailureStore: Clone + Send + Sync + 'static {
    /// Parks or buries each message, as its fate says; all of them are safe, or none is. One that
    /// takes longer than the bus's bound failed.
    fn store_failures(
        &self,
        kept: Vec<(Message, Disposition)>,
    ) -> impl Future<Output = Result<(), FailureStoreError>> + Send;
}

/// The keeper could not make the messages safe; they stay on their channel.
#[derive(Debug, thiserror::Error)]
#[error("the keeper could not keep what cannot go on")]
pub struct FailureStoreError(#[source] Box<dyn Error + Send + Sync>);

impl FailureStoreError {
    /// Takes whatever stood in the keeper's way.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// What a receiver needs to know.
#[derive(Clone, Debug)]
pub struct Receiver<K> {
    /// Where it receives from.
    pub channel: Channel,
    /// The most messages of one window.
    pub window: u16,
    /// Who keeps what cannot go on.
    pub failure_store: K,
}

/// Why a receiver ended. What it had not settled is delivered again.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// There is no such channel.
    #[error("the channel `{channel}` does not exist")]
    NoChannel {
        /// Its name.
        channel: Channel,
    },
    /// The broker failed, or was silent for too long.
    #[error("the receiving link broke")]
    Link(#[from] BrokerError),
    /// The broker dropped the consumer, for instance because its queue was deleted.
    #[error("the broker dropped the consumer of `{channel}`")]
    ConsumerCancelled {
        /// Its channel.
        channel: Channel,
    },
    /// The acknowledgement went nowhere; the broker brings the window again.
    #[error("the window could not be settled")]
    NotSettled,
    /// What could not go on was not made safe.
    #[error("a message that cannot go on was not kept")]
    FailuresNotStored(#[from] FailureStoreError),
    /// Nobody said in time whether what could not go on is safe.
    #[error("a message that cannot go on was not kept within {limit:?}")]
    FailureStoreTimeout {
        /// The limit.
        limit: Duration,
    },
    /// A publisher of the same bus ended, so results could no longer be made safe.
    #[error("a publisher of this bus has ended")]
    Publisher(#[source] Arc<PublisherFailure>),
    /// A listener was too slow, and some broadcasts are gone; ask anew for what they told.
    #[error("{missed} broadcasts were missed")]
    Missed {
        /// How many.
        missed: u64,
    },
}

/// A window that is in hand and not yet settled.
pub(crate) trait Held: Sync {
    /// The messages to hand over; asked for once.
    fn messages(&mut self) -> Vec<Message>;
    /// A copy of the message at `place` among them.
    fn message(&self, place: usize) -> Message;
}

/// What a step of a receiver stands on.
pub(crate) struct Stand<'a, K> {
    pub(crate) receiver: &'a Receiver<K>,
    pub(crate) metrics: &'a Metrics,
    pub(crate) keep_limit: Duration,
}

/// One window, until everything its verdicts ask for is safe. It is then still to be settled.
/// `kept` holds what was buried before the handler could see it.
pub(crate) async fn step<K: FailureStore, H: Handle>(
    stand: &Stand<'_, K>,
    handler: &H,
    window: &mut impl Held,
    mut kept: Vec<(Message, Disposition)>,
) -> Result<(), ReceiveError> {
    let begun = Instant::now();
    let verdicts = judge(handler, window).await;
    stand.metrics.processed(&stand.receiver.channel, &verdicts, begun.elapsed());
    kept.extend(verdicts.into_iter().enumerate().filter_map(|(place, verdict)| match verdict {
        Verdict::Done => None,
        Verdict::Retry(fault) => Some((window.message(place), Disposition::Parked(fault))),
        Verdict::Reject(fault) => Some((window.message(place), Disposition::Dead(fault))),
    }));
    if kept.is_empty() {
        return Ok(());
    }
    tracing::warn!(count = kept.len(), "messages cannot go on");
    let limit = stand.keep_limit;
    match tokio::time::timeout(limit, stand.receiver.failure_store.store_failures(kept)).await {
        Ok(outcome) => Ok(outcome?),
        Err(_elapsed) => Err(ReceiveError::FailureStoreTimeout { limit }),
    }
}

async fn judge<H: Handle>(handler: &H, window: &mut impl Held) -> Vec<Verdict> {
    let messages = window.messages();
    let count = messages.len();
    if count == 0 {
        return Vec::new();
    }
    if let Some(verdicts) = caught(handler, messages).await {
        return verdicts.fit(count);
    }
    if count == 1 {
        return vec![panicked()];
    }
    let mut verdicts = Vec::with_capacity(count);
    for place in 0..count {
        match caught(handler, vec![window.message(place)]).await {
            Some(one) => verdicts.extend(one.fit(1)),
            None => verdicts.push(panicked()),
        }
    }
    verdicts
}

/// The handler's verdicts, or nothing if it panicked.
async fn caught<H: Handle>(handler: &H, messages: Vec<Message>) -> Option<Verdicts> {
    let count = messages.len();
    // The call stands inside the future, so that a panic before the first await is caught too.
    let handled = AssertUnwindSafe(async { handler.handle(messages).await }).catch_unwind().await;
    if handled.is_err() {
        tracing::error!(count, "handler panicked");
    }
    handled.ok()
}

fn panicked() -> Verdict {
    Verdict::Reject(Fault::new(code::PANICKED, "the handler panicked on this message"))
}

/// Waits until the handler can take something, and says how much.
pub(crate) async fn capacity<H: Handle>(handler: &H) -> usize {
    loop {
        match handler.capacity().await {
            0 => tokio::time::sleep(HANDS_AGAIN).await,
            hands => return hands,
        }
    }
}
