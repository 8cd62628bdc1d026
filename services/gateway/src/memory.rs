//! The memory budget: a body is in memory only while a permit of its size is held.

use std::sync::Arc;

use proto::fault::v1::Fault;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::fault::overloaded;

/// Bytes of one semaphore permit. Without a unit the bytes of a large budget would exceed the
/// number of permits that a semaphore can count.
const UNIT_BYTES: u64 = 1024;

/// Memory reserved for the body of one item. Clones share it; it is free again when the last of
/// them is dropped.
#[derive(Clone, Debug)]
pub(crate) struct MemoryPermit {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// Memory reserved for a request body while it is being read; grows with the bytes that came.
#[derive(Debug, Default)]
pub(crate) struct GrowingPermit(Option<OwnedSemaphorePermit>);

/// The bytes of bodies that may be in memory at a time. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct MemoryBudget(Arc<Semaphore>);

impl MemoryBudget {
    pub(crate) fn new(bytes_max: u64) -> Self {
        let units = usize::try_from(bytes_max / UNIT_BYTES).unwrap_or(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))))
    }

    /// Reserves memory for a body.
    ///
    /// # Errors
    ///
    /// The budget is used up; waiting for it would let requests pile up in memory.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<MemoryPermit, Fault> {
        let permit = self.acquire(bytes)?;
        Ok(MemoryPermit { _permit: Arc::new(permit) })
    }

    /// Adds memory for `bytes` more to a permit.
    ///
    /// # Errors
    ///
    /// The budget is used up.
    pub(crate) fn grow(&self, permit: &mut GrowingPermit, bytes: usize) -> Result<(), Fault> {
        let more = self.acquire(u64::try_from(bytes).unwrap_or(u64::MAX))?;
        match &mut permit.0 {
            Some(permit) => permit.merge(more),
            None => permit.0 = Some(more),
        }
        Ok(())
    }

    fn acquire(&self, bytes: u64) -> Result<OwnedSemaphorePermit, Fault> {
        let units = u32::try_from(bytes / UNIT_BYTES + 1).unwrap_or(u32::MAX);
        self.0.clone().try_acquire_many_owned(units).map_err(|_used_up| overloaded())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_is_returned_with_its_last_clone() {
        let budget = MemoryBudget::new(10 * UNIT_BYTES);
        let permit = budget.reserve(8 * UNIT_BYTES).unwrap();
        let clone = permit.clone();
        drop(permit);
        assert_eq!(budget.reserve(2 * UNIT_BYTES).unwrap_err().code, "LT-GW-004");
        drop(clone);
        let mut growing = GrowingPermit::default();
        budget.grow(&mut growing, 5_000).unwrap();
        budget.grow(&mut growing, 4_000).unwrap();
        assert_eq!(budget.grow(&mut growing, 2_000).unwrap_err().code, "LT-GW-004");
        drop(growing);
        budget.reserve(9 * UNIT_BYTES).unwrap();
    }
}
