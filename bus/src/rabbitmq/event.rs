//! A message as one CloudEvent in the protobuf event format: the whole body of an AMQP message.
//!
//! The layout is that of `CloudEvents` 1.0.2, "Protobuf Event Format": tags and types are the
//! standard's. Strings are declared as bytes, which are encoded in the same way, so that encoding
//! copies none of them.

use std::borrow::Cow;

use bytes::Bytes;
use prost::Message as _;

use crate::{
    claim::Claim,
    message::{Attributes, Body, Message, MessageId, is_attribute_name},
};

/// Media type of an event in structured content mode, protobuf format.
pub(super) const CONTENT_TYPE: &str = "application/cloudevents+protobuf";

const SPEC_VERSION: &str = "1.0";

/// Attributes that have a field of their own in the format.
const SOURCE: &str = "source";
const TYPE: &str = "type";

/// Reference to a body in the claim store ("Dataref" extension), and its size.
const DATA_REF: &str = "dataref";
const DATA_SIZE: &str = "datasize";

#[derive(Clone, PartialEq, prost::Message)]
struct CloudEvent {
    #[prost(bytes = "bytes", tag = "1")]
    id: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    source: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    spec_version: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    r#type: Bytes,
    // A protobuf map, which is encoded as repeated entries.
    #[prost(message, repeated, tag = "5")]
    attributes: Vec<Attribute>,
    #[prost(oneof = "Data", tags = "6")]
    data: Option<Data>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Attribute {
    #[prost(bytes = "bytes", tag = "1")]
    name: Bytes,
    #[prost(message, optional, tag = "2")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Value {
    #[prost(oneof = "Scalar", tags = "3, 6")]
    scalar: Option<Scalar>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Scalar {
    #[prost(bytes = "bytes", tag = "3")]
    Text(Bytes),
    #[prost(bytes = "bytes", tag = "6")]
    UriReference(Bytes),
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Data {
    #[prost(bytes = "bytes", tag = "6")]
    Binary(Bytes),
}

/// A delivery is not a message of the bus.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidEvent {
    #[error("its content type is not `{CONTENT_TYPE}`")]
    ContentType,
    #[error("it is not a CloudEvent in protobuf")]
    Event(#[from] prost::DecodeError),
    #[error("it has no name, or none that is a UUID")]
    Id,
    #[error("the attribute `{name}` is not text, or may not be called so")]
    Attribute { name: String },
    #[error("its claim is incomplete")]
    Claim,
}

/// Encodes a message as an event. It consumes the message, so that texts move instead of being
/// copied.
pub(super) fn encode_event(message: Message) -> Vec<u8> {
    let Message { id, mut attributes, body, conversation: _ } = message;
    let mut take = |name| attributes.remove(name).map(Bytes::from).unwrap_or_default();
    let (source, r#type) = (take(SOURCE), take(TYPE));
    let mut extensions = Vec::with_capacity(attributes.len() + 2);
    extensions.extend(attributes.into_iter().map(|(name, value)| {
        let name = match name {
            Cow::Borrowed(name) => Bytes::from_static(name.as_bytes()),
            Cow::Owned(name) => name.into(),
        };
        Attribute::new(name, Scalar::Text(value.into()))
    }));
    let data = match body {
        Body::Inline(bytes) => Some(Data::Binary(bytes)),
        Body::Claim(claim) => {
            let (reference, size) = (claim.to_string().into(), claim.size.to_string().into());
            let (data_ref, data_size) = (DATA_REF.as_bytes(), DATA_SIZE.as_bytes());
            let reference =
                Attribute::new(Bytes::from_static(data_ref), Scalar::UriReference(reference));
            let size = Attribute::new(Bytes::from_static(data_size), Scalar::Text(size));
            extensions.extend([reference, size]);
            None
        }
    };
    let event = CloudEvent {
        id: id.to_string().into(),
        source,
        spec_version: Bytes::from_static(SPEC_VERSION.as_bytes()),
        r#type,
        attributes: extensions,
        data,
    };
    event.encode_to_vec()
}

/// Decodes an event. The body shares `bytes` and is not copied.
pub(super) fn decode_event(bytes: Bytes, conversation: String) -> Result<Message, InvalidEvent> {
    let event = CloudEvent::decode(bytes)?;
    let id = text(&event.id).and_then(|id| id.parse::<MessageId>().ok()).ok_or(InvalidEvent::Id)?;
    let (mut reference, mut size) = (None, None);
    let mut attributes = Attributes::new();
    for (name, value) in [(SOURCE, event.source), (TYPE, event.r#type)] {
        if !value.is_empty() {
            let value = text(&value).ok_or_else(|| invalid_attribute(name.as_bytes()))?;
            attributes.insert(Cow::Borrowed(name), value.to_owned());
        }
    }
    for Attribute { name, value } in event.attributes {
        let value = value.and_then(|value| value.scalar);
        let (Scalar::Text(value) | Scalar::UriReference(value)) =
            value.ok_or_else(|| invalid_attribute(&name))?;
        let value = text(&value).ok_or_else(|| invalid_attribute(&name))?;
        match text(&name) {
            Some(DATA_REF) => reference = Some(value.to_owned()),
            Some(DATA_SIZE) => size = value.parse().ok(),
            Some(name) if is_attribute_name(name) => {
                attributes.insert(Cow::Owned(name.to_owned()), value.to_owned());
            }
            _ => return Err(invalid_attribute(&name)),
        }
    }
    let body = match (reference, size, event.data) {
        (None, None, Some(Data::Binary(bytes))) => Body::Inline(bytes),
        (None, None, None) => Body::Inline(Bytes::new()),
        (reference, size, _) => {
            let claim = reference.zip(size).and_then(|(it, size)| Claim::from_reference(&it, size));
            Body::Claim(claim.ok_or(InvalidEvent::Claim)?)
        }
    };
    Ok(Message { id, conversation, attributes, body })
}

impl Attribute {
    const fn new(name: Bytes, scalar: Scalar) -> Self {
        Self { name, value: Some(Value { scalar: Some(scalar) }) }
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn invalid_attribute(name: &[u8]) -> InvalidEvent {
    InvalidEvent::Attribute { name: String::from_utf8_lossy(name).into_owned() }
}
