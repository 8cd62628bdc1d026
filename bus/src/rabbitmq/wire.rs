//! A message as AMQP carries it, and back.

use std::collections::BTreeMap;

use bytes::Bytes;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use uuid::Uuid;

use crate::{
    channel::{Channel, Kind},
    claim::Claim,
    message::{Body, InvalidMessage, Message, MessageId, may_be_attribute},
    rabbitmq::topology::CONTROL,
    verdict::{Fate, Fault, code},
};

/// AMQP's number for a message that survives a restart of the broker.
const PERSISTENT: u8 = 2;

const CLAIM_SHA256: &str = "claim-sha256";
const CLAIM_SIZE: &str = "claim-size";

/// A message ready to be sent.
pub(super) struct Sealed {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    /// Whether a message that reaches no queue must come back. Nobody need hear a broadcast.
    pub(super) mandatory: bool,
    pub(super) properties: BasicProperties,
    pub(super) body: Bytes,
}

/// Why something from a queue is not a message.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("it has no name, or none that is a UUID")]
    Name,
    #[error("the header `{name}` is not text")]
    Header { name: String },
    #[error("its claim is incomplete")]
    Claim,
}

/// Makes a message ready. Consumes it, because its texts move into the headers.
pub(super) fn seal(channel: &Channel, message: Message) -> Result<Sealed, InvalidMessage> {
    message.check()?;
    let Message { id, conversation, attributes, body } = message;
    let mut headers: BTreeMap<ShortString, AMQPValue> = attributes
        .into_iter()
        .map(|(name, value)| (ShortString::from(name), AMQPValue::LongString(value.into())))
        .collect();
    let body = match body {
        Body::Inline(bytes) => bytes,
        Body::Claim(claim) => {
            let size = i64::try_from(claim.size).unwrap_or(i64::MAX);
            let digest = claim.sha256_hex().into();
            headers.insert(CLAIM_SHA256.into(), AMQPValue::LongString(digest));
            headers.insert(CLAIM_SIZE.into(), AMQPValue::LongLongInt(size));
            Bytes::new()
        }
    };
    let properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_message_id(id.to_string().into())
        .with_correlation_id(conversation.into())
        .with_headers(headers.into());
    let (exchange, routing_key) = match channel.kind() {
        Kind::Control => (CONTROL, ""),
        Kind::Intake | Kind::Delivery | Kind::Stranded | Kind::Probe => ("", channel.name()),
    };
    Ok(Sealed {
        exchange: exchange.into(),
        routing_key: routing_key.into(),
        mandatory: channel.kind() != Kind::Control,
        properties,
        body,
    })
}

/// Reads a message.
pub(super) fn open(properties: &BasicProperties, body: &Bytes) -> Result<Message, Unreadable> {
    let id = name(properties).ok_or(Unreadable::Name)?;
    let mut attributes = BTreeMap::new();
    for (name, value) in headers(properties) {
        if !may_be_attribute(name.as_str()) {
            continue;
        }
        let Some(text) = text(value) else {
            return Err(Unreadable::Header { name: name.as_str().to_owned() });
        };
        attributes.insert(name.as_str().to_owned(), text.to_owned());
    }
    let body = match claim(properties) {
        Some(claim) => Body::Claim(claim.ok_or(Unreadable::Claim)?),
        None => Body::Inline(body.clone()),
    };
    Ok(Message { id, conversation: conversation(properties), attributes, body })
}

/// What cannot be read, as near to how it came as a message can be, and why it goes no further.
/// Its name comes from its bytes, so that the same thing has the same name when it comes again.
pub(super) fn bury(
    properties: &BasicProperties,
    body: &Bytes,
    why: &Unreadable,
) -> (Message, Fate) {
    let attributes = headers(properties)
        .filter(|(name, _)| may_be_attribute(name.as_str()))
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?.to_owned())))
        .collect();
    let id = name(properties).unwrap_or_else(|| Uuid::new_v5(&Uuid::nil(), body).into());
    let body = Body::Inline(body.clone());
    let message = Message { id, conversation: conversation(properties), attributes, body };
    (message, Fate::Dead(Fault::new(code::UNREADABLE, why.to_string())))
}

