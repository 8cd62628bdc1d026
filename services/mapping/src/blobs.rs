//! Bytes of files: those found in a body, before anybody has them, and those in the store.

use std::fmt;
use std::io::{Read, Seek, SeekFrom, Write};

use bus::{Claim, ClaimStore};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tempfile::SpooledTempFile;
use tokio::runtime::Handle;

use crate::translate::unstored;
use proto::fault::v1::Fault;

/// A found file stays in memory up to here, then moves to a file without a name.
const MEMORY_BYTES_MAX: usize = 1024 * 1024;

/// Files found in a body while it is read. Dropping them leaves nothing.
#[derive(Default)]
pub(crate) struct Found {
    files: Vec<(Claim, SpooledTempFile)>,
    open: Option<(SpooledTempFile, Sha256, u64)>,
    /// The body they are in bears a secrecy mark, whatever else is wrong with it.
    pub(crate) bears_mark: bool,
}

impl Found {
    /// Adds bytes to the file that is being read.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let fresh = || (SpooledTempFile::new(MEMORY_BYTES_MAX), Sha256::new(), 0);
        let (file, hash, size) = self.open.get_or_insert_with(fresh);
        file.write_all(bytes)?;
        hash.update(bytes);
        *size += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Ends the file that is being read, and names it by its content.
    pub(crate) fn end(&mut self) -> std::io::Result<()> {
        self.append(&[])?;
        if let Some((file, hash, size)) = self.open.take() {
            self.files.push((Claim { sha256: hash.finalize().into(), size }, file));
        }
        Ok(())
    }

    /// The place of a file with this name.
    pub(crate) fn place(&self, claim: &Claim) -> Option<u32> {
        let place = self.files.iter().position(|(it, _)| it == claim)?;
        u32::try_from(place).ok()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// Goes to the beginning of a file.
    pub(crate) fn rewind(&mut self, place: usize) -> std::io::Result<()> {
        self.files.get_mut(place).map_or(Ok(()), |(_, it)| it.seek(SeekFrom::Start(0)).map(|_| ()))
    }

    /// The next bytes of a file, at most `most`; fewer only at its end.
    pub(crate) fn next(&mut self, place: usize, most: usize) -> std::io::Result<Bytes> {
        let Some((_, file)) = self.files.get_mut(place) else { return Ok(Bytes::new()) };
        let mut chunk = vec![0; most];
        let mut filled = 0;
        while filled < most {
            match file.read(&mut chunk[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        chunk.truncate(filled);
        Ok(chunk.into())
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Found").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

/// Files in the store, read from a thread that may block.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    store: Option<(ClaimStore, Handle)>,
}

impl Stored {
    /// No files: the message has none.
    pub(crate) const fn none() -> Self {
        Self { store: None }
    }

    /// The files of a store.
    pub(crate) const fn of(claims: ClaimStore, runtime: Handle) -> Self {
        Self { store: Some((claims, runtime)) }
    }

    /// Hands over a file's bytes in chunks, checked against its name.
    pub(crate) fn pour(&self, claim: &Claim, into: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        let missing = bus::claim::ClaimError::Missing { claim: *claim };
        let Some((claims, runtime)) = &self.store else { return Err(unstored(&missing)) };
        let mut reader = runtime.block_on(claims.open(claim, 0)).map_err(|it| unstored(&it))?;
        while let Some(chunk) = runtime.block_on(reader.next()).map_err(|it| unstored(&it))? {
            into(&chunk);
        }
        Ok(())
    }
}
