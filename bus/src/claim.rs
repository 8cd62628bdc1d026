//! Bodies too large to ride along, stored once under the SHA-256 of their content.
//!
//! What is being uploaded lies in a [`Spool`], a file that has no name: dropping it, or the end of
//! the process, leaves nothing. Keeping it gives it the name of its content, durably.

mod folder;
mod object;
mod reader;
mod spool;

use std::{fmt, io, path::PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha256};

pub use self::{
    folder::Folder,
    object::{Limits, Objects, S3},
    reader::Reader,
    spool::Spool,
};

/// The name of stored bytes: their digest and their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// How many they are.
    pub size: u64,
}

impl Claim {
    /// The name that `bytes` have.
    pub fn from_content(bytes: &[u8]) -> Self {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self { sha256: Sha256::digest(bytes).into(), size }
    }

    /// The claim of `size` bytes whose digest is written as 64 hexadecimal digits.
    pub fn from_hex(digest: &str, size: u64) -> Option<Self> {
        let digits = digest.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut sha256 = [0; 32];
        for (byte, pair) in sha256.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self { sha256, size })
    }

    /// The claim of `size` bytes that [`Display`](fmt::Display) wrote as `sha256:<hex>`.
    pub fn from_reference(reference: &str, size: u64) -> Option<Self> {
        Self::from_hex(reference.strip_prefix("sha256:")?, size)
    }

    /// The digest as 64 lower-case hexadecimal digits.
    pub fn sha256_hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.sha256
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|half| char::from(DIGITS[usize::from(half)]))
            .collect()
    }

    /// The folder and the name under which stores keep it: folders stay small this way.
    fn path(&self) -> (String, String) {
        let name = self.sha256_hex();
        (name.chars().take(2).collect(), name)
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", self.sha256_hex())
    }
}

/// The value of one hexadecimal digit, of lower case only: a name has one spelling.
const fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

/// Why stored bytes could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Nothing is stored under this name.
    #[error("nothing is stored under `{claim}`")]
    Missing {
        /// The name.
        claim: Claim,
    },
    /// What is stored is not what its name says.
    #[error("what is stored under `{claim}` is not what was stored there")]
    Damaged {
        /// The name.
        claim: Claim,
    },
    /// The reader was to begin beyond the end.
    #[error("`{claim}` has no byte {offset}")]
    Beyond {
        /// The name.
        claim: Claim,
        /// Where it was to begin.
        offset: u64,
    },
    /// The folder failed.
    #[error("the store's folder failed ({action})")]
    Folder {
        /// What was being done.
        action: &'static str,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The disk did not say that the content or its name is safe, so neither is promised. What was
    /// written may look whole until the machine is started again: spool it anew.
    #[error("the disk did not keep what was written")]
    NotDurable {
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The object store failed.
    #[error("the object store failed ({action})")]
    Objects {
        /// What was being done.
        action: &'static str,
        /// What the client library says.
        #[source]
        source: object_store::Error,
    },
    /// The spool met an error before, and cannot be relied on.
    #[error("the spool is incomplete")]
    Incomplete,
}

impl ClaimError {
    /// Whether trying again may help: a missing or damaged body stays so.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Folder { .. } | Self::NotDurable { .. } | Self::Objects { .. })
    }
}

/// A store of claims. Clones share it.
#[derive(Clone, Debug)]
pub enum ClaimStore {
    /// In a folder of this machine.
    Folder(Folder),
    /// In an S3-compatible object store.
    Objects(Objects),
}

impl ClaimStore {
    /// The store in a folder, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made, or its file system cannot hold files without a name.
    pub async fn folder(path: impl Into<PathBuf>) -> Result<Self, ClaimError> {
        Ok(Self::Folder(Folder::open(path.into()).await?))
    }

    /// The store in an S3-compatible service.
    ///
    /// # Errors
    ///
    /// When the settings cannot be, or the spool's folder is of no use.
    pub async fn s3(settings: S3) -> Result<Self, ClaimError> {
        Self::s3_within(settings, Limits::default()).await
    }

    /// The store in an S3-compatible service that is given other time limits than the usual ones.
    ///
    /// # Errors
    ///
    /// As [`s3`](Self::s3).
    pub async fn s3_within(settings: S3, limits: Limits) -> Result<Self, ClaimError> {
        Ok(Self::Objects(Objects::open(settings, limits).await?))
    }

    /// A new spool, to be filled, and then kept or dropped.
    ///
    /// # Errors
    ///
    /// When the folder fails.
    pub async fn spool(&self) -> Result<Spool, ClaimError> {
        match self {
            Self::Folder(store) => store.spool().await,
            Self::Objects(store) => store.spool().await,
        }
    }

    /// Stores what was spooled. When this returned, it survives a crash. What is stored already
    /// is a success; what is damaged there is replaced.
    ///
    /// # Errors
    ///
    /// When the store fails; nothing is then promised.
    pub async fn commit(&self, spool: Spool) -> Result<Claim, ClaimError> {
        match self {
            Self::Folder(store) => store.commit(spool).await,
            Self::Objects(store) => store.commit(spool).await,
        }
    }

    /// Stores bytes that are in memory, as [`commit`](Self::commit) does.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub async fn put(&self, bytes: Bytes) -> Result<Claim, ClaimError> {
        let mut spool = self.spool().await?;
        spool.write(bytes).await?;
        self.commit(spool).await
    }

    /// Reads what is stored, beginning at `offset`. The size is checked at once; the content is
    /// checked as it passes, when it is read whole.
    ///
    /// # Errors
    ///
    /// When it is missing, of another size, shorter than `offset`, or the store fails.
    pub async fn open(&self, claim: &Claim, offset: u64) -> Result<Reader, ClaimError> {
        match self {
            Self::Folder(store) => store.read(claim, offset).await,
            Self::Objects(store) => store.read(claim, offset).await,
        }
    }

    /// Whether something of that name and size is stored.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn exists(&self, claim: &Claim) -> Result<bool, ClaimError> {
        match self {
            Self::Folder(store) => store.exists(claim).await,
            Self::Objects(store) => store.exists(claim).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_and_read_in_one_way() {
        let claim = Claim::from_content(b"abc");
        let written = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(claim.to_string(), written);
        assert_eq!(Claim::from_reference(written, 3), Some(claim));
        assert_eq!(Claim::from_reference(&written.to_uppercase(), 3), None);
        assert_eq!(Claim::from_reference(written.trim_end_matches("5ad"), 3), None);
        assert_eq!(Claim::from_hex(written, 3), None);
    }
}
