//! Calls that take together what is ready, so that nobody waits for others to come.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How much one call takes.
const TOGETHER: usize = 256;
/// Bytes of one call; more only where one alone has more.
const BYTES: usize = 1024 * 1024;
/// Calls on their way at a time. Few, so that what is ready gathers; not so few that whoever goes on
/// only with an answer waits for others'.
const CALLS: usize = 8;

/// Gathers what is left with it, through an actor, which ends with the last clone.
#[derive(Debug)]
pub(crate) struct Gather<T> {
    ready: mpsc::Sender<T>,
    _actor: Arc<JoinSet<()>>,
}

impl<T> Clone for Gather<T> {
    fn clone(&self) -> Self {
        Self { ready: self.ready.clone(), _actor: self._actor.clone() }
    }
}

impl<T: Send + 'static> Gather<T> {
    /// Gathers for `call`; `bytes` says how large one is.
    pub(crate) fn new<C: Future<Output = ()> + Send + 'static>(
        bytes: fn(&T) -> usize,
        call: impl Fn(Vec<T>) -> C + Send + 'static,
    ) -> Self {
        let (ready, waiting) = mpsc::channel(TOGETHER);
        let mut actor = JoinSet::new();
        actor.spawn(run(waiting, bytes, call));
        Self { ready, _actor: Arc::new(actor) }
    }

    /// Leaves one for the next call. False: there will be none.
    pub(crate) async fn leave(&self, one: T) -> bool {
        self.ready.send(one).await.is_ok()
    }
}

async fn run<T, C: Future<Output = ()> + Send + 'static>(
    mut waiting: mpsc::Receiver<T>,
    bytes: fn(&T) -> usize,
    call: impl Fn(Vec<T>) -> C,
) {
    let mut calls = JoinSet::new();
    let mut ready = Vec::new();
    while waiting.recv_many(&mut ready, TOGETHER).await > 0 {
        for together in parts(ready.drain(..), bytes) {
            calls.spawn(call(together));
            if calls.len() >= CALLS {
                calls.join_next().await;
            }
        }
    }
    while calls.join_next().await.is_some() {}
}

/// What is ready, in parts that are not too large.
fn parts<T>(ready: impl Iterator<Item = T>, bytes: fn(&T) -> usize) -> Vec<Vec<T>> {
    let (mut parts, mut part, mut size) = (Vec::new(), Vec::new(), 0);
    for one in ready {
        let more = bytes(&one);
        if !part.is_empty() && size + more > BYTES {
            parts.push(std::mem::take(&mut part));
            size = 0;
        }
        size += more;
        part.push(one);
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_by_their_size() {
        let sizes = [400, 400, 400, 2_000, 1, 1].map(|it| it * 1_000);
        let cut = parts(sizes.into_iter(), |it| *it);
        let lengths: Vec<_> = cut.iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 1, 1, 2]);
    }
}
