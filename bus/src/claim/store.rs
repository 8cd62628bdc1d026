//! The claim store: a folder or an object store.

use std::path::PathBuf;

use bytes::Bytes;

use super::{
    error::ClaimError,
    folder::Folder,
    object::{Limits, Objects, S3},
    reader::Reader,
    reference::Claim,
    spool::Spool,
};

/// A store of claims. Clones share it.
#[derive(Clone, Debug)]
pub enum ClaimStore {
    /// In a folder of this machine.
    Folder(Folder),
    /// In an S3-compatible object store.
    Objects(Objects),
}

impl ClaimStore {
    /// A store in a folder, which is created if it is missing.
    ///
    /// # Errors
    ///
    /// The folder cannot be created, or its file system does not support `O_TMPFILE`.
    pub async fn folder(path: impl Into<PathBuf>) -> Result<Self, ClaimError> {
        Ok(Self::Folder(Folder::open(path.into()).await?))
    }

    /// A store in an S3-compatible service.
    ///
    /// # Errors
    ///
    /// The settings are invalid, or the spool's folder cannot be used.
    pub async fn s3(settings: S3) -> Result<Self, ClaimError> {
        Self::s3_within(settings, Limits::default()).await
    }

    /// A store in an S3-compatible service with other time limits than the default ones.
    ///
    /// # Errors
    ///
    /// As [`s3`](Self::s3).
    pub async fn s3_within(settings: S3, limits: Limits) -> Result<Self, ClaimError> {
        Ok(Self::Objects(Objects::open(settings, limits).await?))
    }

    /// An empty spool, to be written and then committed or dropped.
    ///
    /// # Errors
    ///
    /// The folder fails.
    pub async fn spool(&self) -> Result<Spool, ClaimError> {
        match self {
            Self::Folder(store) => store.spool().await,
            Self::Objects(store) => store.spool().await,
        }
    }

    /// Stores the content of a spool under its digest. When this returns, the content survives a
    /// crash. Content that is stored already is a success; a damaged copy is replaced.
    ///
    /// # Errors
    ///
    /// The store fails, and the content may not be stored.
    pub async fn commit(&self, mut spool: Spool) -> Result<Claim, ClaimError> {
        self.commit_or_keep(&mut spool).await
    }

    /// As [`commit`](Self::commit). After an error the spool may be committed again; no byte can be
    /// appended to it any more.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub async fn commit_or_keep(&self, spool: &mut Spool) -> Result<Claim, ClaimError> {
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

    /// Opens stored bytes for reading from `offset`. The size is checked at once. The digest is checked
    /// while reading, when everything from the first byte is read.
    ///
    /// # Errors
    ///
    /// The bytes are missing or have another size, `offset` is beyond the end, or the store fails.
    pub async fn open(&self, claim: &Claim, offset: u64) -> Result<Reader, ClaimError> {
        match self {
            Self::Folder(store) => store.read(claim, offset).await,
            Self::Objects(store) => store.read(claim, offset).await,
        }
    }

    /// Whether bytes of this digest and size are stored.
    ///
    /// # Errors
    ///
    /// The store fails.
    pub async fn exists(&self, claim: &Claim) -> Result<bool, ClaimError> {
        match self {
            Self::Folder(store) => store.exists(claim).await,
            Self::Objects(store) => store.exists(claim).await,
        }
    }
}
