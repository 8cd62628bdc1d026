//! The way out of an application: items with their files, and receipts for them.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use proto::exchange::v1::submit_request::Body;
use proto::exchange::v1::{PutPartRequest, SubmitRequest, SubmittedAttachment};
use proto::fault::v1::Fault;
use proto::journal::v1::Receipt;
use tonic::{Code, Status};

use crate::Client;
use crate::content::Content;

/// Bodies up to this size ride in the submit itself.
const INLINE: u64 = 1024 * 1024;
/// How often a call that may succeed later is repeated.
const TRIES: u32 = 8;

/// A file that goes with an item.
#[derive(Clone, Debug)]
pub struct File {
    /// What the body calls it.
    pub reference: String,
    /// Its name.
    pub name: String,
    /// Its media type; empty: not known.
    pub media_type: String,
    /// Its bytes.
    pub content: Content,
}

/// Something the application has to send.
#[derive(Clone, Debug, Default)]
pub struct Item {
    /// The application's own key for it; empty: it has none, and content alone tells a repeat.
    pub key: String,
    /// Format of the body, or `auto`.
    pub format: String,
    /// The bytes, as the application gives them.
    pub body: Content,
    /// Files beside the body.
    pub files: Vec<File>,
    /// Organisation codes to send to, instead of those in the body.
    pub recipients: Vec<String>,
}

/// Why an item was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// It will not be taken as it is; nothing of it was kept.
    #[error("the bus refused the item")]
    Refused(#[source] Fault),
    /// The bus is away; whether it has the item is not known. Submit it again under the same key.
    #[error("the bus is away")]
    Unavailable(#[source] Status),
    /// A file of the item cannot be read here.
    #[error("a file of the item cannot be read")]
    Unreadable(#[from] io::Error),
}

/// Hands items to the bus. Clones share the link.
#[derive(Clone, Debug)]
pub struct Outlet {
    pub(crate) client: Client,
}

impl Outlet {
    /// Hands an item over, and returns when the bus holds it with all its files. What may pass is
    /// tried again for about half a minute.
    ///
    /// # Errors
    ///
    /// The bus refuses the item, or is away for longer.
    pub async fn submit(&self, item: &Item) -> Result<Receipt, SubmitError> {
        let mut attachments = Vec::with_capacity(item.files.len());
        for file in &item.files {
            let part = self.upload(&file.content).await?;
            attachments.push(SubmittedAttachment {
                reference: file.reference.clone(),
                part,
                file_name: file.name.clone(),
                media_type: file.media_type.clone(),
            });
        }
        let body = match item.body.small(INLINE).await? {
            Some(bytes) => Body::Inline(bytes),
            None => Body::Part(self.upload(&item.body).await?),
        };
        let request = SubmitRequest {
            key: item.key.clone(),
            format: item.format.clone(),
            body: Some(body),
            attachments,
            recipients: item.recipients.clone(),
            traceparent: String::new(),
        };
        let mut client = self.client.clone();
        let mut tries = Tries::new();
        loop {
            match client.submit(request.clone()).await {
                Ok(answer) => return Ok(answer.into_inner().receipt.unwrap_or_default()),
                Err(status) => tries.again(status).await?,
            }
        }
    }

    /// Uploads bytes under the name of their digest, going on where an earlier try was cut.
    async fn upload(&self, content: &Content) -> Result<String, SubmitError> {
        let (sha256, size) = content.digest().await?;
        let part: String = sha256.iter().map(|it| format!("{it:02x}")).collect();
        let mut client = self.client.clone();
        let mut tries = Tries::new();
        let mut offset = 0;
        loop {
            let request = PutPartRequest {
                part: part.clone(),
                offset,
                data: content.chunk(offset).await?,
                size,
                sha256: Bytes::copy_from_slice(&sha256),
            };
            match client.put_part(request).await.map(tonic::Response::into_inner) {
                Ok(answer) if answer.complete => return Ok(part),
                Ok(answer) => offset = answer.received.min(size),
                Err(status) => match expected(&status) {
                    Some(there) => {
                        offset = there.min(size);
                        tries.count(status)?;
                    }
                    None => tries.again(status).await?,
                },
            }
        }
    }
}

/// Where the gateway says that the upload stands; the start when it no longer has it.
fn expected(status: &Status) -> Option<u64> {
    let fault = Fault::from_status(status)?;
    fault.params.get("expected")?.parse().ok()
}

/// Bounded repetition with growing pauses.
struct Tries {
    left: u32,
    pause: Duration,
}

impl Tries {
    fn new() -> Self {
        Self { left: TRIES, pause: Duration::from_millis(100) }
    }

    /// Waits and lets the caller try again, if that may help.
    async fn again(&mut self, status: Status) -> Result<(), SubmitError> {
        let fault = Fault::from_status(&status);
        let may_pass = match &fault {
            Some(fault) => fault.may_pass(),
            None => {
                matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Unknown)
            }
        };
        if !may_pass {
            return Err(match fault {
                Some(fault) => SubmitError::Refused(fault),
                None => SubmitError::Unavailable(status),
            });
        }
        let asked = fault.map_or(0, |it| it.retry_after_ms);
        self.count(status)?;
        let pause = self.pause.max(Duration::from_millis(asked.min(10_000)));
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(10));
        Ok(())
    }

    fn count(&mut self, status: Status) -> Result<(), SubmitError> {
        if self.left == 0 {
            return Err(SubmitError::Unavailable(status));
        }
        self.left -= 1;
        Ok(())
    }
}
