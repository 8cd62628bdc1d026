//! Publishes batches of accepted messages to intake, in the order in which they were accepted.

use bus::{Body, Channel, Message, Publish as _, Publisher};

use crate::memory::MemoryPermit;

/// A message with its channel, and the memory of its body.
pub(crate) type PendingPublish = (Channel, Message, MemoryPermit);

/// The bytes that a message adds to its batch.
pub(crate) fn publish_bytes((_channel, message, _permit): &PendingPublish) -> usize {
    match &message.body {
        Body::Inline(bytes) => bytes.len(),
        Body::Claim(_) => 0,
    }
}

/// Publishes a batch. A message that was not confirmed stays `ACCEPTED` in the journal, whose
/// sweeper publishes it again.
pub(crate) async fn publish_batch(publisher: Publisher, batch: Vec<PendingPublish>) {
    let mut permits = Vec::with_capacity(batch.len());
    let messages = batch.into_iter().map(|(channel, message, permit)| {
        permits.push(permit);
        (channel, message)
    });
    for outcome in publisher.publish(messages.collect()).await {
        if let Err(error) = outcome {
            tracing::warn!(%error, "message was not published, the sweeper will publish it");
        }
    }
}
