//! The memory budget: a body is in memory only while its bytes are held from the budget.

use std::sync::Arc;

use proto::fault::v1::Fault;

use crate::shared_bound::{Held, SharedBound};

/// Memory reserved for the body of one item. Clones share it; it is free again when the last of
/// them is dropped.
#[derive(Clone, Debug)]
pub(crate) struct MemoryPermit {
    _held: Arc<Held>,
}

/// The bytes of bodies that may be in memory at a time, with a share of each application. Clones
/// share it.
#[derive(Clone, Debug)]
pub(crate) struct MemoryBudget(SharedBound);

impl From<Held> for MemoryPermit {
    fn from(held: Held) -> Self {
        Self { _held: Arc::new(held) }
    }
}

impl MemoryBudget {
    pub(crate) fn new(bytes_max: u64, application_bytes_max: u64) -> Self {
        let what = "bộ nhớ của nội dung (memory of bodies)";
        Self(SharedBound::new(what, bytes_max, application_bytes_max))
    }

    /// Reserves memory for a body.
    ///
    /// # Errors
    ///
    /// The budget or the application's share is used up; waiting for it would let requests pile up
    /// in memory.
    pub(crate) fn reserve(&self, application: &str, bytes: u64) -> Result<MemoryPermit, Fault> {
        Ok(self.0.hold(application, bytes)?.into())
    }

    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> u64 {
        self.0.held()
    }

    /// Memory for a body whose size is not known yet; it grows with the bytes that come.
    ///
    /// # Errors
    ///
    /// The budget or the application's share is used up.
    pub(crate) fn reserve_growing(&self, application: &str) -> Result<Held, Fault> {
        self.0.hold(application, 0)
    }
}
