//! Submits in progress, bounded for each application.
//!
//! A submit beyond the first bound waits for an earlier one of its own application, so the queues
//! that all share hold little of each and a flood of one delays the others by one batch. A submit
//! beyond the second bound is refused.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use proto::fault::v1::Fault;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::fault::overloaded;
use crate::shared_bound::{Held, SharedBound};

/// The permits of all applications. Only authenticated callers ask for one, so the registry bounds
/// how many applications there are.
#[derive(Debug)]
pub(crate) struct SubmitPermits {
    open: SharedBound,
    active_max: usize,
    by_application: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// One submit in progress.
#[derive(Debug)]
pub(crate) struct SubmitPermit {
    _open: Held,
    _active: OwnedSemaphorePermit,
}

impl SubmitPermits {
    /// All applications together have at most `all_max` submits, one at most `submits_max`, of which
    /// `active_max` are worked on at a time.
    pub(crate) fn new(all_max: usize, submits_max: usize, active_max: usize) -> Self {
        let size = |it: usize| u64::try_from(it).unwrap_or(u64::MAX);
        let open = SharedBound::new("lượt gửi (submits)", size(all_max), size(submits_max));
        Self { open, active_max: active_max.max(1), by_application: Mutex::default() }
    }

    /// A permit for one more submit; held until the submit is answered.
    ///
    /// # Errors
    ///
    /// The application, or all together, have too many submits in progress.
    pub(crate) async fn acquire(&self, application: &str) -> Result<SubmitPermit, Fault> {
        let open = self.open.hold(application, 1)?;
        let active = self.of_application(application).acquire_owned().await;
        Ok(SubmitPermit { _open: open, _active: active.map_err(|_closed| overloaded())? })
    }

    fn of_application(&self, application: &str) -> Arc<Semaphore> {
        let mut by_application = self.by_application.lock();
        if let Some(permits) = by_application.get(application) {
            return permits.clone();
        }
        let permits = Arc::new(Semaphore::new(self.active_max));
        by_application.insert(application.to_owned(), permits.clone());
        permits
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_submit_beyond_the_active_ones_waits_and_one_beyond_the_bound_is_refused() {
        let permits = SubmitPermits::new(100, 3, 1);
        let first = permits.acquire("a").await.unwrap();
        let (mut second, third) = (Box::pin(permits.acquire("a")), Box::pin(permits.acquire("a")));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.now_or_never().is_none());
        permits.acquire("b").await.unwrap();
        let mut more = Vec::new();
        for _ in 0..3 {
            let mut next = Box::pin(permits.acquire("a"));
            let outcome = next.as_mut().now_or_never();
            more.push((outcome.map(|it| it.unwrap_err().code), next));
        }
        assert_eq!(more[0].0, None, "it waits as the third did");
        assert_eq!(more[1].0.as_deref(), Some("LT-GW-012"));
        drop(first);
        second.await.unwrap();
    }
}
