//! Protobuf encoding of dynamic messages; decoded texts borrow from the bytes.
//!
//! An own codec, because every conversion passes through it twice: prost-reflect allocates each
//! text and keeps fields in a tree map. the tests check it against prost-reflect.

use std::borrow::Cow;

use crate::model::message::{DynMessage, Value};
use crate::model::schema::{FieldSchema, FieldType, MessageSchema};

/// Encodes a message.
pub(crate) fn encode(message: &DynMessage<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_024);
    encode_fields(message, &mut out);
    out
}

fn encode_fields(message: &DynMessage<'_>, out: &mut Vec<u8>) {
    for (field, value) in message.fields() {
        match value.as_list() {
            Some(items) => items.iter().for_each(|it| encode_field(field, it, out)),
            None => encode_field(field, value, out),
        }
    }
}

fn encode_field(field: &FieldSchema, value: &Value<'_>, out: &mut Vec<u8>) {
    let tag = u64::from(field.number) << 3;
    match value {
        Value::Text(text) => encode_bytes(tag, text.as_bytes(), out),
        Value::Bytes(bytes) => encode_bytes(tag, bytes, out),
        Value::Message(inner) => {
            encode_varint(tag | 2, out);
            encode_nested(inner, out);
        }
        Value::Bool(it) => encode_number(tag, u64::from(*it), out),
        // Protobuf sign-extends int32 and enum to 64 bits.
        Value::I32(it) | Value::Enum(it) => encode_number(tag, i64::from(*it).cast_unsigned(), out),
        Value::I64(it) => encode_number(tag, it.cast_unsigned(), out),
        Value::U32(it) => encode_number(tag, u64::from(*it), out),
        Value::U64(it) => encode_number(tag, *it, out),
        Value::List(_) => {}
    }
}

fn encode_number(tag: u64, value: u64, out: &mut Vec<u8>) {
    encode_varint(tag, out);
    encode_varint(value, out);
}

fn encode_bytes(tag: u64, bytes: &[u8], out: &mut Vec<u8>) {
    encode_varint(tag | 2, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Encodes a nested message after its length. One byte is reserved for the length, which is known
/// only afterwards; a longer length is spliced in.
fn encode_nested(message: &DynMessage<'_>, out: &mut Vec<u8>) {
    let begin = out.len();
    out.push(0);
    encode_fields(message, out);
    let length = out.len() - begin - 1;
    match (u8::try_from(length), out.get_mut(begin)) {
        (Ok(length @ ..0x80), Some(byte)) => *byte = length,
        _ => {
            let mut long = Vec::new();
            encode_varint(length as u64, &mut long);
            out.splice(begin..=begin, long);
        }
    }
}

fn encode_varint(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

/// Decodes a message, without the fields that no rule reads (leftovers); none when the bytes are
/// malformed or do not match the schema.
pub(crate) fn decode<'a>(
    schema: &'static MessageSchema,
    bytes: &'a [u8],
) -> Option<DynMessage<'a>> {
    let mut message = DynMessage::new(schema);
    let mut rest = WireReader(bytes);
    while !rest.0.is_empty() {
        let tag = rest.varint()?;
        let field = schema.field_by_number(tag >> 3);
        let value = match tag & 7 {
            0 => decode_scalar(field, rest.varint()?),
            1 => rest.take(8).map(|_| None)?,
            2 => {
                let length = usize::try_from(rest.varint()?).ok()?;
                decode_bytes(field, rest.take(length)?)?
            }
            5 => rest.take(4).map(|_| None)?,
            _ => return None,
        };
        let (Some(field), Some(value)) = (field, value) else { continue };
        if field.is_list {
            message.list_mut(field)?.push(value);
        } else {
            message.set(field, value);
        }
    }
    Some(message)
}

/// The value of a varint; none for an unknown field or one that holds no number.
fn decode_scalar<'a>(field: Option<&FieldSchema>, number: u64) -> Option<Value<'a>> {
    let bytes = number.to_le_bytes();
    let [a, b, c, d, ..] = bytes;
    let low = [a, b, c, d];
    Some(match field?.field_type {
        FieldType::Bool => Value::Bool(number != 0),
        FieldType::Int32 => Value::I32(i32::from_le_bytes(low)),
        FieldType::Enum(_) => Value::Enum(i32::from_le_bytes(low)),
        FieldType::Int64 => Value::I64(i64::from_le_bytes(bytes)),
        FieldType::Uint32 => Value::U32(u32::from_le_bytes(low)),
        FieldType::Uint64 => Value::U64(number),
        FieldType::Text | FieldType::Bytes | FieldType::Message(_) | FieldType::Other => {
            return None;
        }
    })
}

/// The value of a length-delimited field: `Some(None)` for a field to skip, `None` for bytes that
/// are malformed.
#[expect(clippy::option_option, reason = "a skipped field differs from a malformed one")]
fn decode_bytes<'a>(
    field: Option<&'static FieldSchema>,
    bytes: &'a [u8],
) -> Option<Option<Value<'a>>> {
    let Some(field) = field else { return Some(None) };
    Some(match field.field_type {
        FieldType::Text => {
            Some(Value::Text(Cow::Borrowed(simdutf8::basic::from_utf8(bytes).ok()?)))
        }
        FieldType::Bytes => Some(Value::Bytes(Cow::Borrowed(bytes))),
        // No rule maps into leftovers, and there may be hundreds of them.
        FieldType::Message(_) if !field.is_reported => None,
        FieldType::Message(_) => Some(Value::Message(decode(field.message_schema()?, bytes)?)),
        FieldType::Bool
        | FieldType::Int32
        | FieldType::Int64
        | FieldType::Uint32
        | FieldType::Uint64
        | FieldType::Enum(_)
        | FieldType::Other => None,
    })
}

