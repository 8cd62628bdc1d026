//! Submits in progress, bounded for each application, so that one cannot fill every queue.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use proto::fault::v1::Fault;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::fault::overloaded;

/// The permits of all applications. Only authenticated callers ask for one, so the registry bounds
/// how many applications there are.
#[derive(Debug)]
pub(crate) struct SubmitPermits {
    submits_max: usize,
    by_application: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl SubmitPermits {
    pub(crate) fn new(submits_max: usize) -> Self {
        Self { submits_max, by_application: Mutex::default() }
    }

    /// A permit for one more submit; held until the submit is answered.
    ///
    /// # Errors
    ///
    /// The application has `submits_max` submits in progress.
    pub(crate) fn acquire(&self, application: &str) -> Result<OwnedSemaphorePermit, Fault> {
        let permits = self.of_application(application);
        permits.try_acquire_owned().map_err(|_used_up| overloaded())
    }

    fn of_application(&self, application: &str) -> Arc<Semaphore> {
        let mut by_application = self.by_application.lock();
        if let Some(permits) = by_application.get(application) {
            return permits.clone();
        }
        let permits = Arc::new(Semaphore::new(self.submits_max));
        by_application.insert(application.to_owned(), permits.clone());
        permits
    }
}
