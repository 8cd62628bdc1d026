//! Stored bytes in chunks, checked against their name as they pass.

use std::{fmt, fs::File, sync::Arc};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use sha2::{Digest, Sha256};

use super::{
    Claim, ClaimError,
    spool::{blocking, read_at},
};

/// Bytes of one chunk: what a reader holds in memory.
const CHUNK_BYTES: u64 = 256 * 1024;

/// Reads stored bytes, chunk by chunk.
pub struct Reader {
    source: Source,
    claim: Claim,
    offset: u64,
    /// Present while everything from the first byte has passed.
    hash: Option<Sha256>,
}

enum Source {
    File(Arc<File>),
    Stream(BoxStream<'static, object_store::Result<Bytes>>),
}

impl Reader {
    pub(super) fn of_file(file: Arc<File>, claim: Claim, offset: u64) -> Result<Self, ClaimError> {
        Self::new(Source::File(file), claim, offset)
    }

    pub(super) fn of_stream(
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

    /// The next bytes, or `None` at the end. Of something read from its first byte, the last chunk
    /// comes only if all of it is what its name says.
    ///
    /// # Errors
    ///
    /// When the store fails, or what it holds is not what its name says.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClaimError> {
        let left = self.claim.size - self.offset;
        if left == 0 && self.hash.is_none() {
            return Ok(None);
        }
        let chunk = if left == 0 { Bytes::new() } else { self.chunk(left).await? };
        let count = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        let damaged = ClaimError::Damaged { claim: self.claim };
        if count > left || (count == 0 && left > 0) {
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

    async fn chunk(&mut self, left: u64) -> Result<Bytes, ClaimError> {
        match &mut self.source {
            Source::File(file) => {
                let (file, offset) = (Arc::clone(file), self.offset);
                let most = usize::try_from(left.min(CHUNK_BYTES)).unwrap_or(usize::MAX);
                blocking("read", move || read_at(&file, offset, most)).await
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

    /// All that is left, if it is at most `bytes_max`; for small things.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next), and when there is more than `bytes_max`, which nothing is read of.
    pub async fn read_all(mut self, bytes_max: u64) -> Result<Bytes, ClaimError> {
        let left = self.claim.size - self.offset;
        if left > bytes_max {
            return Err(ClaimError::Beyond { claim: self.claim, offset: self.offset + bytes_max });
        }
        let mut all = Vec::with_capacity(usize::try_from(left).unwrap_or(0));
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
