//! Gathering: calls that come at the same time go on as one. Nobody waits for a batch to fill.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{Instrument as _, Span};

/// Items of one batch, and batches at a time: a second one gathers while the first is away.
pub(crate) const BATCH: Bounds = Bounds { items: 256, bytes: 2 * 1024 * 1024, flights: 4 };

/// With the span it was called in: a batch goes on in that of its first call.
type Waiting<I, O> = (I, oneshot::Sender<O>, Span);

/// What a batch may hold, and how many are away at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) items: usize,
    /// Together; one item that is larger goes alone. Internal services take calls up to 4 MiB.
    pub(crate) bytes: usize,
    pub(crate) flights: usize,
}

/// A queue of calls; clones share it. Answers come once somebody [`works`](Gather::work) on it.
#[derive(Debug)]
pub(crate) struct Gather<I, O> {
    calls: mpsc::Sender<Waiting<I, O>>,
    waiting: Arc<Mutex<mpsc::Receiver<Waiting<I, O>>>>,
    weigh: fn(&I) -> usize,
}

impl<I, O> Clone for Gather<I, O> {
    fn clone(&self) -> Self {
        Self { calls: self.calls.clone(), waiting: self.waiting.clone(), weigh: self.weigh }
    }
}

/// Why a call has no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotGathered {
    /// The queue is full; nothing was done.
    Full,
    /// Whoever worked on it broke down, or took too long; it may have been done.
    Unanswered,
}

impl<I: Send + 'static, O: Send + 'static> Gather<I, O> {
    /// A queue with room for `calls_max`; `weigh` says how many bytes an item brings.
    pub(crate) fn new(calls_max: usize, weigh: fn(&I) -> usize) -> Self {
        let (calls, waiting) = mpsc::channel(calls_max.max(1));
        Self { calls, waiting: Arc::new(Mutex::new(waiting)), weigh }
    }

    /// Adds a call and waits for its answer, at most so long.
    pub(crate) async fn call(&self, input: I, limit: Duration) -> Result<O, NotGathered> {
        let (reply, answer) = oneshot::channel();
        self.calls.try_send((input, reply, Span::current())).map_err(|_full| NotGathered::Full)?;
        match tokio::time::timeout(limit, answer).await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(_)) | Err(_) => Err(NotGathered::Unanswered),
        }
    }

    /// Adds a call whose answer nobody waits for; false: there is no room.
    pub(crate) fn leave(&self, input: I) -> bool {
        self.calls.try_send((input, oneshot::channel().0, Span::none())).is_ok()
    }

    /// Works on batches, for ever.
    pub(crate) async fn work<W, F>(&self, bounds: Bounds, work: W)
    where
        W: Fn(Vec<I>) -> F,
        F: Future<Output = Vec<O>> + Send + 'static,
    {
        let mut waiting = self.waiting.lock().await;
        let places = Arc::new(Semaphore::new(bounds.flights));
        let mut flying = JoinSet::new();
        let mut carried = None;
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            let first = match carried.take() {
                Some(first) => Some(first),
                None => waiting.recv().await,
            };
            let Some(first) = first else { return };
            let span = first.2.clone();
            let (inputs, replies) = self.batch(&mut waiting, (first, &mut carried), bounds);
            while flying.try_join_next().is_some() {}
            let working = work(inputs);
            flying.spawn(async move {
                let outputs = working.instrument(span).await;
                drop(place);
                // Whoever went away asks again.
                replies.into_iter().zip(outputs).for_each(|(it, output)| drop(it.send(output)));
            });
        }
    }

    /// What is there now, beginning with `first`; one that no longer fits is carried to the next.
    fn batch(
        &self,
        waiting: &mut mpsc::Receiver<Waiting<I, O>>,
        (first, carried): (Waiting<I, O>, &mut Option<Waiting<I, O>>),
        bounds: Bounds,
    ) -> (Vec<I>, Vec<oneshot::Sender<O>>) {
        let mut bytes = (self.weigh)(&first.0);
        let (mut inputs, mut replies) = (vec![first.0], vec![first.1]);
        while inputs.len() < bounds.items {
            let Ok(next) = waiting.try_recv() else { break };
            bytes = bytes.saturating_add((self.weigh)(&next.0));
            if bytes > bounds.bytes {
                *carried = Some(next);
                break;
            }
            inputs.push(next.0);
            replies.push(next.1);
        }
        (inputs, replies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// Sizes of the batches that `items` go on in, while one batch at a time is away.
    async fn batches(items: &[usize], bounds: Bounds) -> Vec<Vec<usize>> {
        let gather: Gather<usize, ()> = Gather::new(items.len(), |it| *it);
        for item in items {
            assert!(gather.leave(*item));
        }
        let (seen, mut batches) = mpsc::channel(items.len());
        let working = gather.work(bounds, |batch| {
            let seen = seen.clone();
            async move {
                let done = vec![(); batch.len()];
                seen.send(batch).await.unwrap();
                done
            }
        });
        let all = async {
            let mut all = Vec::new();
            while all.iter().map(Vec::len).sum::<usize>() < items.len() {
                all.push(batches.recv().await.unwrap());
            }
            all
        };
        tokio::select! {
            () = working => panic!("work ended"),
            all = all => all,
        }
    }

    #[tokio::test]
    async fn what_waits_goes_on_as_one_within_the_bounds() {
        let bounds = Bounds { items: 3, bytes: 100, flights: 1 };
        assert_eq!(batches(&[1, 1, 1, 1], bounds).await, [vec![1, 1, 1], vec![1]]);
        assert_eq!(batches(&[60, 60, 30], bounds).await, [vec![60], vec![60, 30]]);
        assert_eq!(batches(&[500, 1, 500], bounds).await, [vec![500], vec![1], vec![500]]);
    }

    #[tokio::test]
    async fn a_full_queue_and_a_silent_worker_are_told_apart() {
        let gather: Gather<u8, u8> = Gather::new(1, |_| 0);
        let short = Duration::from_millis(20);
        assert_eq!(gather.call(1, short).await, Err(NotGathered::Unanswered));
        assert_eq!(gather.call(2, short).await, Err(NotGathered::Full));
        let doubled = |batch: Vec<u8>| async move { batch.into_iter().map(|it| 2 * it).collect() };
        tokio::select! {
            () = gather.work(BATCH, doubled) => panic!("work ended"),
            () = async {
                // The call that nobody waits for any more still has its place until it is taken.
                while gather.call(4, LIMIT).await != Ok(8) {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
    }
}
