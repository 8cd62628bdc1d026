//! Replies: how a call gets its answer back from the writer or a reader.

use std::time::Duration;

use proto::fault::code;
use proto::fault::v1::Fault;
use tokio::sync::mpsc;

/// The end that answers a call. It answers through a shared reference, so a call that is borrowed
/// by a group can be answered, or tried again by itself when the group failed.
#[derive(Debug)]
pub(crate) struct Reply<T>(mpsc::Sender<Result<T, Fault>>);

/// The end that waits for the answer.
pub(crate) type Answered<T> = mpsc::Receiver<Result<T, Fault>>;

impl<T> Reply<T> {
    pub(crate) fn channel() -> (Self, Answered<T>) {
        let (reply, answered) = mpsc::channel(1);
        (Self(reply), answered)
    }

    /// Answers. A caller that went away repeats its call; the work is done all the same.
    pub(crate) fn send(&self, answer: Result<T, Fault>) {
        if self.0.try_send(answer).is_err() {
            tracing::debug!("caller went away");
        }
    }

    /// True when the caller went away.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// Puts a call into a queue and waits for its answer. No call waits longer than its queue exists: a
/// call that is dropped unanswered fails, and its caller repeats it under the same ids.
pub(crate) async fn ask<C, T>(
    queue: &mpsc::Sender<C>,
    call: impl FnOnce(Reply<T>) -> C,
) -> Result<T, Fault> {
    let (reply, mut answered) = Reply::channel();
    queue.try_send(call(reply)).map_err(|full| unavailable().detail(full.to_string()))?;
    let answer = answered.recv().await;
    answer.unwrap_or_else(|| Err(unavailable().detail("the journal ended before it answered")))
}

/// The fault of a call that is to be repeated shortly.
pub(crate) fn unavailable() -> Fault {
    Fault::new(&code::LT_SYS_002).param("part", "journal").retry_after(Duration::from_secs(1))
}