struct WireReader<'a>(&'a [u8]);

impl<'a> WireReader<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use proto::canonical::v1::{Document, Leftovers, Organisation};

    use super::*;
    use crate::model::message_schema;

    #[test]
    fn long_messages_and_wide_numbers_round_trip() {
        let name =
            |letters: usize| Organisation { name: "x".repeat(letters), ..Default::default() };
        for letters in [0, 1, 100, 124, 125, 126, 127, 128, 129, 16_380, 16_390, 70_000] {
            let document =
                Document { issuer: Some(name(letters)), pages: u32::MAX, ..Default::default() };
            let bytes = document.encode_to_vec();
            let message = decode(message_schema("Document").unwrap(), &bytes).unwrap();
            assert_eq!(encode(&message), bytes, "{letters}");
        }
        let issued = proto::canonical::v1::Date { year: -1, month: i32::MIN, day: i32::MAX };
        let bytes = Document { issued: Some(issued), ..Default::default() }.encode_to_vec();
        let message = decode(message_schema("Document").unwrap(), &bytes).unwrap();
        assert_eq!(encode(&message), bytes);
    }

    #[test]
    fn decoding_skips_leftovers_and_unknown_fields() {
        let document = Document {
            subject: "chữ".into(),
            leftovers: vec![Leftovers { format: "x".into(), ..Default::default() }],
            ..Default::default()
        };
        let mut bytes = document.encode_to_vec();
        // Fields 600 to 602: a number, eight bytes, a text.
        bytes.extend([0xc0, 0x25, 7, 0xc9, 0x25, 1, 2, 3, 4, 5, 6, 7, 8, 0xd2, 0x25, 1, b'a']);
        let message = decode(message_schema("Document").unwrap(), &bytes).unwrap();
        assert_eq!((message.text("subject"), message.fields().count()), ("chữ", 1));
        for broken in [&[0x0a, 5, b'a'][..], &[0x0a, 1, 0xff], &[0xff; 12], &[0x0c]] {
            assert!(decode(message_schema("Document").unwrap(), broken).is_none(), "{broken:?}");
        }
    }
}
