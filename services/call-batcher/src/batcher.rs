//! The queue of calls, and the loop that turns it into batches.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::{Mutex, Semaphore, oneshot};
use tokio::task::JoinSet;
use tracing::{Instrument as _, Span};

/// How large a batch may become, and how many of them are handled at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// The most items of one batch.
    pub items_max: usize,
    /// The most bytes of one batch, as the batcher's `size` function counts them. An item larger
    /// than this is sent alone.
    pub bytes_max: usize,
    /// The most batches handled at the same time. 1 keeps the order of the calls; more let the next
    /// batch start while the first waits for its answer.
    pub in_flight_max: usize,
}

/// Why a call has no output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The queue is full. The item was not taken, so nothing was done.
    QueueFull,
    /// The handler panicked, gave no output for this item, or exceeded the time limit; or the
    /// batcher has ended. The item may have been handled.
    Unanswered,
}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::QueueFull => "the queue of calls is full",
            Self::Unanswered => "the call was not answered",
        })
    }
}

impl std::error::Error for CallError {}

/// An item in the queue.
struct Call<I, O> {
    item: I,
    reply: oneshot::Sender<O>,
    /// The span of the caller. A batch is handled in the span of its first call, so that the trace
    /// of at least one caller shows the shared call.
    span: Span,
}

/// A bounded queue of calls that are handled in batches. Clones share the queue.
///
/// The queue is handled either by [`run`](Self::run) or by the task that [`spawn`](Self::spawn)
/// starts.
pub struct CallBatcher<I, O> {
    calls: mpsc::Sender<Call<I, O>>,
    queue: Arc<Mutex<mpsc::Receiver<Call<I, O>>>>,
    size: fn(&I) -> usize,
    /// The task of [`spawn`](Self::spawn), aborted with the last clone.
    _task: Option<Arc<JoinSet<()>>>,
}

impl<I, O> Clone for CallBatcher<I, O> {
    fn clone(&self) -> Self {
        Self {
            calls: self.calls.clone(),
            queue: self.queue.clone(),
            size: self.size,
            _task: self._task.clone(),
        }
    }
}

impl<I, O> fmt::Debug for CallBatcher<I, O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CallBatcher")
            .field("queue_max", &self.calls.max_capacity())
            .field("free", &self.calls.capacity())
            .finish_non_exhaustive()
    }
}

impl<I: Send + 'static, O: Send + 'static> CallBatcher<I, O> {
    /// A queue of at most `queue_max` calls, which wait until [`run`](Self::run) handles them.
    /// `size` returns the bytes that an item adds to its batch.
    pub fn new(queue_max: usize, size: fn(&I) -> usize) -> Self {
        let (calls, queue) = mpsc::channel(queue_max.max(1));
        Self { calls, queue: Arc::new(Mutex::new(queue)), size, _task: None }
    }

    /// A queue that a task of its own handles. The task is aborted when the last clone is dropped;
    /// calls that were still waiting then end as [`CallError::Unanswered`].
    pub fn spawn<H, F>(
        queue_max: usize,
        size: fn(&I) -> usize,
        limits: BatchLimits,
        handler: H,
    ) -> Self
    where
        H: Fn(Vec<I>) -> F + Send + 'static,
        F: Future<Output = Vec<O>> + Send + 'static,
    {
        let batcher = Self::new(queue_max, size);
        let queue = batcher.queue.clone();
        let mut task = JoinSet::new();
        task.spawn(handle_batches(queue, size, limits, handler));
        Self { _task: Some(Arc::new(task)), ..batcher }
    }

    /// Handles the queue in batches. It does not end while a batcher of this queue exists; dropping
    /// the future aborts the batches in flight. A second `run` waits until the first is dropped.
    ///
    /// `handler` returns one output per item, in the order of the items. An item without an output
    /// ends as [`CallError::Unanswered`], so a handler whose items are all enqueued without a reply
    /// may return an empty list.
    pub async fn run<H, F>(&self, limits: BatchLimits, handler: H)
    where
        H: Fn(Vec<I>) -> F,
        F: Future<Output = Vec<O>> + Send + 'static,
    {
        handle_batches(self.queue.clone(), self.size, limits, handler).await;
    }

    /// Ends the queue once no [`run`](Self::run) handles it any more: calls that wait, and later ones,
    /// end at once as [`CallError::Unanswered`], and not only when their time is over. While it is
    /// handled this does nothing.
    pub fn close(&self) {
        let Ok(mut queue) = self.queue.try_lock() else { return };
        queue.close();
        while queue.try_recv().is_ok() {}
    }

