//! A message handed over: its envelope, and its bytes when they are asked for.

use std::time::Duration;

use bytes::Bytes;
use proto::exchange::v1::delivery::Body;
use proto::exchange::v1::{Delivery as Handed, GetPartRequest};
use proto::fault::v1::Fault;
use proto::message::v1::{Attachment, Index, MessageType};
use sha2::{Digest as _, Sha256};

use crate::Client;

/// How often a download that was cut in one place is taken up again.
const RESUMES_MAX: u32 = 5;
/// How long the first pause before that is; each further one in the same place is three times as
/// long, so that a gateway that starts again is waited for.
const RESUME_PAUSE: Duration = Duration::from_millis(100);

/// Bytes could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The gateway refused or is away.
    #[error("the gateway did not give the bytes")]
    Gateway(#[from] tonic::Status),
    /// What came is not what was sent.
    #[error("the bytes that came are not those that were sent")]
    Damaged,
    /// There is no such attachment.
    #[error("the message has no attachment `{id}`")]
    NoAttachment {
        /// The id asked for.
        id: String,
    },
}

/// Bytes on their way: take pieces until there are none.
#[derive(Debug)]
pub struct Fetched {
    client: Client,
    request: GetPartRequest,
    stream: Option<tonic::Streaming<proto::exchange::v1::PartChunk>>,
    /// What came with the message itself.
    here: Option<Bytes>,
    digest: Sha256,
    expected: Bytes,
    size: u64,
    resumes: u32,
}

impl Fetched {
    /// The next piece; none when all bytes came and have the right digest.
    ///
    /// # Errors
    ///
    /// The gateway is away for good, or the bytes are damaged. A cut in between is mended here.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        while self.request.offset < self.size {
            match self.piece().await {
                Ok(Some(data)) => {
                    self.digest.update(&data);
                    self.request.offset += u64::try_from(data.len()).unwrap_or(u64::MAX);
                    self.resumes = 0;
                    return Ok(Some(data));
                }
                Err(status) if is_final(&status) => return Err(status.into()),
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
        if self.request.offset == self.size && self.expected.as_ref() == digest {
            Ok(None)
        } else {
            Err(FetchError::Damaged)
        }
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, tonic::Status> {
        if let Some(bytes) = self.here.take() {
            return Ok(Some(bytes));
        }
        let stream = match &mut self.stream {
            Some(stream) => stream,
            empty => {
                let opened = self.client.get_part(self.request.clone()).await?;
                empty.insert(opened.into_inner())
            }
        };
        Ok(stream.message().await?.map(|it| it.data).filter(|it| !it.is_empty()))
    }

    /// All of it, for what is known to be small.
    ///
    /// # Errors
    ///
    /// As [`Fetched::next`].
    pub async fn all(mut self) -> Result<Vec<u8>, FetchError> {
        let mut all = Vec::new();
        while let Some(piece) = self.next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }
}

/// True when the gateway will give the same answer however often it is asked.
fn is_final(status: &tonic::Status) -> bool {
    Fault::from_status(status).is_some_and(|it| !it.is_retryable())
}

/// A message for the application. It is in hand until [`crate::Application::deliver`] answers.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub(crate) handed: Handed,
    pub(crate) session: String,
    pub(crate) client: Client,
}

impl Delivery {
    /// The message's id; the same each time it is handed over.
    pub fn message_id(&self) -> &str {
        &self.handed.message_id
    }

    /// What it is.
    pub fn kind(&self) -> MessageType {
        self.handed.r#type()
    }

    /// Format of the body.
    pub fn format(&self) -> &str {
        &self.handed.format
    }

    /// Directory key of the sending organisation.
    pub fn sender(&self) -> &str {
        &self.handed.sender
    }

    /// Name of the sending organisation.
    pub fn sender_name(&self) -> &str {
        &self.handed.sender_name
    }

    /// The conversation it belongs to.
    pub fn conversation(&self) -> &str {
        &self.handed.conversation
    }

    /// Which try this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.handed.attempt
    }

    /// Number, document id, subject: what people call it.
    pub fn index(&self) -> Index {
        self.handed.index.clone().unwrap_or_default()
    }

    /// Its files.
    pub fn attachments(&self) -> &[Attachment] {
        &self.handed.attachments
    }

    /// Everything the gateway said.
    pub fn handed(&self) -> &Handed {
        &self.handed
    }

    /// The body's bytes, all at once.
    ///
    /// # Errors
    ///
    /// They have to be fetched and cannot be.
    pub async fn body(&self) -> Result<Bytes, FetchError> {
        match &self.handed.body {
            Some(Body::Inline(bytes)) => Ok(bytes.clone()),
            Some(Body::ByPart(_)) | None => Ok(self.body_stream().all().await?.into()),
        }
    }

    /// The body's bytes, piece by piece, however long it is.
    pub fn body_stream(&self) -> Fetched {
        match &self.handed.body {
            Some(Body::Inline(bytes)) => {
                let digest: [u8; 32] = Sha256::digest(bytes).into();
                let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let mut fetched = self.fetch("", size, Bytes::copy_from_slice(&digest));
                fetched.here = Some(bytes.clone()).filter(|it| !it.is_empty());
                fetched
            }
            Some(Body::ByPart(part)) => self.fetch("", part.size, part.sha256.clone()),
            None => self.fetch("", 0, Bytes::copy_from_slice(&Sha256::digest([]))),
        }
    }

    /// The bytes of one of its files.
    ///
    /// # Errors
    ///
    /// There is no such file.
    pub fn attachment(&self, id: &str) -> Result<Fetched, FetchError> {
        let missing = || FetchError::NoAttachment { id: id.to_owned() };
        let found = self.handed.attachments.iter().find(|it| it.id == id).ok_or_else(missing)?;
        let claim = found.claim.clone().unwrap_or_default();
        Ok(self.fetch(id, claim.size, claim.sha256))
    }

    fn fetch(&self, id: &str, size: u64, expected: Bytes) -> Fetched {
        Fetched {
            client: self.client.clone(),
            request: GetPartRequest {
                session: self.session.clone(),
                message_id: self.handed.message_id.clone(),
                attachment: id.to_owned(),
                offset: 0,
            },
            stream: None,
            digest: Sha256::new(),
            here: None,
            expected,
            size,
            resumes: 0,
        }
    }
}
