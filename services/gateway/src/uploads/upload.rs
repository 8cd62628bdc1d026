//! One upload: its bytes, and how far it is.

use bus::ClaimStore;
use bus::claim::Spool;
use bytes::Bytes;
use proto::exchange::v1::{PutPartRequest, PutPartResponse};
use proto::fault::code;
use proto::fault::v1::Fault;

use crate::config::Config;
use crate::fault::from_claim_error;
use crate::memory::MemoryBudget;
use crate::shared_bound::Held;

/// Bytes at the beginning of a file by which its type is told.
const HEAD_BYTES: usize = 1_024;

/// What the calls of an upload need.
#[derive(Clone, Copy)]
pub(crate) struct UploadContext<'a> {
    pub(crate) config: &'a Config,
    pub(crate) claims: &'a ClaimStore,
    pub(crate) memory: &'a MemoryBudget,
    pub(crate) now_us: i64,
}

/// Where the bytes of an upload are.
pub(super) enum Content {
    /// Nowhere yet: the first chunk decides.
    Empty,
    /// In memory, held from the budget: a small upload needs no file of its own.
    Memory { bytes: Vec<u8>, held: Held },
    /// In an anonymous spool.
    Spool(Spool),
    /// In the claim store, under their SHA-256.
    Committed,
    /// A write failed or was cancelled, so the number of bytes written is unknown.
    Broken,
}

/// One upload of an application.
pub(super) struct Upload {
    pub(super) content: Content,
    size: u64,
    sha256: [u8; 32],
    received: u64,
    /// First bytes, by which the mapping service tells the type of the file.
    head: Vec<u8>,
    /// All bytes were received and have the declared digest.
    is_complete: bool,
    pub(super) last_call_us: i64,
}

impl Upload {
    /// An upload of which nothing was received.
    pub(super) fn new(size: u64, sha256: [u8; 32], now_us: i64) -> Self {
        Self {
            content: Content::Empty,
            size,
            sha256,
            received: 0,
            head: Vec::new(),
            // No chunk follows that would complete an empty upload; `check_request` has compared
            // its digest.
            is_complete: size == 0,
            last_call_us: now_us,
        }
    }

    /// Takes the spool out for a write or read, and leaves the upload broken until the spool is put
    /// back: a call that is cancelled in the middle must not leave an upload that looks complete.
    pub(super) fn take_spool(&mut self, part: &str) -> Result<Spool, Fault> {
        match std::mem::replace(&mut self.content, Content::Broken) {
            Content::Spool(spool) => Ok(spool),
            content @ (Content::Empty
            | Content::Memory { .. }
            | Content::Committed
            | Content::Broken) => {
                self.content = content;
                Err(unknown_upload(part))
            }
        }
    }

    pub(super) fn is_broken(&self) -> bool {
        matches!(self.content, Content::Broken)
    }

    /// The digest and size of a complete upload.
    pub(super) fn claim(&self, part: &str) -> Result<bus::Claim, Fault> {
        if self.is_broken() {
            return Err(unknown_upload(part));
        }
        if !self.is_complete {
            let received = self.received.to_string();
            return Err(Fault::new(&code::LT_EX_009)
                .param("part", part)
                .param("expected", received));
        }
        Ok(bus::Claim { sha256: self.sha256, size: self.size })
    }

    /// The first bytes of the upload.
    pub(super) fn head(&self) -> Bytes {
        Bytes::copy_from_slice(&self.head)
    }

    /// Receives the next chunk, or reports the progress when the request has no data.
    pub(super) async fn receive(
        &mut self,
        request: PutPartRequest,
        (application, sha256): (&str, [u8; 32]),
        context: UploadContext<'_>,
    ) -> Result<PutPartResponse, Fault> {
        if self.size != request.size || self.sha256 != sha256 {
            return Err(Fault::new(&code::LT_EX_005).param("part", &request.part));
        }
        self.last_call_us = context.now_us;
        if !request.data.is_empty() {
            self.append(application, &request, context).await?;
        }
        let (received, complete) = (self.received, self.is_complete);
        Ok(PutPartResponse { part: request.part, received, complete })
    }

    /// Appends a chunk. While the disk is full or fails, the upload stays as it is, so that the same
    /// chunk can be sent again. Only a call that was cancelled does not put the spool back, because
    /// the number of bytes written is unknown.
    async fn append(
        &mut self,
        application: &str,
        request: &PutPartRequest,
        context: UploadContext<'_>,
    ) -> Result<(), Fault> {
        if request.offset != self.received {
            return Err(Fault::new(&code::LT_EX_003)
                .param("part", &request.part)
                .param("offset", request.offset.to_string())
                .param("expected", self.received.to_string()));
        }
        let received = self.received + u64::try_from(request.data.len()).unwrap_or(u64::MAX);
        if received > self.size {
            return Err(Fault::new(&code::LT_EX_006).param("part", &request.part));
        }
        let claim = if self.keep_in_memory(application, &request.data, context).await? {
            self.claim_of_memory(received)
        } else {
            self.append_to_spool(request, received).await?
        };
        if claim.is_some_and(|it| it.sha256 != self.sha256) {
            self.content = Content::Broken;
            return Err(Fault::new(&code::LT_EX_007).param("part", &request.part));
        }
        let missing = HEAD_BYTES.saturating_sub(self.head.len());
        self.head.extend(request.data.iter().take(missing));
        self.is_complete = claim.is_some();
        self.received = received;
        Ok(())
    }

