//! Gathering: calls that come at the same time go on as one. Nobody waits for a batch to fill.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

type Waiting<I, O> = (I, oneshot::Sender<O>);

/// A queue of calls; clones share it. Answers come once somebody [`works`](Gather::work) on it.
#[derive(Debug)]
pub(crate) struct Gather<I, O> {
    calls: mpsc::Sender<Waiting<I, O>>,
    waiting: Arc<Mutex<mpsc::Receiver<Waiting<I, O>>>>,
}

impl<I, O> Clone for Gather<I, O> {
    fn clone(&self) -> Self {
        Self { calls: self.calls.clone(), waiting: self.waiting.clone() }
    }
}

/// The queue is full, or whoever worked on the call broke down.
#[derive(Debug)]
pub(crate) struct NotGathered;

impl<I: Send + 'static, O: Send + 'static> Gather<I, O> {
    /// A queue with room for `calls_max`.
    pub(crate) fn new(calls_max: usize) -> Self {
        let (calls, waiting) = mpsc::channel(calls_max.max(1));
        Self { calls, waiting: Arc::new(Mutex::new(waiting)) }
    }

    /// Adds a call and waits for its answer.
    pub(crate) async fn call(&self, input: I) -> Result<O, NotGathered> {
        let (reply, answer) = oneshot::channel();
        self.calls.try_send((input, reply)).map_err(|_| NotGathered)?;
        answer.await.map_err(|_| NotGathered)
    }

    /// Adds a call whose answer nobody waits for; false: there is no room.
    pub(crate) fn leave(&self, input: I) -> bool {
        self.calls.try_send((input, oneshot::channel().0)).is_ok()
    }

    /// Works on batches of at most `most`, `flights` of them at a time, for ever.
    pub(crate) async fn work<W, F>(&self, (most, flights): (usize, usize), work: W)
    where
        W: Fn(Vec<I>) -> F,
        F: Future<Output = Vec<O>> + Send + 'static,
    {
        let mut waiting = self.waiting.lock().await;
        let places = Arc::new(Semaphore::new(flights));
        let mut flying = JoinSet::new();
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            let Some(first) = waiting.recv().await else { return };
            let (mut inputs, mut replies) = (vec![first.0], vec![first.1]);
            while let (true, Ok((input, reply))) = (inputs.len() < most, waiting.try_recv()) {
                inputs.push(input);
                replies.push(reply);
            }
            while flying.try_join_next().is_some() {}
            let working = work(inputs);
            flying.spawn(async move {
                for (reply, output) in replies.into_iter().zip(working.await) {
                    // Whoever went away asks again.
                    drop(reply.send(output));
                }
                drop(place);
            });
        }
    }
}
