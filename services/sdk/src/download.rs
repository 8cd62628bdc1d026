//! A download that resumes after an interruption and verifies the digest at its end.

use std::time::Duration;

use bytes::Bytes;
use proto::exchange::v1::{GetPartRequest, PartChunk};
use proto::fault::v1::Fault;
use sha2::{Digest as _, Sha256};
use tonic::{Status, Streaming};

use crate::client::Client;
use crate::error::FetchError;

/// Maximum number of attempts to resume at the same offset.
const RESUMES_MAX: u32 = 5;
/// Pause before the first attempt. Each further one at the same offset is three times as long, 12 s
/// in all, so that a restart of the gateway does not fail the download.
const RESUME_PAUSE: Duration = Duration::from_millis(100);

/// A body or attachment in transfer. Call [`next`](Self::next) until it returns `None`.
#[derive(Debug)]
pub struct Download {
    client: Client,
    request: GetPartRequest,
    stream: Option<Streaming<PartChunk>>,
    /// Bytes that arrived with the delivery itself.
    inline: Option<Bytes>,
    digest: Sha256,
    expected_digest: Bytes,
    size: u64,
    resumes: u32,
}

impl Download {
    pub(crate) fn new(
        client: Client,
        request: GetPartRequest,
        (size, expected_digest): (u64, Bytes),
    ) -> Self {
        Self {
            client,
            request,
            stream: None,
            inline: None,
            digest: Sha256::new(),
            expected_digest,
            size,
            resumes: 0,
        }
    }

    /// Returns these bytes without a call.
    pub(crate) fn with_inline(self, bytes: Bytes) -> Self {
        Self { inline: Some(bytes).filter(|it| !it.is_empty()), ..self }
    }

    /// The next bytes; `None` after the last ones, once the digest is verified.
    ///
    /// # Errors
    ///
    /// The gateway refuses the call or stays unavailable, or the digest differs. A download that is
    /// interrupted resumes at its offset.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        while self.request.offset < self.size {
            match self.next_chunk().await {
                Ok(Some(data)) => {
                    self.digest.update(&data);
                    self.request.offset += u64::try_from(data.len()).unwrap_or(u64::MAX);
                    self.resumes = 0;
                    return Ok(Some(data));
                }
                Err(status) if is_permanent(&status) => return Err(status.into()),
                Ok(None) | Err(_) if self.resumes < RESUMES_MAX => {
                    self.stream = None;
                    tokio::time::sleep(RESUME_PAUSE * 3_u32.pow(self.resumes)).await;
                    self.resumes += 1;
                }
                Ok(None) => return Err(FetchError::Damaged),
                Err(status) => return Err(status.into()),
            }
        }
        let digest: [u8; 32] = self.digest.clone().finalize().into();
        if self.request.offset == self.size && self.expected_digest.as_ref() == digest {
            Ok(None)
        } else {
            Err(FetchError::Damaged)
        }
    }

    async fn next_chunk(&mut self) -> Result<Option<Bytes>, Status> {
        if let Some(bytes) = self.inline.take() {
            return Ok(Some(bytes));
        }
        let stream = match &mut self.stream {
            Some(stream) => stream,
            empty => {
                let response = self.client.get_part(self.request.clone()).await?;
                empty.insert(response.into_inner())
            }
        };
        Ok(stream.message().await?.map(|it| it.data).filter(|it| !it.is_empty()))
    }

    /// All bytes at once, for content that is known to be small.
    ///
    /// # Errors
    ///
    /// As [`Download::next`].
    pub async fn all(mut self) -> Result<Vec<u8>, FetchError> {
        let mut all = Vec::new();
        while let Some(chunk) = self.next().await? {
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }
}

/// True for a fault that every repetition of the call would return.
fn is_permanent(status: &Status) -> bool {
    Fault::from_status(status).is_some_and(|it| !it.is_retryable())
}
