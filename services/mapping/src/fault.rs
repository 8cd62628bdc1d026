//! Faults that several steps of this service answer with.

use bus::claim::{ClaimError, StorageFailure};
use proto::fault::code;
use proto::fault::v1::Fault;

/// A failed claim store as a fault: permanent when the content is missing or damaged, transient
/// when the store cannot be used now.
pub(crate) fn from_claim_error(error: &ClaimError) -> Fault {
    match error.storage_failure() {
        Some(StorageFailure::Full) => {
            return Fault::new(&code::LT_STO_001).detail(error.to_string());
        }
        Some(StorageFailure::Failing) => {
            return Fault::new(&code::LT_STO_002).detail(error.to_string());
        }
        None => {}
    }
    match error {
        ClaimError::Missing { claim } | ClaimError::Damaged { claim } => {
            Fault::new(&code::LT_MAP_218).param("claim", claim.to_string())
        }
        ClaimError::Beyond { .. }
        | ClaimError::Folder { .. }
        | ClaimError::NotDurable { .. }
        | ClaimError::Objects { .. }
        | ClaimError::Incomplete => Fault::new(&code::LT_MAP_219),
    }
    .detail(error.to_string())
}

/// The fault of a panic in `operation`. The panic's text stays in the process's log, because it may
/// quote the content of a document.
pub(crate) fn from_panic(operation: &str) -> Fault {
    Fault::new(&code::LT_SYS_001).param("id", operation)
}
