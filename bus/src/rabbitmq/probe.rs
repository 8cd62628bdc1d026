//! The probe: a message that is published with a confirm and consumed again.

use bytes::Bytes;
use uuid::Uuid;

use super::{connection::RabbitMq, publisher::publish_window, receiver};
use crate::{
    channel::Channel,
    error::{ProbeError, PublishError, ReceiveError},
    message::{Attributes, Body, Message, MessageId},
};

/// Publishes a probe and consumes one. Concurrent probes may consume each other's: each publishes
/// one and consumes one, and that proves the same.
pub(crate) async fn send_probe(bus: &RabbitMq) -> Result<(), ProbeError> {
    let probe = Message {
        id: MessageId::new(Uuid::now_v7()),
        conversation: String::new(),
        attributes: Attributes::new(),
        body: Body::Inline(Bytes::new()),
    };
    if bus.is_blocked() {
        return Err(PublishError::Refused { channel: Channel::probe() }.into());
    }
    let link = bus.publishing_link().await.map_err(ReceiveError::from)?;
    let mut outcomes = Vec::with_capacity(1);
    let published =
        publish_window(bus, &link, vec![(Channel::probe(), probe)], &mut outcomes).await;
    for outcome in outcomes {
        outcome?;
    }
    published.map_err(|source| PublishError::Unknown { source: Some(source) })?;
    bus.close(&link).await;
    Ok(receiver::consume_one(bus, &Channel::probe()).await?)
}
