//! A message as AMQP carries it, and back.

use bytes::Bytes;
use lapin::{BasicProperties, types::ShortString};
use uuid::Uuid;

use super::{
    event::{self, Unreadable},
    topology::CONTROL,
};
use crate::{
    channel::{Channel, Kind},
    message::{Attributes, Body, InvalidMessage, Message, MessageId},
    verdict::{Disposition, Fault, code},
};

/// AMQP's number for a message that survives a restart of the broker.
const PERSISTENT: u8 = 2;

/// A message ready to be sent.
pub(super) struct Sealed {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    /// Whether a message that reaches no queue must come back. Nobody need hear a broadcast.
    pub(super) mandatory: bool,
    pub(super) properties: BasicProperties,
    pub(super) body: Vec<u8>,
}

/// Makes a message ready. Consumes it, because its texts move along.
pub(super) fn seal(channel: &Channel, message: Message) -> Result<Sealed, InvalidMessage> {
    message.check()?;
    let properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type(event::CONTENT_TYPE.into())
        .with_message_id(message.id.to_string().into())
        .with_correlation_id(message.conversation.as_str().into());
    let (exchange, routing_key) = match channel.kind() {
        Kind::Control => (CONTROL, ""),
        Kind::Intake | Kind::Delivery | Kind::Undeliverable | Kind::Probe => ("", channel.name()),
    };
    Ok(Sealed {
        exchange: exchange.into(),
        routing_key: routing_key.into(),
        mandatory: channel.kind() != Kind::Control,
        properties,
        body: event::encode(message),
    })
}

/// Reads a message.
pub(super) fn open(properties: &BasicProperties, body: &Bytes) -> Result<Message, Unreadable> {
    let content_type = properties.content_type().as_ref().map(ShortString::as_str);
    if content_type != Some(event::CONTENT_TYPE) {
        return Err(Unreadable::ContentType);
    }
    event::decode(body.clone(), conversation(properties))
}

/// What cannot be read, as near to how it came as a message can be, and why it goes no further.
/// Its name comes from its bytes, so that the same thing has the same name when it comes again.
pub(super) fn bury(
    properties: &BasicProperties,
    body: &Bytes,
    why: &Unreadable,
) -> (Message, Disposition) {
    let id = name(properties).unwrap_or_else(|| Uuid::new_v5(&Uuid::nil(), body).into());
    let (conversation, body) = (conversation(properties), Body::Inline(body.clone()));
    let message = Message { id, conversation, attributes: Attributes::new(), body };
    (message, Disposition::Dead(Fault::new(code::UNREADABLE, why.to_string())))
}

/// The message's name, if it has one.
pub(super) fn name(properties: &BasicProperties) -> Option<MessageId> {
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

    fn sealed(body: &'static [u8]) -> (BasicProperties, Bytes) {
        let body = Body::Inline(Bytes::from_static(body));
        let sealed = seal(&Channel::intake(1), message(body)).unwrap();
        (sealed.properties, sealed.body.into())
    }

    #[test]
    fn what_is_sealed_is_opened_as_it_was() {
        let claim = Claim { sha256: [0xab; 32], size: 9_000_000_000 };
        let bare = Message { attributes: Attributes::new(), ..message(Body::Inline(Bytes::new())) };
        let inline = message(Body::Inline(Bytes::from_static(b"than")));
        for message in [inline, message(Body::Claim(claim)), bare] {
            let sealed = seal(&Channel::intake(1), message.clone()).unwrap();
            assert_eq!(open(&sealed.properties, &sealed.body.into()).unwrap(), message);
            assert!(sealed.mandatory);
            assert_eq!((sealed.exchange.as_str(), sealed.routing_key.as_str()), ("", "intake.1"));
            assert_eq!(sealed.properties.headers(), &None, "headers cost too much");
        }
    }

    #[test]
    fn what_rides_inline_is_not_copied_when_it_is_opened() {
        let (properties, bytes) = sealed(b"than");
        let Body::Inline(body) = open(&properties, &bytes).unwrap().body else { panic!("inline") };
        assert!(bytes.as_ptr_range().contains(&body.as_ptr()));
    }

    #[test]
    fn what_cannot_be_opened_is_buried_under_the_same_name_each_time() {
        let body = Bytes::from_static(b"from somebody else");
        let properties = BasicProperties::default().with_message_id("not a uuid".into());
        let why = open(&properties, &body).unwrap_err();
        let (first, fate) = bury(&properties, &body, &why);
        assert_eq!(first, bury(&properties, &body, &why).0);
        assert_eq!(first.body, Body::Inline(body));
        assert!(matches!(fate, Disposition::Dead(fault) if fault.code == code::UNREADABLE));
    }

    #[test]
    fn what_is_called_an_event_and_is_none_is_told() {
        let (properties, bytes) = sealed(b"than");
        let opened = |properties: &BasicProperties, bytes: &[u8]| {
            open(properties, &Bytes::copy_from_slice(bytes)).unwrap_err()
        };
        let cut = &bytes[..bytes.len() - 1];
        assert!(matches!(opened(&properties, cut), Unreadable::Event(_)));
        assert!(matches!(opened(&properties, b""), Unreadable::Name));
        let json = properties.with_content_type("application/cloudevents+json".into());
        assert!(matches!(opened(&json, &bytes), Unreadable::ContentType));
    }
}
