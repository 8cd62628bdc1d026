//! The part of a receive loop that both transports share: a window goes to the handler, and the
//! messages that cannot go on go to the failure store before the window is settled.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::time::Instant;

use crate::{
    channel::Channel,
    error::{FailureStoreError, ReceiveError},
    message::Message,
    metrics::Metrics,
    verdict::{Disposition, Fault, Verdict, Verdicts, code},
};

/// How soon a handler that answered a capacity of 0 without waiting is asked again.
const CAPACITY_INTERVAL: Duration = Duration::from_millis(50);

/// Handles windows: the messages that were ready, up to the receiver's bound.
///
/// It returns one verdict per message, in their order, and no `Result`: a `?` must not leave a
/// delivery unsettled, and one message's failure must not become its neighbours'.
pub trait Handle: Send + Sync + 'static {
    /// Handles a window. A panic is caught; the messages are then handled one by one, so that only
    /// the message that causes the panic is rejected. The others are handled a second time.
    fn handle(&self, window: Vec<Message>) -> impl Future<Output = Verdicts> + Send;

    /// Waits until the handler can take at least one message, and returns how many it can take. It
    /// is called when a message is ready, and the next window is at most that large.
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

/// Stores messages that cannot go on. The journal implements it.
pub trait FailureStore: Clone + Send + Sync + 'static {
    /// Stores each message as its disposition says; either all of them are durable, or the call
    /// fails. A call that exceeds the bus's time limit counts as failed.
    fn store_failures(
        &self,
        failures: Vec<(Message, Disposition)>,
    ) -> impl Future<Output = Result<(), FailureStoreError>> + Send;
}

/// The settings of one receiver.
#[derive(Clone, Debug)]
pub struct Receiver<K> {
    /// The channel to receive from.
    pub channel: Channel,
    /// The most messages of one window.
    pub window: u16,
    /// Where messages that cannot go on are stored.
    pub failure_store: K,
}

/// A window that the transport has taken and not yet settled.
pub(crate) trait PendingWindow: Sync {
    /// Moves the messages out for the handler; called once.
    fn take_messages(&mut self) -> Vec<Message>;
    /// A copy of the message at `index`.
    fn message(&self, index: usize) -> Message;
}

/// What a receive loop needs for every window.
pub(crate) struct ReceiveContext<'a, K> {
    pub(crate) receiver: &'a Receiver<K>,
    pub(crate) metrics: &'a Metrics,
    pub(crate) failure_store_limit: Duration,
}

/// Handles one window and stores its failures. When it returns `Ok`, the window may be settled.
/// `failures` begins with the messages that could not be decoded.
pub(crate) async fn process_window<K: FailureStore, H: Handle>(
    context: &ReceiveContext<'_, K>,
    handler: &H,
    window: &mut impl PendingWindow,
    mut failures: Vec<(Message, Disposition)>,
) -> Result<(), ReceiveError> {
    let begun = Instant::now();
    let verdicts = collect_verdicts(handler, window).await;
    context.metrics.record_processed(&context.receiver.channel, &verdicts, begun.elapsed());
    failures.extend(verdicts.into_iter().enumerate().filter_map(
        |(index, verdict)| match verdict {
            Verdict::Done => None,
            Verdict::Retry(fault) => Some((window.message(index), Disposition::Parked(fault))),
            Verdict::Reject(fault) => Some((window.message(index), Disposition::Dead(fault))),
        },
    ));
    if failures.is_empty() {
        return Ok(());
    }
    tracing::warn!(count = failures.len(), "messages cannot go on");
    let limit = context.failure_store_limit;
    let storing = context.receiver.failure_store.store_failures(failures);
    match tokio::time::timeout(limit, storing).await {
        Ok(stored) => Ok(stored?),
        Err(_elapsed) => Err(ReceiveError::FailureStoreTimeout { limit }),
    }
}

async fn collect_verdicts<H: Handle>(handler: &H, window: &mut impl PendingWindow) -> Vec<Verdict> {
    let messages = window.take_messages();
    let count = messages.len();
    if count == 0 {
        return Vec::new();
    }
    if let Some(verdicts) = call_handler(handler, messages).await {
        return verdicts.fit(count);
    }
    if count == 1 {
        return vec![reject_panicked()];
    }
    let mut verdicts = Vec::with_capacity(count);
    for index in 0..count {
        match call_handler(handler, vec![window.message(index)]).await {
            Some(verdict) => verdicts.extend(verdict.fit(1)),
            None => verdicts.push(reject_panicked()),
        }
    }
    verdicts
}

/// The handler's verdicts; `None` when it panicked.
async fn call_handler<H: Handle>(handler: &H, messages: Vec<Message>) -> Option<Verdicts> {
    let count = messages.len();
    // The call stands inside the future, so that a panic before the first await is caught too.
    let handled = AssertUnwindSafe(async { handler.handle(messages).await }).catch_unwind().await;
    if handled.is_err() {
        tracing::error!(count, "handler panicked");
    }
    handled.ok()
}

fn reject_panicked() -> Verdict {
    Verdict::Reject(Fault::new(code::PANICKED, "the handler panicked on this message"))
}

/// Waits until the handler has capacity, and returns it.
pub(crate) async fn wait_for_capacity<H: Handle>(handler: &H) -> usize {
    loop {
        match handler.capacity().await {
            0 => tokio::time::sleep(CAPACITY_INTERVAL).await,
            capacity => return capacity,
        }
    }
}
