//! What is being uploaded: a file without a name, which ends with whoever holds it.

use std::{fs::File, io::Write, os::unix::fs::FileExt, path::PathBuf, sync::Arc};

use bytes::Bytes;
use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};

use super::{Claim, ClaimError, reader::Reader};

/// Bytes that are gathered before they are written, so that small chunks cost no call each.
const GATHERED_BYTES: usize = 256 * 1024;

/// Bytes on their way into a store, without a name as yet. Dropping it leaves nothing.
#[derive(Debug)]
pub struct Spool {
    file: Arc<File>,
    /// Travels to the writing thread and back; missing, if a write was cut short.
    tail: Option<Tail>,
    len: u64,
}

#[derive(Debug)]
struct Tail {
    hash: Sha256,
    gathered: Vec<u8>,
}

impl Spool {
    pub(super) async fn create(folder: PathBuf) -> Result<Self, ClaimError> {
        let file = blocking("create spool", move || {
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP;
            Ok(File::from(rustix::fs::open(folder, flags, mode)?))
        })
        .await?;
        let tail = Tail { hash: Sha256::new(), gathered: Vec::new() };
        Ok(Self { file: Arc::new(file), tail: Some(tail), len: 0 })
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    ///
    /// When the folder fails; the spool is then of no more use, and says so when it is kept.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), ClaimError> {
        let tail = self.tail.as_mut().ok_or(ClaimError::Incomplete)?;
        self.len += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if tail.gathered.len() + bytes.len() < GATHERED_BYTES {
            tail.gathered.extend_from_slice(&bytes);
            return Ok(());
        }
        self.flush(bytes).await
    }

    /// Writes what is gathered, and `more`.
    async fn flush(&mut self, more: Bytes) -> Result<(), ClaimError> {
        let mut tail = self.tail.take().ok_or(ClaimError::Incomplete)?;
        let file = Arc::clone(&self.file);
        let written = blocking("write spool", move || {
            for part in [tail.gathered.as_slice(), &more] {
                tail.hash.update(part);
                (&*file).write_all(part)?;
            }
            tail.gathered.clear();
            Ok(tail)
        });
        self.tail = Some(written.await?);
        Ok(())
    }

    /// How many bytes were written.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was written.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The name that what was written so far would have.
    ///
    /// # Errors
    ///
    /// When the folder fails, or did before.
    pub async fn claim(&mut self) -> Result<Claim, ClaimError> {
        self.flush(Bytes::new()).await?;
        let tail = self.tail.as_ref().ok_or(ClaimError::Incomplete)?;
        Ok(Claim { sha256: tail.hash.clone().finalize().into(), size: self.len })
    }

    /// Reads back what was written so far, from `offset`.
    ///
    /// # Errors
    ///
    /// When the folder fails, or `offset` is beyond the end.
    pub async fn read(&mut self, offset: u64) -> Result<Reader, ClaimError> {
        let claim = self.claim().await?;
        Reader::of_file(Arc::clone(&self.file), claim, offset)
    }

    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }
}

/// The bytes of `file` from `offset`, as many as there are up to `most`.
pub(super) fn read_at(file: &File, offset: u64, most: usize) -> std::io::Result<Bytes> {
    let mut chunk = vec![0; most];
    let mut filled = 0;
    while filled < most {
        let position = offset + u64::try_from(filled).unwrap_or(u64::MAX);
        match file.read_at(&mut chunk[filled..], position) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    chunk.truncate(filled);
    Ok(chunk.into())
}

/// Does what may wait for a disk where waiting is allowed.
pub(super) async fn blocking<T: Send + 'static>(
    action: &'static str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, ClaimError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|cut| Err(std::io::Error::other(cut)))
        .map_err(|source| ClaimError::Folder { action, source })
}
