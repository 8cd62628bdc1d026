//! A keeper that gives up in time: a journal that never answers must not hold a window for ever.

use std::time::Duration;

use bus::{Fate, Keep, KeepError, Message};

/// A keeper and the longest it may take.
#[derive(Clone, Debug)]
pub(crate) struct Bounded<K> {
    /// Who keeps.
    pub(crate) keeper: K,
    /// The longest it may take.
    pub(crate) limit: Duration,
}

impl<K: Keep> Keep for Bounded<K> {
    async fn keep(&self, kept: Vec<(Message, Fate)>) -> Result<(), KeepError> {
        match tokio::time::timeout(self.limit, self.keeper.keep(kept)).await {
            Ok(outcome) => outcome,
            Err(elapsed) => Err(KeepError::new(elapsed)),
        }
    }
}
