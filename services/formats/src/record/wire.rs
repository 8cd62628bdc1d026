//! Records as protobuf bytes, and back; texts stay where they are in the bytes.

use std::borrow::Cow;

use super::schema::{Field, Kind, Shape};
use super::{Record, Value};

/// The bytes of a record.
pub(crate) fn encode(record: &Record<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_024);
    message(record, &mut out);
    out
}

fn message(record: &Record<'_>, out: &mut Vec<u8>) {
    for (field, value) in record.fields() {
        match value.as_list() {
            Some(items) => items.iter().for_each(|it| one(field, it, out)),
            None => one(field, value, out),
        }
    }
}

fn one(field: &Field, value: &Value<'_>, out: &mut Vec<u8>) {
    let tag = u64::from(field.number) << 3;
    match value {
        Value::Text(text) => sized(tag, text.as_bytes(), out),
        Value::Bytes(bytes) => sized(tag, bytes, out),
        Value::Message(inner) => {
            varint(tag | 2, out);
            nested(inner, out);
        }
        Value::Bool(it) => number(tag, u64::from(*it), out),
        // Negative numbers stand in 64 bits, whatever their width.
        Value::I32(it) | Value::Enum(it) => number(tag, i64::from(*it).cast_unsigned(), out),
        Value::I64(it) => number(tag, it.cast_unsigned(), out),
        Value::U32(it) => number(tag, u64::from(*it), out),
        Value::U64(it) => number(tag, *it, out),
        Value::List(_) => {}
    }
}

fn number(tag: u64, value: u64, out: &mut Vec<u8>) {
    varint(tag, out);
    varint(value, out);
}

fn sized(tag: u64, bytes: &[u8], out: &mut Vec<u8>) {
    varint(tag | 2, out);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// A message behind its length, which is known only afterwards and mostly is one byte.
fn nested(record: &Record<'_>, out: &mut Vec<u8>) {
    let begin = out.len();
    out.push(0);
    message(record, out);
    let length = out.len() - begin - 1;
    match (u8::try_from(length), out.get_mut(begin)) {
        (Ok(length @ ..0x80), Some(place)) => *place = length,
        _ => {
            let mut long = Vec::new();
            varint(length as u64, &mut long);
            out.splice(begin..=begin, long);
        }
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

/// The record that bytes are, without leftovers; none when they are of no such message.
pub(crate) fn decode<'a>(shape: &'static Shape, bytes: &'a [u8]) -> Option<Record<'a>> {
    let mut record = Record::new(shape);
    let mut rest = Wire(bytes);
    while !rest.0.is_empty() {
        let tag = rest.varint()?;
        let field = shape.numbered(tag >> 3);
        let value = match tag & 7 {
            0 => scalar(field, rest.varint()?),
            1 => rest.take(8).map(|_| None)?,
            2 => {
                let length = usize::try_from(rest.varint()?).ok()?;
                held(field, rest.take(length)?)?
            }
            5 => rest.take(4).map(|_| None)?,
            _ => return None,
        };
        let (Some(field), Some(value)) = (field, value) else { continue };
        if field.is_list {
            record.list(field)?.push(value);
        } else {
            record.set(field, value);
        }
    }
    Some(record)
}

/// The value of a number; none for a field that holds no numbers.
fn scalar<'a>(field: Option<&Field>, number: u64) -> Option<Value<'a>> {
    let bytes = number.to_le_bytes();
    let [a, b, c, d, ..] = bytes;
    let low = [a, b, c, d];
    Some(match field?.kind {
        Kind::Bool => Value::Bool(number != 0),
        Kind::Int32 => Value::I32(i32::from_le_bytes(low)),
        Kind::Enum(_) => Value::Enum(i32::from_le_bytes(low)),
        Kind::Int64 => Value::I64(i64::from_le_bytes(bytes)),
        Kind::Uint32 => Value::U32(u32::from_le_bytes(low)),
        Kind::Uint64 => Value::U64(number),
        Kind::Text | Kind::Bytes | Kind::Message(_) | Kind::Other => return None,
    })
}

/// The value of bytes with a length: none inside for a field that holds none, none at all when
/// they are not what the field holds.
#[expect(clippy::option_option, reason = "what is skipped differs from what is broken")]
fn held<'a>(field: Option<&'static Field>, bytes: &'a [u8]) -> Option<Option<Value<'a>>> {
    let Some(field) = field else { return Some(None) };
    Some(match field.kind {
        Kind::Text => Some(Value::Text(Cow::Borrowed(simdutf8::basic::from_utf8(bytes).ok()?))),
        Kind::Bytes => Some(Value::Bytes(Cow::Borrowed(bytes))),
        // No line is about leftovers, and they may be many.
        Kind::Message(_) if !field.is_told => None,
        Kind::Message(_) => Some(Value::Message(decode(field.shape()?, bytes)?)),
        Kind::Bool
        | Kind::Int32
        | Kind::Int64
        | Kind::Uint32
        | Kind::Uint64
        | Kind::Enum(_)
        | Kind::Other => None,
    })
}

struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
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
    use crate::record::shape;

    #[test]
    fn long_messages_and_wide_numbers_come_back() {
        let name =
            |letters: usize| Organisation { name: "x".repeat(letters), ..Default::default() };
        for letters in [0, 1, 100, 124, 125, 126, 127, 128, 129, 16_380, 16_390, 70_000] {
            let document =
                Document { issuer: Some(name(letters)), pages: u32::MAX, ..Default::default() };
            let bytes = document.encode_to_vec();
            let record = decode(shape("Document").unwrap(), &bytes).unwrap();
            assert_eq!(encode(&record), bytes, "{letters}");
        }
        let issued = proto::canonical::v1::Date { year: -1, month: i32::MIN, day: i32::MAX };
        let bytes = Document { issued: Some(issued), ..Default::default() }.encode_to_vec();
        let record = decode(shape("Document").unwrap(), &bytes).unwrap();
        assert_eq!(encode(&record), bytes);
    }

    #[test]
    fn leftovers_stay_behind_and_unknown_fields_are_passed_over() {
        let document = Document {
            subject: "chữ".into(),
            leftovers: vec![Leftovers { format: "x".into(), ..Default::default() }],
            ..Default::default()
        };
        let mut bytes = document.encode_to_vec();
        // Fields 600 to 602: a number, eight bytes, a text.
        bytes.extend([0xc0, 0x25, 7, 0xc9, 0x25, 1, 2, 3, 4, 5, 6, 7, 8, 0xd2, 0x25, 1, b'a']);
        let record = decode(shape("Document").unwrap(), &bytes).unwrap();
        assert_eq!((record.text("subject"), record.fields().count()), ("chữ", 1));
        for broken in [&[0x0a, 5, b'a'][..], &[0x0a, 1, 0xff], &[0xff; 12], &[0x0c]] {
            assert!(decode(shape("Document").unwrap(), broken).is_none(), "{broken:?}");
        }
    }
}
