//! Messages in AMQP deliveries.

use bytes::Bytes;
use lapin::{BasicProperties, types::ShortString};
use uuid::Uuid;

use super::{
    event::{CONTENT_TYPE, InvalidEvent, decode_event, encode_event},
    topology::CONTROL,
};
use crate::{
    channel::{Channel, Kind},
    message::{Attributes, Body, InvalidMessage, Message, MessageId},
    verdict::{Disposition, Fault, code},
};

/// AMQP's delivery mode of messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;

/// A message as it is published.
pub(super) struct OutgoingMessage {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    /// Whether the broker returns the message when no queue takes it. A broadcast may have no
    /// listeners.
    pub(super) mandatory: bool,
    pub(super) properties: BasicProperties,
    pub(super) body: Vec<u8>,
}

/// Encodes a message for a channel.
pub(super) fn encode_message(
    channel: &Channel,
    message: Message,
) -> Result<OutgoingMessage, InvalidMessage> {
    message.check()?;
    let properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type(CONTENT_TYPE.into())
        .with_message_id(message.id.to_string().into())
        .with_correlation_id(message.conversation.as_str().into());
    let (exchange, routing_key) = match channel.kind() {
        Kind::Control => (CONTROL, ""),
        Kind::Intake | Kind::Delivery | Kind::Undeliverable | Kind::Probe => ("", channel.name()),
    };
    Ok(OutgoingMessage {
        exchange: exchange.into(),
        routing_key: routing_key.into(),
        mandatory: channel.kind() != Kind::Control,
        properties,
        body: encode_event(message),
    })
}

/// Decodes a delivery.
pub(super) fn decode_message(
    properties: &BasicProperties,
    body: &Bytes,
) -> Result<Message, InvalidEvent> {
    let content_type = properties.content_type().as_ref().map(ShortString::as_str);
    if content_type != Some(CONTENT_TYPE) {
        return Err(InvalidEvent::ContentType);
    }
    decode_event(body.clone(), conversation(properties))
}

/// A delivery that cannot be decoded as a dead letter with the same bytes. An id that is not in the
/// delivery is derived from the bytes, so that a redelivery has the same id.
pub(super) fn dead_letter(
    properties: &BasicProperties,
    body: &Bytes,
    reason: &InvalidEvent,
) -> (Message, Disposition) {
    let id = message_id(properties).unwrap_or_else(|| Uuid::new_v5(&Uuid::nil(), body).into());
    let (conversation, body) = (conversation(properties), Body::Inline(body.clone()));
    let message = Message { id, conversation, attributes: Attributes::new(), body };
    (message, Disposition::Dead(Fault::new(code::UNREADABLE, reason.to_string())))
}

/// The message's id, unless it is missing or not a UUID.
pub(super) fn message_id(properties: &BasicProperties) -> Option<MessageId> {
    properties.message_id().as_ref()?.as_str().parse().ok()
}

fn conversation(properties: &BasicProperties) -> String {
    properties.correlation_id().as_ref().map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::Claim;

    fn message(body: Body) -> Message {
        Message {
            id: MessageId::new(Uuid::from_u128(7)),
            conversation: "hồ sơ 7".to_owned(),
            attributes: [("type", "document"), ("source", "van-thu"), ("subject", "Kế hoạch")]
                .map(|(name, value)| (name.into(), value.to_owned()))
                .into(),
            body,
        }
    }

    fn encode(body: &'static [u8]) -> (BasicProperties, Bytes) {
        let body = Body::Inline(Bytes::from_static(body));
        let encoded = encode_message(&Channel::intake(1), message(body)).unwrap();
        (encoded.properties, encoded.body.into())
    }

    #[test]
    fn a_message_is_the_same_after_encoding_and_decoding() {
        let claim = Claim { sha256: [0xab; 32], size: 9_000_000_000 };
        let bare = Message { attributes: Attributes::new(), ..message(Body::Inline(Bytes::new())) };
        let inline = message(Body::Inline(Bytes::from_static(b"than")));
        for message in [inline, message(Body::Claim(claim)), bare] {
            let encoded = encode_message(&Channel::intake(1), message.clone()).unwrap();
            let decoded = decode_message(&encoded.properties, &encoded.body.into()).unwrap();
            assert_eq!(decoded, message);
            assert!(encoded.mandatory);
            assert_eq!((encoded.exchange.as_str(), encoded.routing_key.as_str()), ("", "intake.1"));
            assert_eq!(encoded.properties.headers(), &None, "headers cost too much");
        }
    }

    #[test]
    fn decoding_does_not_copy_an_inline_body() {
        let (properties, bytes) = encode(b"than");
        let Body::Inline(body) = decode_message(&properties, &bytes).unwrap().body else {
            panic!("inline")
        };
        assert!(bytes.as_ptr_range().contains(&body.as_ptr()));
    }

    #[test]
    fn an_invalid_delivery_is_a_dead_letter_with_the_same_id_each_time() {
        let body = Bytes::from_static(b"from somebody else");
        let properties = BasicProperties::default().with_message_id("not a uuid".into());
        let reason = decode_message(&properties, &body).unwrap_err();
        let (first, disposition) = dead_letter(&properties, &body, &reason);
        assert_eq!(first, dead_letter(&properties, &body, &reason).0);
        assert_eq!(first.body, Body::Inline(body));
        assert!(matches!(disposition, Disposition::Dead(fault) if fault.code == code::UNREADABLE));
    }

    #[test]
    fn a_damaged_event_is_an_error() {
        let (properties, bytes) = encode(b"than");
        let decode = |properties: &BasicProperties, bytes: &[u8]| {
            decode_message(properties, &Bytes::copy_from_slice(bytes)).unwrap_err()
        };
        let cut = &bytes[..bytes.len() - 1];
        assert!(matches!(decode(&properties, cut), InvalidEvent::Event(_)));
        assert!(matches!(decode(&properties, b""), InvalidEvent::Id));
        let json = properties.with_content_type("application/cloudevents+json".into());
        assert!(matches!(decode(&json, &bytes), InvalidEvent::ContentType));
    }
}
