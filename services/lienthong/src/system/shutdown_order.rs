//! The tasks of one start, in the order in which they stop.

use std::future::{pending, ready};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use anyhow::Context as _;
use chassis::supervise;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long tasks may still run after one of them has failed: most likely they wait for what failed.
const FAILED_LIMIT: Duration = Duration::from_secs(5);

/// Tasks that stop together.
#[derive(Debug)]
pub(super) struct TaskGroup {
    tasks: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
}

impl TaskGroup {
    /// An empty group that stops with this token.
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self { tasks: JoinSet::new(), stop }
    }

    /// Cancelled when the group stops.
    pub(super) fn token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task; its end before the stop is a failure of the group.
    pub(super) fn spawn(
        &mut self,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let mut task = Box::pin(task);
        // Polled once here, so that the task has reported "not ready" to health before the caller
        // reports that everything is started.
        match task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => drop(self.tasks.spawn(ready(outcome))),
            Poll::Pending => drop(self.tasks.spawn(task)),
        }
    }

    /// Starts a task that is started again by itself whenever it fails.
    pub(super) fn spawn_supervised<S, R>(&mut self, name: &'static str, mut start: S)
    where
        S: FnMut(CancellationToken) -> R + Send + 'static,
        R: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let stop = self.stop.clone();
        self.spawn(async move {
            supervise(name, &stop, || start(stop.clone())).await;
            Ok(())
        });
    }

    /// Waits for the first task that ends; an empty group waits for ever.
    async fn wait_for_failure(&mut self) -> anyhow::Error {
        let Some(ended) = self.tasks.join_next().await else { return pending().await };
        let outcome = ended.context("a task panicked").and_then(|it| it);
        outcome.err().unwrap_or_else(|| anyhow::anyhow!("a task ended before the shutdown"))
    }

    /// Cancels the token, waits for the tasks, and aborts those that are left at the limit.
    pub(super) async fn stop(&mut self, limit: Instant) {
        self.stop.cancel();
        let finished = async {
            while let Some(ended) = self.tasks.join_next().await {
                log_failure(ended.context("a task panicked").and_then(|it| it));
            }
        };
        if timeout_at(limit, finished).await.is_err() {
            tracing::warn!("tasks that did not stop in time are aborted");
            self.tasks.shutdown().await;
        }
    }
}

/// A failure during the stop is logged only: there is no start left that it could end.
fn log_failure(outcome: anyhow::Result<()>) {
    if let Err(error) = outcome {
        let error = format!("{error:#}");
        tracing::warn!(error, "task failed while stopping");
    }
}

/// The tasks of one start. Dropped, it aborts them all.
#[derive(Debug)]
pub(super) struct ShutdownOrder {
    /// Stops first: what takes work in and works on it.
    pub(super) processing: TaskGroup,
    /// Stops last: what processing calls until its own end.
    pub(super) storage: TaskGroup,
}

impl ShutdownOrder {
    /// Empty groups. Processing stops with `shutdown`.
    pub(super) fn new(shutdown: &CancellationToken) -> Self {
        Self {
            processing: TaskGroup::new(shutdown.child_token()),
            storage: TaskGroup::new(CancellationToken::new()),
        }
    }

    /// Runs the tasks until the first failure, which ends the start, or until `shutdown`, after
    /// which all may finish within the limit. Storage runs until calls of other processes are
    /// `answered` as well.
    ///
    /// # Errors
    ///
    /// A task failed.
    pub(super) async fn run(
        mut self,
        shutdown: &CancellationToken,
        answered: &CancellationToken,
        limit: Duration,
    ) -> anyhow::Result<()> {
        let failure = tokio::select! {
            () = shutdown.cancelled() => None,
            failure = self.processing.wait_for_failure() => Some(failure),
            failure = self.storage.wait_for_failure() => Some(failure),
        };
        let limit = if failure.is_some() { limit.min(FAILED_LIMIT) } else { limit };
        let limit = Instant::now() + limit;
        self.processing.stop(limit).await;
        if failure.is_none() && timeout_at(limit, answered.cancelled()).await.is_err() {
            tracing::warn!("calls of other processes are aborted");
        }
        self.storage.stop(limit).await;
        failure.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn storage_stops_after_processing_has_ended_and_internal_calls_are_answered() {
        let (shutdown, answered) = (CancellationToken::new(), CancellationToken::new());
        let mut order = ShutdownOrder::new(&shutdown);
        let (processing, storage) = (order.processing.token(), order.storage.token());
        let storage_stop = storage.clone();
        order.processing.spawn(async move {
            processing.cancelled().await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            anyhow::ensure!(!storage_stop.is_cancelled(), "storage was stopped first");
            Ok(())
        });
        let calls_answered = answered.clone();
        order.storage.spawn(async move {
            tokio::time::sleep(Duration::from_secs(10)).await;
            assert!(!storage.is_cancelled(), "calls are still open");
            calls_answered.cancel();
            storage.cancelled().await;
            Ok(())
        });
        shutdown.cancel();
        let begun = Instant::now();
        order.run(&shutdown, &answered, Duration::from_secs(20)).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_stop_is_aborted_and_a_failure_shortens_the_limit() {
        let shutdown = CancellationToken::new();
        let mut order = ShutdownOrder::new(&shutdown);
        order.processing.spawn(pending());
        order.storage.spawn(async { anyhow::bail!("away") });
        let begun = Instant::now();
        let limit = Duration::from_secs(20);
        let error = order.run(&shutdown, &CancellationToken::new(), limit).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), begun.elapsed()), ("away", FAILED_LIMIT));

        let mut order = ShutdownOrder::new(&shutdown);
        order.processing.spawn(pending());
        shutdown.cancel();
        let begun = Instant::now();
        order.run(&shutdown, &CancellationToken::new(), limit).await.unwrap();
        assert_eq!(begun.elapsed(), limit);
    }
}
