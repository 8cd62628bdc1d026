//! Submitting items with their files: uploads, retries and receipts.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use proto::exchange::v1::submit_request::Body;
use proto::exchange::v1::{PutPartRequest, SubmitRequest, SubmitResponse, SubmittedAttachment};
use proto::fault::code;
use proto::fault::v1::{Fault, Reason};
use proto::message::v1::Receipt;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::client::Client;
use crate::content::Content;
use crate::error::SubmitError;
use crate::submit::SubmitBatcher;

/// Maximum size of an inline body, bytes; a larger one is uploaded.
const INLINE_BYTES_MAX: u64 = 1024 * 1024;
/// Maximum number of retries of a call that failed with a transient error.
const RETRIES_MAX: u32 = 8;
/// Maximum number of times that an item's files are uploaded, when the gateway has lost them before
/// the submit.
const UPLOADS_MAX: u32 = 3;

/// A file of an item.
#[derive(Clone, Debug)]
pub struct File {
    /// The path, link or id by which the body refers to the file.
    pub reference: String,
    /// Original file name with its extension.
    pub name: String,
    /// Media type (RFC 6838); empty: unknown.
    pub media_type: String,
    /// The bytes.
    pub content: Content,
}

/// An item to submit: a document, a status or another message type.
#[derive(Clone, Debug, Default)]
pub struct Item {
    /// The application's idempotency key; empty: repeats are detected by content alone.
    pub key: String,
    /// Format of the body, or `auto` to detect it.
    pub format: String,
    /// The body in the application's format.
    pub body: Content,
    /// Files outside the body.
    pub files: Vec<File>,
    /// Codes of the recipients, which replace those in the body; empty: those in the body.
    pub recipients: Vec<String>,
}

/// Submits items to the bus. Clones share the connection.
#[derive(Clone, Debug)]
pub struct SubmitHandle {
    client: Client,
    batcher: SubmitBatcher,
}

impl SubmitHandle {
    pub(crate) fn new(client: Client) -> Self {
        Self { batcher: SubmitBatcher::new(client.clone()), client }
    }

    /// Uploads the files of an item, submits it, and returns its receipt once the bus has stored all
    /// of it. Transient errors are retried for about half a minute. When an answer was lost, the item
    /// is submitted again as it is: its files are uploaded again only when the gateway has neither
    /// them nor a receipt. Small items that are submitted at the same time share a call.
    ///
    /// # Errors
    ///
    /// The bus refuses the item, rejects the application, or stays unavailable.
    pub async fn submit(&self, item: &Item) -> Result<Receipt, SubmitError> {
        Ok(self.submit_item(item).await?.receipt.unwrap_or_default())
    }

    /// The same as [`SubmitHandle::submit`], with all of the answer: the receipt, the findings, and
    /// of a repeat how the accepted message stands at each recipient.
    ///
    /// # Errors
    ///
    /// See [`SubmitHandle::submit`].
    pub async fn submit_item(&self, item: &Item) -> Result<SubmitResponse, SubmitError> {
        let mut last_fault = Fault::default();
        for _ in 0..UPLOADS_MAX {
            let request = self.upload_item(item).await?;
            match self.submit_with_retries(request).await {
                Err(SubmitError::Refused(fault)) if is_upload_lost(&fault) => last_fault = fault,
                outcome => return outcome,
            }
        }
        Err(SubmitError::Unavailable(last_fault.into()))
    }

    /// Uploads the files of an item, and a body that is too large to be inline.
    async fn upload_item(&self, item: &Item) -> Result<SubmitRequest, SubmitError> {
        let mut attachments = Vec::with_capacity(item.files.len());
        for file in &item.files {
            let (part, sha256) = self.upload(&file.content).await?;
            attachments.push(SubmittedAttachment {
                reference: file.reference.clone(),
                part,
                file_name: file.name.clone(),
                media_type: file.media_type.clone(),
                sha256,
            });
        }
        let (body, body_sha256) = match item.body.read_up_to(INLINE_BYTES_MAX).await? {
            Some(bytes) => (Body::Inline(bytes), Bytes::new()),
            None => {
                let (part, sha256) = self.upload(&item.body).await?;
                (Body::Part(part), sha256)
            }
        };
        Ok(SubmitRequest {
            key: item.key.clone(),
            format: item.format.clone(),
            body: Some(body),
            attachments,
            recipients: item.recipients.clone(),
            traceparent: String::new(),
            body_sha256,
        })
    }

