//! Errors of the claim store.

use std::io;

use super::reference::Claim;

/// Bytes could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Nothing is stored under this claim.
    #[error("nothing is stored under `{claim}`")]
    Missing {
        /// The claim.
        claim: Claim,
    },
    /// The stored bytes differ from the claim in digest or size.
    #[error("what is stored under `{claim}` is not what was stored there")]
    Damaged {
        /// The claim.
        claim: Claim,
    },
    /// The offset is beyond the end, or the content exceeds the caller's limit.
    #[error("`{claim}` has no byte {offset}")]
    Beyond {
        /// The claim.
        claim: Claim,
        /// The offset.
        offset: u64,
    },
    /// The file system failed.
    #[error("the store's folder failed ({action})")]
    Folder {
        /// The operation.
        action: &'static str,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// `fsync` of the content or of its folder failed, so neither is durable. The bytes may be readable
    /// until the machine restarts, so they must be spooled again.
    #[error("the disk did not keep what was written")]
    NotDurable {
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The object store failed.
    #[error("the object store failed ({action})")]
    Objects {
        /// The operation.
        action: &'static str,
        /// The error of the client library.
        #[source]
        source: object_store::Error,
    },
    /// An earlier write to the spool failed.
    #[error("the spool is incomplete")]
    Incomplete,
}

impl ClaimError {
    /// Whether a repeat may succeed. A missing or damaged body stays so.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Folder { .. } | Self::NotDurable { .. } | Self::Objects { .. })
    }
}