    /// Enqueues an item and waits for its output.
    ///
    /// # Errors
    ///
    /// The queue is full, or there is no output within `time_limit`. After a timeout the item stays
    /// in its batch and may still be handled.
    pub async fn try_call(&self, item: I, time_limit: Duration) -> Result<O, CallError> {
        let (reply, output) = oneshot::channel();
        self.try_send(Call { item, reply, span: Span::current() })?;
        match tokio::time::timeout(time_limit, output).await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(_)) | Err(_) => Err(CallError::Unanswered),
        }
    }

    /// Waits for a free slot in the queue and then for the output, both without a time limit: the
    /// handler has limits of its own.
    ///
    /// # Errors
    ///
    /// The handler gave no output for this item, or the batcher has ended.
    pub async fn call(&self, item: I) -> Result<O, CallError> {
        let (reply, output) = oneshot::channel();
        self.send(Call { item, reply, span: Span::current() }).await?;
        output.await.map_err(|_dropped| CallError::Unanswered)
    }

    /// Enqueues an item whose output is not needed.
    ///
    /// # Errors
    ///
    /// The queue is full.
    pub fn try_enqueue(&self, item: I) -> Result<(), CallError> {
        // No caller waits, so the batch belongs to no caller's span.
        self.try_send(Call { item, reply: oneshot::channel().0, span: Span::none() })
    }

    /// Waits for a free slot in the queue and enqueues an item whose output is not needed.
    ///
    /// # Errors
    ///
    /// The batcher has ended.
    pub async fn enqueue(&self, item: I) -> Result<(), CallError> {
        self.send(Call { item, reply: oneshot::channel().0, span: Span::none() }).await
    }

    fn try_send(&self, call: Call<I, O>) -> Result<(), CallError> {
        self.calls.try_send(call).map_err(|error| match error {
            TrySendError::Full(_) => CallError::QueueFull,
            TrySendError::Closed(_) => CallError::Unanswered,
        })
    }

    async fn send(&self, call: Call<I, O>) -> Result<(), CallError> {
        self.calls.send(call).await.map_err(|_closed| CallError::Unanswered)
    }
}

/// Takes batches from the queue until every batcher is dropped, and then waits for those in flight.
async fn handle_batches<I, O, H, F>(
    queue: Arc<Mutex<mpsc::Receiver<Call<I, O>>>>,
    size: fn(&I) -> usize,
    limits: BatchLimits,
    handler: H,
) where
    I: Send + 'static,
    O: Send + 'static,
    H: Fn(Vec<I>) -> F,
    F: Future<Output = Vec<O>> + Send + 'static,
{
    let mut queue = queue.lock().await;
    let permits = Arc::new(Semaphore::new(limits.in_flight_max.max(1)));
    let mut in_flight = JoinSet::new();
    let mut carried = None;
    // The permit comes first: calls that arrive while all handlers are busy join one batch.
    while let Ok(permit) = permits.clone().acquire_owned().await {
        let first = match carried.take() {
            Some(first) => Some(first),
            None => queue.recv().await,
        };
        let Some(first) = first else { break };
        let (batch, next) = take_batch(&mut queue, first, size, limits);
        carried = next;
        // Frees the memory of the tasks that ended.
        while in_flight.try_join_next().is_some() {}
        let handling = handler(batch.items).instrument(batch.span);
        in_flight.spawn(async move {
            let outputs = handling.await;
            drop(permit);
            // A caller that no longer waits has dropped its receiver, which is no error.
            batch.replies.into_iter().zip(outputs).for_each(|(it, output)| drop(it.send(output)));
        });
    }
    while in_flight.join_next().await.is_some() {}
}

/// The calls of one batch.
struct Batch<I, O> {
    items: Vec<I>,
    replies: Vec<oneshot::Sender<O>>,
    span: Span,
}

/// Takes what the queue holds now, beginning with `first`; and the call that no longer fits, with
/// which the next batch begins.
fn take_batch<I, O>(
    queue: &mut mpsc::Receiver<Call<I, O>>,
    first: Call<I, O>,
    size: fn(&I) -> usize,
    limits: BatchLimits,
) -> (Batch<I, O>, Option<Call<I, O>>) {
    let mut bytes = size(&first.item);
    let mut batch = Batch { items: vec![first.item], replies: vec![first.reply], span: first.span };
    while batch.items.len() < limits.items_max {
        let Ok(next) = queue.try_recv() else { break };
        bytes = bytes.saturating_add(size(&next.item));
        if bytes > limits.bytes_max {
            return (batch, Some(next));
        }
        batch.items.push(next.item);
        batch.replies.push(next.reply);
    }
    (batch, None)
}

#[cfg(test)]
mod tests;