    async fn submit_with_retries(
        &self,
        request: SubmitRequest,
    ) -> Result<SubmitResponse, SubmitError> {
        let mut retries = Retries::new();
        let mut result = self.batcher.submit(request.clone()).await;
        loop {
            match result {
                Ok(response) => return Ok(response),
                Err(status) => retries.wait(status).await?,
            }
            result = self.batcher.submit_alone(request.clone()).await;
        }
    }

    /// Uploads bytes under a unique name, because a submit consumes its uploads: two items with the
    /// same file would otherwise share one. Resumes after an interruption. The name, and the SHA-256
    /// by which the bus recognises the item after it has consumed the upload.
    async fn upload(&self, content: &Content) -> Result<(String, Bytes), SubmitError> {
        let (sha256, size) = content.digest().await?;
        let part = format!("{}-{}", hex::encode(sha256), Uuid::now_v7().simple());
        let mut client = self.client.clone();
        let mut retries = Retries::new();
        let (mut offset, mut offset_max) = (0, 0);
        loop {
            let request = PutPartRequest {
                part: part.clone(),
                offset,
                data: non_empty(content.chunk(offset).await?, size - offset)?,
                size,
                sha256: Bytes::copy_from_slice(&sha256),
            };
            match client.put_part(request).await.map(tonic::Response::into_inner) {
                Ok(response) if response.complete => {
                    return Ok((part, Bytes::copy_from_slice(&sha256)));
                }
                Ok(response) => offset = response.received.min(size),
                Err(status) => match expected_offset(&status) {
                    Some(expected) => {
                        offset = expected.min(size);
                        retries.count(status)?;
                    }
                    None => retries.wait(status).await?,
                },
            }
            // A long upload may fail many times in all: only failures without progress are limited.
            if offset > offset_max {
                offset_max = offset;
                retries = Retries::new();
            }
        }
    }
}

/// The chunk, unless the file became shorter: an empty chunk would be sent again and again.
fn non_empty(chunk: Bytes, left: u64) -> io::Result<Bytes> {
    if chunk.is_empty() && left > 0 {
        let message = "the file became shorter while it was sent";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
    }
    Ok(chunk)
}

/// The offset at which the gateway expects the upload to continue: 0 when it has lost the upload.
fn expected_offset(status: &Status) -> Option<u64> {
    let fault = Fault::from_status(status)?;
    fault.params.get("expected")?.parse().ok()
}

/// True when the upload that a submit names is missing or incomplete and the bus does not have the
/// item: the gateway was restarted, or another one answers.
fn is_upload_lost(fault: &Fault) -> bool {
    [&code::LT_EX_004, &code::LT_EX_009].iter().any(|it| it.code == fault.code)
}

/// True for a fault that concerns the caller and not the item.
fn is_not_admitted(fault: &Fault) -> bool {
    let concerns_application = [code::LT_GW_007.code, code::LT_GW_030.code];
    fault.reason() == Reason::Unauthenticated || concerns_application.contains(&fault.code.as_str())
}

/// A bounded number of retries with exponential backoff.
struct Retries {
    left: u32,
    pause: Duration,
}

impl Retries {
    fn new() -> Self {
        Self { left: RETRIES_MAX, pause: Duration::from_millis(100) }
    }

    /// Waits before a retry; returns the final error when a retry cannot help.
    async fn wait(&mut self, status: Status) -> Result<(), SubmitError> {
        let retry_after_ms = match Fault::from_status(&status) {
            Some(fault) if fault.is_retryable() => fault.retry_after_ms,
            Some(fault) if is_not_admitted(&fault) => return Err(SubmitError::NotAdmitted(fault)),
            Some(fault) => return Err(SubmitError::Refused(fault)),
            None if is_transient(status.code()) => 0,
            None => return Err(SubmitError::Unavailable(status)),
        };
        self.count(status)?;
        let pause = self.pause.max(Duration::from_millis(retry_after_ms.min(10_000)));
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(10));
        Ok(())
    }

    /// Counts a retry.
    fn count(&mut self, status: Status) -> Result<(), SubmitError> {
        if self.left == 0 {
            return Err(SubmitError::Unavailable(status));
        }
        self.left -= 1;
        Ok(())
    }
}

/// Codes of a failed transport, for a status without a fault of the catalogue.
fn is_transient(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::DeadlineExceeded | Code::Unknown)
}
