//! Errors of the SDK: those it returns to an adapter, and those an adapter returns to it.

use std::error::Error;
use std::io;

use proto::fault::v1::Fault;
use tonic::Status;

/// The adapter's connection to the gateway ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address or the token is invalid.
    #[error("the gateway's address or the token cannot be used")]
    Address(#[source] Box<dyn Error + Send + Sync>),
    /// The address is neither encrypted nor on this machine: the token and every document could be
    /// read on the way. Connect to the gateway by `https://`.
    #[error(
        "the link to {gateway} would not be encrypted; use https:// with the authorities' \
         certificates, or allow plain text where the network itself is protected"
    )]
    Plaintext {
        /// The gateway's address.
        gateway: String,
    },
    /// A certificate or key cannot be used.
    #[error("the certificates of the link cannot be used")]
    Certificates(#[from] tls::TlsError),
    /// The gateway refused the adapter, and refuses it again until a setting is changed.
    #[error("the gateway refused the adapter")]
    Refused(#[source] Fault),
    /// The connection to the gateway broke.
    #[error("the link to the gateway broke")]
    Link(#[source] Status),
    /// [`Application::collect`](crate::Application::collect) failed.
    #[error("collecting failed")]
    Collect(#[from] CollectError),
    /// The task of a delivery panicked.
    #[error("a delivery broke down")]
    Broken(#[from] tokio::task::JoinError),
}

impl ServeError {
    /// The error for a failed call: a refusal if repeating the call cannot succeed.
    pub(crate) fn from_status(status: Status) -> Self {
        match Fault::from_status(&status) {
            Some(fault) if !fault.is_retryable() => Self::Refused(fault),
            _ => Self::Link(status),
        }
    }
}

/// An item was not accepted by the bus.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The bus refused the item and stored nothing of it. The same item is refused again.
    #[error("the bus refused the item")]
    Refused(#[source] Fault),
    /// The bus rejected the application: its token is wrong, or it is disabled. The fault does not
    /// concern the item; keep the item and submit it once an operator has corrected the cause.
    #[error("the bus does not let the application in")]
    NotAdmitted(#[source] Fault),
    /// The bus is unavailable, and whether it accepted the item is unknown. Submit the item again
    /// under the same key: the bus recognizes a repeat.
    #[error("the bus is unavailable")]
    Unavailable(#[source] Status),
    /// The body or a file of the item cannot be read.
    #[error("a file of the item cannot be read")]
    Unreadable(#[from] io::Error),
}

/// A body or an attachment was not downloaded.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The gateway refused the call or is unavailable.
    #[error("the gateway did not give the bytes")]
    Gateway(#[from] Status),
    /// The bytes do not have the digest that the sender declared.
    #[error("the bytes that came are not those that were sent")]
    Damaged,
    /// The message has no attachment with this id.
    #[error("the message has no attachment `{id}`")]
    NoAttachment {
        /// The id.
        id: String,
    },
}

/// The application did not accept a message.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The application is temporarily unavailable. The bus delivers the message again later.
    #[error("the application is unavailable")]
    Unavailable {
        /// The cause, shown to operators.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The application will never accept this message.
    #[error("the application refused: {reason}")]
    Refused {
        /// The reason, shown to the sender; 1 to 1,000 characters.
        reason: String,
    },
}

/// The application cannot be read from, so that [`serve`](crate::serve) has to end.
#[derive(Debug, thiserror::Error)]
#[error("the application cannot be collected from")]
pub struct CollectError(#[source] pub Box<dyn Error + Send + Sync>);
