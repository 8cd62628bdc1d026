//! Reading stored bytes in chunks, which are checked against their claim.

use std::{fmt, fs::File, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream::BoxStream};
use sha2::{Digest, Sha256};

use super::{
    disk::{read_at, run_blocking},
    error::ClaimError,
    pieces::{PIECE_BYTES, PieceHasher, Pieces},
    reference::Claim,
};

/// The most bytes of one chunk of a file.
const CHUNK_BYTES: u64 = 256 * 1024;

/// Reads stored bytes, chunk by chunk.
pub struct Reader {
    source: Source,
    claim: Claim,
    /// The next byte of the caller.
    offset: u64,
    /// The next byte of the source. With pieces it is the first byte of one.
    position: u64,
    /// The digest so far; `None` when reading did not begin with the first byte.
    hash: Option<Sha256>,
    /// The digests by which each piece is checked before any byte of it is returned; `None` while only
    /// the whole is checked.
    pieces: Option<Pieces>,
    /// Checked bytes that were not returned yet.
    checked: Bytes,
}

pub(super) enum Source {
    File(Arc<File>),
    /// Bytes from the position on, and those that were read beyond it.
    Stream(BoxStream<'static, object_store::Result<Bytes>>, Bytes),
}

/// Where the piece with the byte `offset` begins.
pub(super) const fn piece_begin(offset: u64) -> u64 {
    offset - offset % PIECE_BYTES
}

impl Reader {
    /// A reader that checks nothing but the whole, which must be read from its first byte.
    pub(super) fn from_file(
        file: Arc<File>,
        claim: Claim,
        offset: u64,
    ) -> Result<Self, ClaimError> {
        Self::new(Source::File(file), (claim, None), (offset, offset))
    }

    /// A reader that checks nothing but the whole. The stream begins with the first byte.
    pub(super) fn from_stream(
        stream: BoxStream<'static, object_store::Result<Bytes>>,
        claim: Claim,
    ) -> Result<Self, ClaimError> {
        Self::new(Source::Stream(stream, Bytes::new()), (claim, None), (0, 0))
    }

    /// A reader that checks each piece. A stream begins with the piece that has the byte `offset`.
    pub(super) fn in_pieces(
        source: Source,
        (claim, pieces): (Claim, Pieces),
        offset: u64,
    ) -> Result<Self, ClaimError> {
        Self::new(source, (claim, Some(pieces)), (offset, piece_begin(offset)))
    }

    /// A reader that has nothing to read, because `offset` is the end or beyond it.
    pub(super) fn at_end(source: Source, claim: Claim, offset: u64) -> Result<Self, ClaimError> {
        Self::new(source, (claim, None), (offset, offset))
    }

    fn new(
        source: Source,
        (claim, pieces): (Claim, Option<Pieces>),
        (offset, position): (u64, u64),
    ) -> Result<Self, ClaimError> {
        if offset > claim.size {
            return Err(ClaimError::Beyond { claim, offset });
        }
        let hash = (position == 0).then(Sha256::new);
        Ok(Self { source, claim, offset, position, hash, pieces, checked: Bytes::new() })
    }

    /// The next bytes, or `None` at the end. No byte of a stored piece is returned before the piece is
    /// checked. When reading began with the first byte, the last chunk is returned only if the digest
    /// of the whole is right.
    ///
    /// # Errors
    ///
    /// The store fails, or its bytes differ from the claim.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClaimError> {
        if self.checked.is_empty() {
            self.checked = self.read_checked().await?;
        }
        let count = self.checked.len().min(usize::try_from(CHUNK_BYTES).unwrap_or(usize::MAX));
        let chunk = self.checked.split_to(count);
        self.offset += u64::try_from(count).unwrap_or(u64::MAX);
        Ok((count > 0).then_some(chunk))
    }

    /// The bytes from the position that the caller may have next: a checked piece, or as many as the
    /// source has ready; none at the end.
    async fn read_checked(&mut self) -> Result<Bytes, ClaimError> {
        let damaged = || ClaimError::Damaged { claim: self.claim };
        let remaining = self.claim.size - self.position;
        if self.offset == self.claim.size && (self.pieces.is_some() || self.hash.is_none()) {
            return Ok(Bytes::new());
        }
        let begin = self.position;
        let bytes = match (remaining, &self.pieces) {
            (0, _) => Bytes::new(),
            (_, None) => self.source.read((begin, remaining.min(CHUNK_BYTES))).await?,
            (_, Some(_)) => self.source.read_whole((begin, remaining.min(PIECE_BYTES))).await?,
        };
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let is_wrong = self.pieces.as_ref().is_some_and(|it| !it.has(begin, &bytes));
        if is_wrong || count > remaining || (count == 0 && remaining > 0) {
            return Err(damaged());
        }
        self.position += count;
        if let Some(hash) = &mut self.hash {
            hash.update(&bytes);
        }
        if self.position == self.claim.size
            && let Some(hash) = self.hash.take()
            && <[u8; 32]>::from(hash.finalize()) != self.claim.sha256
        {
            return Err(damaged());
        }
        let skipped = usize::try_from(self.offset.saturating_sub(begin)).unwrap_or(usize::MAX);
        Ok(bytes.slice(skipped.min(bytes.len())..))
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

    /// The digests of the pieces, computed from all bytes, which are compared with their claim.
    pub(super) async fn into_pieces(mut self) -> Result<Pieces, ClaimError> {
        let mut hasher = PieceHasher::default();
        while let Some(chunk) = self.next().await? {
            hasher.update(&chunk);
        }
        Ok(hasher.finish())
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

impl Source {
    /// Bytes from `begin`, as many as are ready, a file's at most `count_max`; none at the end.
    async fn read(&mut self, (begin, count_max): (u64, u64)) -> Result<Bytes, ClaimError> {
        match self {
            Self::File(file) => {
                let file = Arc::clone(file);
                let count_max = usize::try_from(count_max).unwrap_or(usize::MAX);
                run_blocking("read", move || read_at(&file, begin, count_max)).await
            }
            Self::Stream(_, rest) if !rest.is_empty() => Ok(std::mem::take(rest)),
            Self::Stream(stream, _) => loop {
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

    /// Reads on from `begin` until there are `wanted` bytes, or the end.
    async fn fill(
        &mut self,
        (first, wanted): (Bytes, usize),
        begin: u64,
    ) -> Result<Bytes, ClaimError> {
        let mut filled = BytesMut::with_capacity(wanted);
        let mut more = first;
        while !more.is_empty() {
            filled.extend_from_slice(&more);
            if filled.len() >= wanted {
                break;
            }
            let length = |it: usize| u64::try_from(it).unwrap_or(u64::MAX);
            let missing = length(wanted - filled.len());
            more = self.read((begin + length(filled.len()), missing)).await?;
        }
        Ok(filled.freeze())
    }

    /// `count` bytes from `begin`; fewer only at the end.
    async fn read_whole(&mut self, (begin, count): (u64, u64)) -> Result<Bytes, ClaimError> {
        let wanted = usize::try_from(count).unwrap_or(usize::MAX);
        let mut bytes = self.read((begin, count)).await?;
        if bytes.len() < wanted && !bytes.is_empty() {
            bytes = self.fill((bytes, wanted), begin).await?;
        }
        if let Self::Stream(_, rest) = self
            && bytes.len() > wanted
        {
            *rest = bytes.split_off(wanted);
        }
        Ok(bytes)
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
