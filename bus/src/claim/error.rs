//! Errors of the claim store, and which of them mean that the disk is full or fails.

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
    /// until the machine restarts; committing the spool again writes them again.
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
    /// An earlier write to the spool was aborted, or the spool was committed already.
    #[error("the spool is incomplete")]
    Incomplete,
}

/// Why a store cannot take or give bytes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageFailure {
    /// No space, no inode or no quota is left. Reading still works.
    Full,
    /// The store cannot be used: it is read-only, returns input or output errors, or does not
    /// answer.
    Failing,
}

/// Words in the answers of S3-compatible services that have no space: the error codes of MinIO, Ceph
/// and SeaweedFS, and the status of RFC 4918.
const FULL_WORDS: [&str; 6] = [
    "XMinioStorageFull",
    "XMinioAdminBucketQuotaExceeded",
    "InsufficientStorage",
    "Insufficient Storage",
    "QuotaExceeded",
    "no space left on device",
];

/// The failure that an error of the operating system means. Only errors of space mean
/// [`Full`](StorageFailure::Full).
fn io_failure(error: &io::Error) -> StorageFailure {
    // `TooManyLinks`: the folder has as many links as its file system allows.
    let is_full = matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge
            | io::ErrorKind::TooManyLinks
    );
    if is_full { StorageFailure::Full } else { StorageFailure::Failing }
}

fn object_failure(error: &object_store::Error) -> StorageFailure {
    let mut texts = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        texts.push_str(&cause.to_string());
        source = cause.source();
    }
    let texts = texts.to_ascii_lowercase();
    let is_full = FULL_WORDS.iter().any(|it| texts.contains(&it.to_ascii_lowercase()));
    if is_full { StorageFailure::Full } else { StorageFailure::Failing }
}

impl ClaimError {
    /// The failure of the store's disk or service; none when the bytes themselves are the trouble:
    /// missing, damaged or incomplete.
    pub fn storage_failure(&self) -> Option<StorageFailure> {
        match self {
            Self::Folder { source, .. } | Self::NotDurable { source } => Some(io_failure(source)),
            Self::Objects { source: object_store::Error::NotFound { .. }, .. }
            | Self::Missing { .. }
            | Self::Damaged { .. }
            | Self::Beyond { .. }
            | Self::Incomplete => None,
            Self::Objects { source, .. } => Some(object_failure(source)),
        }
    }

    /// Whether a repeat may succeed. A missing or damaged body stays so.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Folder { .. } | Self::NotDurable { .. } | Self::Objects { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_space_mean_full_and_other_errors_of_the_disk_failing() {
        // ENOSPC, EDQUOT, EFBIG, EMLINK; EIO, EROFS, EACCES, EMFILE.
        for (number, expected) in [
            (28, StorageFailure::Full),
            (122, StorageFailure::Full),
            (27, StorageFailure::Full),
            (31, StorageFailure::Full),
            (5, StorageFailure::Failing),
            (30, StorageFailure::Failing),
            (13, StorageFailure::Failing),
            (24, StorageFailure::Failing),
        ] {
            let source = || io::Error::from_raw_os_error(number);
            let write = ClaimError::Folder { action: "write spool", source: source() };
            let sync = ClaimError::NotDurable { source: source() };
            assert_eq!(write.storage_failure(), Some(expected), "{number}");
            assert_eq!(sync.storage_failure(), Some(expected), "{number}");
        }
        assert_eq!(ClaimError::Incomplete.storage_failure(), None);
    }

    #[test]
    fn an_object_store_says_in_its_answer_that_it_has_no_space() {
        for (answer, expected) in [
            ("<Code>XMinioStorageFull</Code>", StorageFailure::Full),
            ("507 Insufficient Storage", StorageFailure::Full),
            ("<Code>QuotaExceeded</Code>", StorageFailure::Full),
            ("<Code>SlowDown</Code>", StorageFailure::Failing),
            ("connection refused", StorageFailure::Failing),
        ] {
            let source = object_store::Error::Generic { store: "S3", source: answer.into() };
            let error = ClaimError::Objects { action: "put", source };
            assert_eq!(error.storage_failure(), Some(expected), "{answer}");
        }
    }
}
