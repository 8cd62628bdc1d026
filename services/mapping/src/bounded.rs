//! A keeper that gives up in time: a journal that never answers must not hold a window for ever.

use std::time::Duration;

use bus::{Disposition, FailureStore, FailureStoreError, Message};

/// A keeper and the longest it may take.
#[derive(Clone, Debug)]
pub(crate) struct Bounded<K> {
    /// Who keeps.
    pub(crate) keeper: K,
    /// The longest it may take.
    pub(crate) limit: Duration,
}

impl<K: FailureStore> FailureStore for Bounded<K> {
    async fn store_failures(
        &self,
        kept: Vec<(Message, Disposition)>,
    ) -> Result<(), FailureStoreError> {
        match tokio::time::timeout(self.limit, self.keeper.store_failures(kept)).await {
            Ok(outcome) => outcome,
            Err(elapsed) => Err(FailureStoreError::new(elapsed)),
        }
    }
}
