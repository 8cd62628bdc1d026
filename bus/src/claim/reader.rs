//! Reading stored bytes in chunks, which are checked against their claim.

use std::{fmt, fs::File, sync::Arc};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use sha2::{Digest, Sha256};

use super::{
    disk::{read_at, run_blocking},
    error::ClaimError,
    reference::Claim,
};

/// Bytes of one chunk, which is the memory that a reader takes.
const CHUNK_BYTES: u64 = 256 * 1024;

/// Reads stored bytes, chunk by chunk.
pub struct Reader {
    source: Source,
    claim: Claim,
    offset: u64,
    /// The digest so far; `None` when reading did not begin with the first byte.
    hash: Option<Sha256>,
}

enum Source {
    File(Arc<File>),
    Stream(BoxStream<'static, object_store::Result<Bytes>>),
}

impl Reader {
    pub(super) fn from_file(
        file: Arc<File>,
        claim: Claim,
        offset: u64,
    ) -> Result<Self, ClaimError> {
        Self::new(Source::File(file), claim, offset)
    }

    pub(super) fn from_stream(
        stream: BoxStream<'static, object_store::Result<Bytes>>,
        claim: Claim,
        offset: u64,
    ) -> Result<Self, ClaimError> {
        Self::new(Source::Stream(stream), claim, offset)
    }

    fn new(source: Source, claim: Claim, offset: u64) -> Result<Self, ClaimError> {
        if offset > claim.size {
            return Err(ClaimError::Beyond { claim, offset });
        }
        let hash = (offset == 0).then(Sha256::new);
        Ok(Self { source, claim, offset, hash })
    }

    /// The next bytes, or `None` at the end. When reading began with the first byte, the last chunk is
    /// returned only if the digest is right.
    ///
    /// # Errors
    ///
    /// The store fails, or its bytes differ from the claim.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClaimError> {
        let remaining = self.claim.size - self.offset;
        if remaining == 0 && self.hash.is_none() {
            return Ok(None);
        }
        let chunk = if remaining == 0 { Bytes::new() } else { self.read_chunk(remaining).await? };
        let count = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        let damaged = ClaimError::Damaged { claim: self.claim };
        if count > remaining || (count == 0 && remaining > 0) {
            return Err(damaged);
        }
        self.offset += count;
        if let Some(hash) = &mut self.hash {
            hash.update(&chunk);
        }
        if self.offset == self.claim.size
            && let Some(hash) = self.hash.take()
            && <[u8; 32]>::from(hash.finalize()) != self.claim.sha256
        {
            return Err(damaged);
        }
        Ok((count > 0).then_some(chunk))
    }

    async fn read_chunk(&mut self, remaining: u64) -> Result<Bytes, ClaimError> {
        match &mut self.source {
            Source::File(file) => {
                let (file, offset) = (Arc::clone(file), self.offset);
                let count_max = usize::try_from(remaining.min(CHUNK_BYTES)).unwrap_or(usize::MAX);
                run_blocking("read", move || read_at(&file, offset, count_max)).await
            }
            Source::Stream(stream) => loop {
                match stream.next().await {
                    Some(Ok(chunk)) if chunk.is_empty() => {}
                    Some(Ok(chunk)) => return Ok(chunk),
                    Some(Err(source)) => {
                        return Err(ClaimError::Objects { action: "read", source });
                    }
                    None => return Ok(Bytes::new()),
                }
            },
        }
    }

    /// Reads the rest into memory, if it is at most `bytes_max`.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next); and when the rest is larger than `bytes_max`, before reading it.
    pub async fn read_all(mut self, bytes_max: u64) -> Result<Bytes, ClaimError> {
        let remaining = self.claim.size - self.offset;
        if remaining > bytes_max {
            return Err(ClaimError::Beyond { claim: self.claim, offset: self.offset + bytes_max });
        }
        let mut all = Vec::with_capacity(usize::try_from(remaining).unwrap_or(0));
        while let Some(chunk) = self.next().await? {
            all.extend_from_slice(&chunk);
        }
        Ok(all.into())
    }

    /// The chunks as a stream, which ends after an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, ClaimError>> + Send {
        futures::stream::unfold(Some(self), |reader| async {
            let mut reader = reader?;
            match reader.next().await {
                Ok(chunk) => Some((Ok(chunk?), Some(reader))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Reader")
            .field("claim", &self.claim)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}
