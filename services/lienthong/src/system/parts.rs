//! The parts of one start, in the order in which they stop.

use std::future::{pending, ready};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use anyhow::Context as _;
use chassis::supervise;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long parts may still go on when one of them has failed: what they wait for is most likely
/// what failed.
const FAILED_LIMIT: Duration = Duration::from_secs(5);

/// Parts that stop together.
#[derive(Debug)]
pub(super) struct Group {
    tasks: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
}

impl Group {
    /// No parts yet; they stop with this token.
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self { tasks: JoinSet::new(), stop }
    }

    /// What tells its parts to stop.
    pub(super) fn token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Begins a part, whose end by itself is a failure of all.
    pub(super) fn spawn(
        &mut self,
        part: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let mut part = Box::pin(part);
        // It is polled once here and now, so that it has said "not ready yet" before anybody says
        // that everything has begun.
        match part.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => drop(self.tasks.spawn(ready(outcome))),
            Poll::Pending => drop(self.tasks.spawn(part)),
        }
    }

    /// Begins a part that is started again on its own whenever it fails.
    pub(super) fn always<S, R>(&mut self, name: &'static str, mut start: S)
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

    /// Waits for the first part that ends, and says why; for ever while there are none.
    async fn broken(&mut self) -> anyhow::Error {
        let Some(ended) = self.tasks.join_next().await else { return pending().await };
        let outcome = ended.context("a part broke down").and_then(|it| it);
        outcome.err().unwrap_or_else(|| anyhow::anyhow!("a part ended by itself"))
    }

    /// Tells all to stop, lets them finish, and cuts off who has not until then.
    pub(super) async fn end(&mut self, limit: Instant) {
        self.stop.cancel();
        let finished = async {
            while let Some(ended) = self.tasks.join_next().await {
                complain(ended.context("a part broke down").and_then(|it| it));
            }
        };
        if timeout_at(limit, finished).await.is_err() {
            tracing::warn!("parts that did not end in time are cut off");
            self.tasks.shutdown().await;
        }
    }
}

/// At the stop a failure changes nothing any more.
fn complain(outcome: anyhow::Result<()>) {
    if let Err(error) = outcome {
        let error = format!("{error:#}");
        tracing::warn!(error, "part failed while stopping");
    }
}

/// One start. Dropped, it ends at once.
#[derive(Debug)]
pub(super) struct Parts {
    /// What takes work in and works on it.
    pub(super) front: Group,
    /// What the front needs until its own end.
    pub(super) back: Group,
}

impl Parts {
    /// None yet. The front stops with `shutdown`.
    pub(super) fn new(shutdown: &CancellationToken) -> Self {
        let (front, back) = (shutdown.child_token(), CancellationToken::new());
        Self { front: Group::new(front), back: Group::new(back) }
    }

    /// Waits for the end of everything: the first failure ends the start, `shutdown` lets all
    /// finish within the limit. The back stays until the calls from elsewhere are `answered` too.
    ///
    /// # Errors
    ///
    /// A part failed.
    pub(super) async fn ended(
        mut self,
        shutdown: &CancellationToken,
        answered: &CancellationToken,
        limit: Duration,
    ) -> anyhow::Result<()> {
        let failure = tokio::select! {
            () = shutdown.cancelled() => None,
            failure = self.front.broken() => Some(failure),
            failure = self.back.broken() => Some(failure),
        };
        let limit = if failure.is_some() { limit.min(FAILED_LIMIT) } else { limit };
        let limit = Instant::now() + limit;
        self.front.end(limit).await;
        if failure.is_none() && timeout_at(limit, answered.cancelled()).await.is_err() {
            tracing::warn!("calls from elsewhere are cut off");
        }
        self.back.end(limit).await;
        failure.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_back_stops_once_the_front_has_ended_and_the_calls_are_answered() {
        let (shutdown, answered) = (CancellationToken::new(), CancellationToken::new());
        let mut parts = Parts::new(&shutdown);
        let (front, back) = (parts.front.token(), parts.back.token());
        let order = back.clone();
        parts.front.spawn(async move {
            front.cancelled().await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            anyhow::ensure!(!order.is_cancelled(), "the back was told first");
            Ok(())
        });
        let calls = (answered.clone(), back.clone());
        parts.back.spawn(async move {
            tokio::time::sleep(Duration::from_secs(10)).await;
            assert!(!calls.1.is_cancelled(), "calls are still open");
            calls.0.cancel();
            calls.1.cancelled().await;
            Ok(())
        });
        shutdown.cancel();
        let begun = Instant::now();
        parts.ended(&shutdown, &answered, Duration::from_secs(20)).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_end_is_cut_off_and_a_failure_waits_shortly() {
        let shutdown = CancellationToken::new();
        let mut parts = Parts::new(&shutdown);
        parts.front.spawn(pending());
        parts.back.spawn(async { anyhow::bail!("away") });
        let begun = Instant::now();
        let limit = Duration::from_secs(20);
        let error = parts.ended(&shutdown, &CancellationToken::new(), limit).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), begun.elapsed()), ("away", FAILED_LIMIT));

        let mut parts = Parts::new(&shutdown);
        parts.front.spawn(pending());
        shutdown.cancel();
        let begun = Instant::now();
        parts.ended(&shutdown, &CancellationToken::new(), limit).await.unwrap();
        assert_eq!(begun.elapsed(), limit);
    }
}
