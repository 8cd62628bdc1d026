//! Uploads: a file without a name (`O_TMPFILE`), which the file system deletes when it is closed.

use std::{fs::File, io::Write, path::PathBuf, sync::Arc};

use bytes::Bytes;
use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};

use super::{disk::run_blocking, error::ClaimError, reader::Reader, reference::Claim};

/// Bytes that are buffered before a write, so that small chunks need no system call each.
const BUFFER_BYTES: usize = 256 * 1024;

/// An upload that is not stored yet. Dropping it deletes its bytes.
#[derive(Debug)]
pub struct Spool {
    file: Arc<File>,
    /// Moves to the writing thread and back; missing after a write that failed or was aborted.
    tail: Option<Tail>,
    len: u64,
}

#[derive(Debug)]
struct Tail {
    hash: Sha256,
    buffer: Vec<u8>,
}

impl Spool {
    pub(super) async fn create(folder: PathBuf) -> Result<Self, ClaimError> {
        let file = run_blocking("create spool", move || {
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP;
            Ok(File::from(rustix::fs::open(folder, flags, mode)?))
        })
        .await?;
        let tail = Tail { hash: Sha256::new(), buffer: Vec::new() };
        Ok(Self { file: Arc::new(file), tail: Some(tail), len: 0 })
    }

    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// The folder fails. The spool then refuses further writes and cannot be committed.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), ClaimError> {
        let tail = self.tail.as_mut().ok_or(ClaimError::Incomplete)?;
        self.len += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if tail.buffer.len() + bytes.len() < BUFFER_BYTES {
            tail.buffer.extend_from_slice(&bytes);
            return Ok(());
        }
        self.flush(bytes).await
    }

    /// Writes the buffer and `more` to the file.
    async fn flush(&mut self, more: Bytes) -> Result<(), ClaimError> {
        let mut tail = self.tail.take().ok_or(ClaimError::Incomplete)?;
        let file = Arc::clone(&self.file);
        let written = run_blocking("write spool", move || {
            for part in [tail.buffer.as_slice(), &more] {
                tail.hash.update(part);
                (&*file).write_all(part)?;
            }
            tail.buffer.clear();
            Ok(tail)
        });
        self.tail = Some(written.await?);
        Ok(())
    }

    /// The number of bytes appended so far.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether no byte was appended.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The claim of the bytes appended so far.
    ///
    /// # Errors
    ///
    /// The folder fails, or did before.
    pub async fn claim(&mut self) -> Result<Claim, ClaimError> {
        self.flush(Bytes::new()).await?;
        let tail = self.tail.as_ref().ok_or(ClaimError::Incomplete)?;
        Ok(Claim { sha256: tail.hash.clone().finalize().into(), size: self.len })
    }

    /// Opens the bytes appended so far for reading from `offset`.
    ///
    /// # Errors
    ///
    /// The folder fails, or `offset` is beyond the end.
    pub async fn read(&mut self, offset: u64) -> Result<Reader, ClaimError> {
        let claim = self.claim().await?;
        Reader::from_file(Arc::clone(&self.file), claim, offset)
    }

    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }
}
