//! The wrapped application, as an adapter describes it.

use std::error::Error;
use std::future::Future;

use proto::message::v1::ReceiverClass;
use tokio_util::sync::CancellationToken;

use crate::{Delivery, Outlet};

/// Who an adapter is and what it speaks.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// The application's id in the registry.
    pub application: String,
    /// Name of this adapter instance, unique in its application.
    pub adapter: String,
    /// Version of the adapter.
    pub version: String,
    /// Formats it submits in; empty: as registered.
    pub gives: Vec<String>,
    /// Formats it takes; empty: as registered.
    pub takes: Vec<String>,
    /// What happens when the same message comes twice; unspecified: as registered.
    pub receiver_class: ReceiverClass,
}

/// The application has the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The application's own reference, for people who look for it there.
    pub reference: String,
}

/// Why the application did not take a message.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The application is away; the same message may succeed later.
    #[error("the application is away")]
    Unavailable {
        /// What stood in the way.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The application will never take this message.
    #[error("the application refused: {reason}")]
    Refused {
        /// Why, in the words the sender will read.
        reason: String,
    },
}

/// Collecting ended.
#[derive(Debug, thiserror::Error)]
#[error("the application cannot be collected from")]
pub struct CollectError(#[source] pub Box<dyn Error + Send + Sync>);

/// The wrapped application.
pub trait Application: Send + Sync + 'static {
    /// Who this is and what it speaks.
    fn describe(&self) -> Description;

    /// Hands the application one message. May see the same `message_id` twice, and must then do
    /// nothing the second time and give the same answer.
    fn deliver(
        &self,
        delivery: Delivery,
    ) -> impl Future<Output = Result<Taken, DeliverError>> + Send;

    /// Watches the application and submits what it gives, until `shutdown`. Tell the application
    /// "sent" only after `submit` returned.
    fn collect(
        &self,
        outlet: Outlet,
        shutdown: CancellationToken,
    ) -> impl Future<Output = Result<(), CollectError>> + Send;

    /// Asks the application whether it has this message. Only asked of an *askable* one, when an
    /// earlier answer was lost.
    fn has(
        &self,
        message_id: &str,
    ) -> impl Future<Output = Result<Option<Taken>, DeliverError>> + Send {
        let _unused = message_id;
        async { Ok(None) }
    }
}