    /// Appends a chunk of a small upload in memory. False: the upload has a spool, because it is
    /// large or because no memory is left in its application's share.
    async fn keep_in_memory(
        &mut self,
        application: &str,
        data: &Bytes,
        context: UploadContext<'_>,
    ) -> Result<bool, Fault> {
        if matches!(self.content, Content::Empty)
            && self.size <= context.config.small_part_bytes_max
            && let Ok(held) = context.memory.reserve_growing(application)
        {
            self.content = Content::Memory { bytes: Vec::new(), held };
        }
        let before = match &mut self.content {
            Content::Memory { bytes, held } => {
                if held.grow(u64::try_from(data.len()).unwrap_or(u64::MAX)).is_ok() {
                    bytes.reserve_exact(data.len());
                    bytes.extend_from_slice(data);
                    return Ok(true);
                }
                bytes.as_slice()
            }
            Content::Empty => &[],
            Content::Spool(_) | Content::Committed | Content::Broken => return Ok(false),
        };
        let mut spool = context.claims.spool().await.map_err(|error| from_claim_error(&error))?;
        spool.write(Bytes::copy_from_slice(before)).await.map_err(|it| from_claim_error(&it))?;
        self.content = Content::Spool(spool);
        Ok(false)
    }

    /// The claim of an upload in memory that is complete.
    fn claim_of_memory(&self, received: u64) -> Option<bus::Claim> {
        match &self.content {
            Content::Memory { bytes, .. } if received == self.size => {
                Some(bus::Claim::from_content(bytes))
            }
            Content::Memory { .. }
            | Content::Empty
            | Content::Spool(_)
            | Content::Committed
            | Content::Broken => None,
        }
    }

    /// Appends a chunk to the spool; the claim of the whole when it is complete.
    async fn append_to_spool(
        &mut self,
        request: &PutPartRequest,
        received: u64,
    ) -> Result<Option<bus::Claim>, Fault> {
        let mut spool = self.take_spool(&request.part)?;
        let data = request.data.clone();
        let written = if received == self.size {
            spool.write_last(data).await.map(Some)
        } else {
            spool.write(data).await.map(|()| None)
        };
        let is_kept = match &written {
            Ok(_) => true,
            Err(error) => error.storage_failure().is_some(),
        };
        if is_kept {
            self.content = Content::Spool(spool);
        }
        written.map_err(|error| from_claim_error(&error))
    }

    /// Reads all bytes of a complete upload.
    pub(super) async fn read_all(
        &mut self,
        part: &str,
        claims: &ClaimStore,
    ) -> Result<Bytes, Fault> {
        let claim = self.claim(part)?;
        let reader = match &self.content {
            Content::Empty => return Ok(Bytes::new()),
            Content::Memory { bytes, .. } => return Ok(Bytes::copy_from_slice(bytes)),
            Content::Committed => claims.open(&claim, 0).await,
            Content::Spool(_) | Content::Broken => {
                let mut spool = self.take_spool(part)?;
                let reader = spool.read(0).await;
                self.content = Content::Spool(spool);
                reader
            }
        };
        let reader = reader.map_err(|error| from_claim_error(&error))?;
        reader.read_all(claim.size).await.map_err(|error| from_claim_error(&error))
    }

    /// Commits a complete upload to the claim store. When the store is full or fails the upload
    /// stays complete, and the next submit commits it.
    pub(super) async fn commit(&mut self, part: &str, claims: &ClaimStore) -> Result<(), Fault> {
        self.claim(part)?;
        let small = match &self.content {
            Content::Committed => return Ok(()),
            Content::Empty => Some(Bytes::new()),
            Content::Memory { bytes, .. } => Some(Bytes::copy_from_slice(bytes)),
            Content::Spool(_) | Content::Broken => None,
        };
        if let Some(bytes) = small {
            claims.put(bytes).await.map_err(|error| from_claim_error(&error))?;
            self.content = Content::Committed;
            return Ok(());
        }
        let mut spool = self.take_spool(part)?;
        let committed = claims.commit_or_keep(&mut spool).await;
        self.content = match &committed {
            Ok(_) => Content::Committed,
            Err(error) if error.storage_failure().is_some() => Content::Spool(spool),
            Err(_) => Content::Broken,
        };
        committed.map(drop).map_err(|error| from_claim_error(&error))
    }
}

/// No such upload in this gateway: it was never begun, has expired, is broken, or is at another
/// gateway. In each case the client starts it again from offset 0.
pub(super) fn unknown_upload(part: &str) -> Fault {
    Fault::new(&code::LT_EX_004).param("part", part).param("expected", "0")
}
