//! A probe: published with a confirm, and consumed again. A process that answers is not a broker
//! that carries.

use bytes::Bytes;
use uuid::Uuid;

use super::{RabbitMq, publisher::publish_window, receiver};
use crate::{
    channel::Channel,
    message::{Attributes, Body, Message, MessageId},
    publish::PublishError,
    receive::ReceiveError,
    transport::ProbeError,
};

/// Puts one probe on the queue and takes one from it. With several probing at once each may take
/// another's: what it proves is the same, and everybody who put one in finds one.
pub(crate) async fn round(bus: &RabbitMq) -> Result<(), ProbeError> {
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
    Ok(receiver::take_one(bus, &Channel::probe()).await?)
}