/// The message's name, if it has one.
pub(super) fn name(properties: &BasicProperties) -> Option<MessageId> {
    properties.message_id().as_ref()?.as_str().parse().ok()
}

fn conversation(properties: &BasicProperties) -> String {
    properties.correlation_id().as_ref().map_or_else(String::new, ToString::to_string)
}

fn headers(properties: &BasicProperties) -> impl Iterator<Item = (&ShortString, &AMQPValue)> {
    properties.headers().iter().flat_map(|headers: &FieldTable| headers.inner().iter())
}

fn text(value: &AMQPValue) -> Option<&str> {
    if let AMQPValue::LongString(text) = value {
        return std::str::from_utf8(text.as_bytes()).ok();
    }
    if let AMQPValue::ShortString(text) = value {
        return Some(text.as_str());
    }
    None
}

/// The claim, if there is a trace of one; `Some(None)` is one that cannot be read.
#[expect(clippy::option_option, reason = "no claim and an unreadable one are two things")]
fn claim(properties: &BasicProperties) -> Option<Option<Claim>> {
    let headers = properties.headers().as_ref()?.inner();
    let (digest, size) = (headers.get(CLAIM_SHA256), headers.get(CLAIM_SIZE));
    if digest.is_none() && size.is_none() {
        return None;
    }
    let size = size.and_then(|size| {
        if let AMQPValue::LongLongInt(size) = size { u64::try_from(*size).ok() } else { None }
    });
    Some(digest.and_then(text).zip(size).and_then(|(digest, size)| Claim::from_hex(digest, size)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: Body) -> Message {
        Message {
            id: MessageId::new(Uuid::from_u128(7)),
            conversation: "hồ sơ 7".to_owned(),
            attributes: [("type", "document"), ("subject", "Kế hoạch")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            body,
        }
    }

    #[test]
    fn what_is_sealed_is_opened_as_it_was() {
        let claim = Claim { sha256: [0xab; 32], size: 9_000_000_000 };
        for body in [Body::Inline(Bytes::from_static(b"than")), Body::Claim(claim)] {
            let sealed = seal(&Channel::intake(1), message(body.clone())).unwrap();
            assert_eq!(open(&sealed.properties, &sealed.body).unwrap(), message(body));
            assert!(sealed.mandatory);
            assert_eq!((sealed.exchange.as_str(), sealed.routing_key.as_str()), ("", "intake.1"));
        }
    }

    #[test]
    fn the_brokers_own_headers_are_not_attributes() {
        let sealed = seal(&Channel::stranded(), message(Body::Inline(Bytes::new()))).unwrap();
        let mut headers = sealed.properties.headers().clone().unwrap();
        headers.insert("x-delivery-count".into(), AMQPValue::LongLongInt(3));
        let properties = sealed.properties.with_headers(headers);
        assert_eq!(open(&properties, &sealed.body).unwrap(), message(Body::Inline(Bytes::new())));
    }

    #[test]
    fn what_cannot_be_opened_is_buried_under_the_same_name_each_time() {
        let body = Bytes::from_static(b"from somebody else");
        let properties = BasicProperties::default().with_message_id("not a uuid".into());
        let why = open(&properties, &body).unwrap_err();
        let (first, fate) = bury(&properties, &body, &why);
        assert_eq!(first, bury(&properties, &body, &why).0);
        assert_eq!(first.body, Body::Inline(body));
        assert!(matches!(fate, Fate::Dead(fault) if fault.code == code::UNREADABLE));
    }

    #[test]
    fn half_a_claim_is_not_taken_for_an_empty_body() {
        let sealed = seal(&Channel::stranded(), message(Body::Inline(Bytes::new()))).unwrap();
        let mut headers = sealed.properties.headers().clone().unwrap();
        headers.insert(CLAIM_SIZE.into(), AMQPValue::LongLongInt(3));
        let properties = sealed.properties.with_headers(headers);
        assert!(matches!(open(&properties, &sealed.body), Err(Unreadable::Claim)));
    }
}
