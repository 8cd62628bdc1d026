//! Uploads: a file without a name (`O_TMPFILE`), which the file system deletes when it is closed.

use std::{fs::File, io, os::unix::fs::FileExt, path::PathBuf, sync::Arc};

use bytes::Bytes;
use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};

use super::{
    disk::run_blocking,
    error::ClaimError,
    pieces::{PieceHasher, Pieces},
    reader::Reader,
    reference::Claim,
};

/// Bytes that are buffered before a write, so that small chunks need no system call each.
const BUFFER_BYTES: usize = 256 * 1024;

/// An upload that is not stored yet. Dropping it deletes its bytes.
#[derive(Debug)]
pub struct Spool {
    file: Arc<File>,
    /// Moves to the writing thread and back; missing after a write that was aborted.
    tail: Option<Box<Tail>>,
    /// The file's content may not be on disk although a later `fsync` succeeds, because an earlier
    /// one failed: the kernel reports such a failure once and then takes the pages for written.
    is_suspect: bool,
    /// The content was linked under its digest, so the file must not change any more.
    is_sealed: bool,
}

#[derive(Debug)]
struct Tail {
    /// Digest of the bytes in the file, and of its pieces.
    hash: Sha256,
    pieces: PieceHasher,
    /// Number of bytes in the file.
    written: u64,
    /// Bytes after those in the file.
    buffer: Vec<u8>,
}

impl Tail {
    fn len(&self) -> u64 {
        self.written + u64::try_from(self.buffer.len()).unwrap_or(u64::MAX)
    }

    /// Writes the buffer and `more` to the file; after an error both the file and the tail are as
    /// before, so the same bytes can be written again once there is space.
    fn flush(&mut self, file: &File, more: &[u8]) -> io::Result<()> {
        let mut end = self.written;
        for part in [self.buffer.as_slice(), more] {
            if let Err(error) = file.write_all_at(part, end) {
                // Gives the blocks of a partial write back; its bytes are overwritten in any case.
                drop(file.set_len(self.written));
                return Err(error);
            }
            end += u64::try_from(part.len()).unwrap_or(u64::MAX);
        }
        for part in [self.buffer.as_slice(), more] {
            self.hash.update(part);
            self.pieces.update(part);
        }
        self.buffer.clear();
        self.written = end;
        Ok(())
    }
}

impl Spool {
    pub(super) async fn create(folder: PathBuf) -> Result<Self, ClaimError> {
        let file = run_blocking("create spool", move || {
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP;
            Ok(File::from(rustix::fs::open(folder, flags, mode)?))
        })
        .await?;
        let (hash, pieces) = (Sha256::new(), PieceHasher::default());
        let tail = Tail { hash, pieces, written: 0, buffer: Vec::new() };
        Ok(Self {
            file: Arc::new(file),
            tail: Some(Box::new(tail)),
            is_suspect: false,
            is_sealed: false,
        })
    }

    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// The folder fails. None of the bytes was appended then, and the same call may be repeated. A
    /// call that is aborted makes the spool incomplete.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), ClaimError> {
        if self.is_sealed {
            return Err(ClaimError::Incomplete);
        }
        let tail = self.tail.as_mut().ok_or(ClaimError::Incomplete)?;
        if tail.buffer.len() + bytes.len() < BUFFER_BYTES {
            tail.buffer.extend_from_slice(&bytes);
            return Ok(());
        }
        self.flush(bytes).await
    }

    /// Appends the last bytes and returns the claim of all.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn write_last(&mut self, bytes: Bytes) -> Result<Claim, ClaimError> {
        if self.is_sealed {
            return Err(ClaimError::Incomplete);
        }
        self.flush(bytes).await?;
        self.claim().await
    }

    /// Writes the buffer and `more` to the file.
    async fn flush(&mut self, more: Bytes) -> Result<(), ClaimError> {
        let mut tail = self.tail.take().ok_or(ClaimError::Incomplete)?;
        let file = Arc::clone(&self.file);
        let flushed = run_blocking("write spool", move || {
            let outcome = tail.flush(&file, &more);
            Ok((tail, outcome))
        });
        let (tail, outcome) = flushed.await?;
        self.tail = Some(tail);
        outcome.map_err(|source| ClaimError::Folder { action: "write spool", source })
    }

    /// The number of bytes appended so far; 0 for a spool that is incomplete.
    pub fn len(&self) -> u64 {
        self.tail.as_ref().map_or(0, |it| it.len())
    }

    /// Whether no byte was appended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The claim of the bytes appended so far.
    ///
    /// # Errors
    ///
    /// The folder fails.
    pub async fn claim(&mut self) -> Result<Claim, ClaimError> {
        self.flush(Bytes::new()).await?;
        let tail = self.tail.as_ref().ok_or(ClaimError::Incomplete)?;
        Ok(Claim { sha256: tail.hash.clone().finalize().into(), size: tail.written })
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

    /// The claim of the content, for storing it: no byte may follow. The content of a spool whose
    /// last `fsync` failed is copied to a new file in `folder` first.
    pub(super) async fn seal(&mut self, folder: PathBuf) -> Result<Claim, ClaimError> {
        let claim = self.claim().await?;
        self.is_sealed = true;
        if self.is_suspect {
            let mut copy = Self::create(folder).await?;
            let mut reader = self.read(0).await?;
            while let Some(chunk) = reader.next().await? {
                copy.write(chunk).await?;
            }
            copy.claim().await?;
            *self = Self { is_sealed: true, ..copy };
        }
        Ok(claim)
    }

    /// Notes that `fsync` of the content failed.
    pub(super) const fn suspect(&mut self) {
        self.is_suspect = true;
    }

    /// The digests of the pieces of the bytes that were written to the file.
    pub(super) fn pieces(&self) -> Pieces {
        self.tail.as_ref().map_or_else(PieceHasher::default, |it| it.pieces.clone()).finish()
    }

    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }
}
