//! The way out of an application: items with their files, and receipts for them.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use proto::exchange::v1::submit_request::Body;
use proto::exchange::v1::{PutPartRequest, SubmitRequest, SubmittedAttachment};
use proto::fault::code;
use proto::fault::v1::{Fault, Reason};
use proto::message::v1::Receipt;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::Client;
use crate::content::Content;
use crate::submit::Submitter;

/// Bodies up to this size ride in the submit itself.
const INLINE: u64 = 1024 * 1024;
/// How often a call that may succeed later is repeated.
const TRIES: u32 = 8;
/// How often an item's files are uploaded, when the gateway no longer has them at the submit.
const ROUNDS: u32 = 3;

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
    /// The bus does not let this application in: its token is wrong, or it is disabled. That says
    /// nothing about the item: keep it, and submit it when somebody has put that right.
    #[error("the bus does not let the application in")]
    NotAdmitted(#[source] Fault),
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
    client: Client,
    submitter: Submitter,
}

impl Outlet {
    pub(crate) fn new(client: Client) -> Self {
        Self { submitter: Submitter::new(client.clone()), client }
    }

    /// Hands an item over, and returns when the bus holds it with all its files. What may pass is
    /// tried again for about half a minute; files the bus lost on the way are uploaded again. Small
    /// items that are submitted at the same time go to the bus together.
    ///
    /// # Errors
    ///
    /// The bus refuses the item, does not let the application in, or is away for longer.
    pub async fn submit(&self, item: &Item) -> Result<Receipt, SubmitError> {
        let mut lost = Fault::default();
        for _ in 0..ROUNDS {
            let request = self.uploaded(item).await?;
            match self.handed_over(request).await {
                Err(SubmitError::Refused(fault)) if is_upload_lost(&fault) => lost = fault,
                outcome => return outcome,
            }
        }
        Err(SubmitError::Unavailable(lost.into()))
    }

    /// Uploads what an item has, and says how to submit it.
    async fn uploaded(&self, item: &Item) -> Result<SubmitRequest, SubmitError> {
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
        Ok(SubmitRequest {
            key: item.key.clone(),
            format: item.format.clone(),
            body: Some(body),
            attachments,
            recipients: item.recipients.clone(),
            traceparent: String::new(),
        })
    }

    async fn handed_over(&self, request: SubmitRequest) -> Result<Receipt, SubmitError> {
        let mut tries = Tries::new();
        let mut answer = self.submitter.submit(request.clone()).await;
        loop {
            match answer {
                Ok(answer) => return Ok(answer.receipt.unwrap_or_default()),
                Err(status) => tries.again(status).await?,
            }
            answer = self.submitter.submit_alone(request.clone()).await;
        }
    }

    /// Uploads bytes under a name nobody else uses, so that no other item can take them away;
    /// goes on where a call was cut.
    async fn upload(&self, content: &Content) -> Result<String, SubmitError> {
        let (sha256, size) = content.digest().await?;
        let digest: String = sha256.iter().map(|it| format!("{it:02x}")).collect();
        let part = format!("{digest}-{}", Uuid::now_v7().simple());
        let mut client = self.client.clone();
        let mut tries = Tries::new();
        let (mut offset, mut farthest) = (0, 0);
        loop {
            let request = PutPartRequest {
                part: part.clone(),
                offset,
                data: whole(content.chunk(offset).await?, size - offset)?,
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
            // A long upload may meet many troubles; only those in one place count together.
            if offset > farthest {
                farthest = offset;
                tries = Tries::new();
            }
        }
    }
}

/// A chunk of what is still to come; an empty one would be sent for ever.
fn whole(chunk: Bytes, left: u64) -> io::Result<Bytes> {
    if chunk.is_empty() && left > 0 {
        let words = "the file became shorter while it was sent";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, words));
    }
    Ok(chunk)
}

/// Where the gateway says that the upload stands; the start when it no longer has it.
fn expected(status: &Status) -> Option<u64> {
    let fault = Fault::from_status(status)?;
    fault.params.get("expected")?.parse().ok()
}

/// True when a submit names an upload that is gone or not whole: the gateway started again
/// meanwhile, or an earlier submit used the upload and its answer was lost.
fn is_upload_lost(fault: &Fault) -> bool {
    [&code::LT_EX_004, &code::LT_EX_009].iter().any(|it| it.code == fault.code)
}

/// True when the fault is about who calls, and not about the item.
fn is_shut_out(fault: &Fault) -> bool {
    fault.reason() == Reason::Unauthenticated || fault.code == code::LT_GW_007.code
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
        let asked = match Fault::from_status(&status) {
            Some(fault) if fault.is_retryable() => fault.retry_after_ms,
            Some(fault) if is_shut_out(&fault) => return Err(SubmitError::NotAdmitted(fault)),
            Some(fault) => return Err(SubmitError::Refused(fault)),
            None if is_passing(status.code()) => 0,
            None => return Err(SubmitError::Unavailable(status)),
        };
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

/// Codes of a transport in trouble, which says nothing about the call.
fn is_passing(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::DeadlineExceeded | Code::Unknown)
}
