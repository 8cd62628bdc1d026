//! A delivered message: its properties, body and attachments.

use bytes::Bytes;
use proto::exchange::v1 as exchange;
use proto::exchange::v1::GetPartRequest;
use proto::exchange::v1::delivery::Body;
use proto::message::v1::{Attachment, Index, MessageType};
use sha2::{Digest as _, Sha256};

use crate::client::Client;
use crate::delivery_report::DeliveryReport;
use crate::download::Download;
use crate::error::FetchError;

/// A message for the application. It stays unsettled until
/// [`Application::deliver`](crate::Application::deliver) returns.
#[derive(Clone, Debug)]
pub struct Delivery {
    content: exchange::Delivery,
    session: String,
    client: Client,
}

impl Delivery {
    pub(crate) fn new(content: exchange::Delivery, session: String, client: Client) -> Self {
        Self { content, session, client }
    }

    /// UUID of the message; the same in every attempt.
    pub fn message_id(&self) -> &str {
        &self.content.message_id
    }

    /// Message type.
    pub fn message_type(&self) -> MessageType {
        self.content.r#type()
    }

    /// Format of the body.
    pub fn format(&self) -> &str {
        &self.content.format
    }

    /// Directory key of the sending organisation.
    pub fn sender(&self) -> &str {
        &self.content.sender
    }

    /// Official name of the sending organisation.
    pub fn sender_name(&self) -> &str {
        &self.content.sender_name
    }

    /// Conversation: key of the document that the message belongs to.
    pub fn conversation(&self) -> &str {
        &self.content.conversation
    }

    /// Number of this delivery attempt, from 1. Above 1 the application may already have the
    /// message.
    pub fn attempt(&self) -> u32 {
        self.content.attempt
    }

    /// Number, subject, issuer and other properties that users search by.
    pub fn index(&self) -> Index {
        self.content.index.clone().unwrap_or_default()
    }

    /// Files of the message.
    pub fn attachments(&self) -> &[Attachment] {
        &self.content.attachments
    }

    /// All fields of the delivery, as defined by the contract.
    pub fn fields(&self) -> &exchange::Delivery {
        &self.content
    }

    /// The whole body.
    ///
    /// # Errors
    ///
    /// The body is not inline and its download fails.
    pub async fn body(&self) -> Result<Bytes, FetchError> {
        match &self.content.body {
            Some(Body::Inline(bytes)) => Ok(bytes.clone()),
            Some(Body::ByPart(_)) | None => Ok(self.body_download().all().await?.into()),
        }
    }

    /// The body as a delivery report; none when the message is something else, or in another format
    /// than [`DeliveryReport::FORMAT`].
    ///
    /// # Errors
    ///
    /// The body is not inline and its download fails.
    pub async fn delivery_report(&self) -> Result<Option<DeliveryReport>, FetchError> {
        let is_report = self.message_type() == MessageType::DeliveryReport;
        if !is_report || self.format() != DeliveryReport::FORMAT {
            return Ok(None);
        }
        Ok(DeliveryReport::parse(&self.body().await?).ok())
    }

    /// A download of the body in chunks, for bodies of any size.
    pub fn body_download(&self) -> Download {
        match &self.content.body {
            Some(Body::Inline(bytes)) => {
                let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.download("", (size, sha256(bytes))).with_inline(bytes.clone())
            }
            Some(Body::ByPart(part)) => self.download("", (part.size, part.sha256.clone())),
            None => self.download("", (0, sha256(&[]))),
        }
    }

    /// A download of one attachment.
    ///
    /// # Errors
    ///
    /// The message has no attachment with this id.
    pub fn attachment(&self, id: &str) -> Result<Download, FetchError> {
        let attachment = self.content.attachments.iter().find(|it| it.id == id);
        let missing = || FetchError::NoAttachment { id: id.to_owned() };
        let claim = attachment.ok_or_else(missing)?.claim.clone().unwrap_or_default();
        Ok(self.download(id, (claim.size, claim.sha256)))
    }

    /// A download by attachment id, the empty id being the body.
    fn download(&self, id: &str, size_and_digest: (u64, Bytes)) -> Download {
        let request = GetPartRequest {
            session: self.session.clone(),
            message_id: self.content.message_id.clone(),
            attachment: id.to_owned(),
            offset: 0,
        };
        Download::new(self.client.clone(), request, size_and_digest)
    }
}

fn sha256(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&Sha256::digest(bytes))
}
