//! The trait that an adapter implements for the application it wraps.

use std::future::Future;

use proto::message::v1::ReceiverClass;
use tokio_util::sync::CancellationToken;

use crate::delivery::Delivery;
use crate::error::{CollectError, DeliverError};
use crate::submit_handle::SubmitHandle;

/// Identity and formats of an adapter, sent to the gateway when it connects.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// Id of the application in the registry; empty: the application of the token.
    pub application: String,
    /// Name of this adapter instance, unique in its application.
    pub adapter: String,
    /// Version of the adapter.
    pub version: String,
    /// Formats that it submits; empty: as registered.
    pub gives: Vec<String>,
    /// Formats that it receives; empty: as registered.
    pub takes: Vec<String>,
    /// How the bus recovers when the answer to a delivery is lost; unspecified: as registered.
    pub receiver_class: ReceiverClass,
}

/// Acknowledgement of a delivery: the application has the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The application's own reference, by which users find the message there; up to 200
    /// characters.
    pub reference: String,
}

/// An application that is connected to the bus.
pub trait Application: Send + Sync + 'static {
    /// Identity and formats of the adapter.
    fn describe(&self) -> Description;

    /// Delivers one message to the application. The bus may deliver the same `message_id` again
    /// when the first answer was lost: return the same answer then, and do nothing else.
    fn deliver(
        &self,
        delivery: Delivery,
    ) -> impl Future<Output = Result<Taken, DeliverError>> + Send;

    /// Reads items from the application and submits them, until `shutdown`. Report an item as sent
    /// to the application only after [`SubmitHandle::submit`] has returned its receipt.
    fn collect(
        &self,
        submit_handle: SubmitHandle,
        shutdown: CancellationToken,
    ) -> impl Future<Output = Result<(), CollectError>> + Send;

    /// Looks up whether the application already has this message. The SDK calls it before
    /// [`deliver`](Self::deliver) when an earlier answer was lost and the receiver class is
    /// `ASKABLE`; `None` leads to a delivery.
    fn find_delivered(
        &self,
        message_id: &str,
    ) -> impl Future<Output = Result<Option<Taken>, DeliverError>> + Send {
        let _unused = message_id;
        async { Ok(None) }
    }
}
