//! The interface of publishers.

use std::future::Future;

use crate::{channel::Channel, error::PublishError, message::Message};

/// Publishes messages.
pub trait Publish: Clone + Send + Sync + 'static {
    /// Publishes each message on its channel, and returns one outcome per message, in their order,
    /// once all of them are known. Messages of one batch for one channel keep their order.
    fn publish(
        &self,
        batch: Vec<(Channel, Message)>,
    ) -> impl Future<Output = Vec<Result<(), PublishError>>> + Send;
}
