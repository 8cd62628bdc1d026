//! Contents of files: extracted from a body while it is read, and read from the claim store.

use std::collections::HashMap;
use std::fmt;
use std::io::{Read, Seek, SeekFrom, Write};

use bus::claim::ClaimError;
use bus::{Claim, ClaimStore};
use bytes::Bytes;
use proto::fault::v1::Fault;
use proto::mapping::v1::ReadAttributes;
use sha2::{Digest as _, Sha256};
use tempfile::SpooledTempFile;
use tokio::runtime::Handle;

use crate::fault::from_claim_error;

/// Up to this size an extracted file stays in memory; a larger one moves to an anonymous file.
const MEMORY_BYTES_MAX: usize = 1024 * 1024;

/// Files extracted from a body. They have no name on disk, so dropping them after a refusal leaves
/// nothing behind.
#[derive(Default)]
pub(crate) struct ExtractedFiles {
    completed: Vec<(Claim, SpooledTempFile)>,
    current: Option<(SpooledTempFile, Sha256, u64)>,
    /// The body bears a secrecy mark. It is set as soon as the body's texts are read, so that the
    /// mark decides even when the files after them are malformed.
    pub(crate) bears_secrecy_mark: bool,
    /// What was read of each record before its rules were checked, by its index, for the record of
    /// a refusal.
    pub(crate) read: HashMap<usize, ReadAttributes>,
}

impl ExtractedFiles {
    /// Appends bytes to the current file.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let begin = || (SpooledTempFile::new(MEMORY_BYTES_MAX), Sha256::new(), 0);
        let (file, hash, size) = self.current.get_or_insert_with(begin);
        file.write_all(bytes)?;
        hash.update(bytes);
        *size += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Completes the current file, which may be empty, and identifies it by its digest.
    pub(crate) fn complete_file(&mut self) -> std::io::Result<()> {
        self.append(&[])?;
        if let Some((file, hash, size)) = self.current.take() {
            self.completed.push((Claim { sha256: hash.finalize().into(), size }, file));
        }
        Ok(())
    }

    /// The index of the file with this content.
    pub(crate) fn index_of(&self, claim: &Claim) -> Option<u32> {
        let index = self.completed.iter().position(|(it, _)| it == claim)?;
        u32::try_from(index).ok()
    }

    /// Number of completed files.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.completed.len()
    }

    /// Moves to the beginning of a file.
    pub(crate) fn rewind(&mut self, index: usize) -> std::io::Result<()> {
        let file = self.completed.get_mut(index);
        file.map_or(Ok(()), |(_, it)| it.seek(SeekFrom::Start(0)).map(|_| ()))
    }

    /// Reads the next chunk of a file; shorter than `limit` only at the end of the file.
    pub(crate) fn read_chunk(&mut self, index: usize, limit: usize) -> std::io::Result<Bytes> {
        let Some((_, file)) = self.completed.get_mut(index) else { return Ok(Bytes::new()) };
        let mut chunk = vec![0; limit];
        let mut filled = 0;
        while filled < limit {
            match file.read(&mut chunk[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        chunk.truncate(filled);
        Ok(chunk.into())
    }
}

impl fmt::Debug for ExtractedFiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("ExtractedFiles");
        debug.field("completed", &self.completed.len()).finish_non_exhaustive()
    }
}

/// Files in the claim store, for the format engine, which is synchronous: reads block, so they
/// happen on a thread that may block.
#[derive(Clone, Debug)]
pub(crate) struct StoredFiles {
    store: Option<(ClaimStore, Handle)>,
}

impl StoredFiles {
    /// For a message without files.
    pub(crate) const fn none() -> Self {
        Self { store: None }
    }

    /// The files of a claim store.
    pub(crate) const fn new(claims: ClaimStore, runtime: Handle) -> Self {
        Self { store: Some((claims, runtime)) }
    }

    /// Reads a file in chunks; the store checks them against the claim's digest.
    pub(crate) fn read_into(
        &self,
        claim: &Claim,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Fault> {
        let missing = ClaimError::Missing { claim: *claim };
        let Some((claims, runtime)) = &self.store else { return Err(from_claim_error(&missing)) };
        let failed = |error: ClaimError| from_claim_error(&error);
        let mut reader = runtime.block_on(claims.open(claim, 0)).map_err(failed)?;
        while let Some(chunk) = runtime.block_on(reader.next()).map_err(failed)? {
            sink(&chunk);
        }
        Ok(())
    }
}
