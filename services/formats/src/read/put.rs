//! Puts converted values into a message.

use std::borrow::Cow;

use crate::canonical_path::{
    PathSegment, find_list, find_list_mut, message_at, new_item, selects, set_value,
};
use crate::content::{BlobDigest, digest_reference};
use crate::convert::Converter;
use crate::model::{DynMessage, MessageSchema, Value};

/// Appends an item to the list at the end of a path.
pub(super) fn push_item<'a>(message: &mut DynMessage<'a>, to: &'a [PathSegment], value: Value<'a>) {
    if let Some(list) = find_list_mut(message, to) {
        list.push(value);
    }
}

/// Completes an item from a second record with the same key; values that are present stay.
pub(super) fn merge_item<'a>(
    message: &mut DynMessage<'a>,
    to: &'a [PathSegment],
    index: usize,
    record: &DynMessage<'a>,
) {
    let item = find_list_mut(message, to).and_then(|it| it.get_mut(index)?.as_message_mut());
    let Some(item) = item else { return };
    complete_message(item, record);
}

/// Adds the values of another message; values that are present stay.
pub(super) fn complete_message<'a>(message: &mut DynMessage<'a>, other: &DynMessage<'a>) {
    for (field, value) in other.fields() {
        match (message.get(field), value) {
            (None, _) => message.set(field, value.clone()),
            (Some(Value::Message(_)), Value::Message(other)) => {
                if let Some(inner) = message.message_mut(field) {
                    complete_message(inner, other);
                }
            }
            (Some(_), _) => {}
        }
    }
}

/// True when two values for one field disagree: messages only in a field that both have.
pub(super) fn contradicts(value: &Value<'_>, other: &Value<'_>) -> bool {
    let (Some(message), Some(other)) = (value.as_message(), other.as_message()) else {
        return value != other;
    };
    other.fields().any(|(field, other)| message.get(field).is_some_and(|it| contradicts(it, other)))
}

/// Sets a value. An `Extra` becomes an item with the owner and name of its selector; the first
/// value for them stays.
pub(super) fn put_value<'a>(
    message: &mut DynMessage<'a>,
    to: &'a [PathSegment],
    value: Value<'a>,
    converter: &Converter,
) {
    if let (Converter::Pattern(_), Value::Message(parts)) = (converter, &value) {
        // Other rules may have set other fields of the message.
        let Some(whole) = find_or_create_message(message, to) else { return };
        parts.fields().for_each(|(field, part)| whole.set(field, part.clone()));
        return;
    }
    let (Converter::Extra, Some(PathSegment { field, selector })) = (converter, to.last()) else {
        return set_value(message, to, value);
    };
    let (Some(schema), Value::Message(read)) = (field.message_schema(), value) else { return };
    let selector = selector.as_ref();
    if find_list(message, to).iter().any(|it| selects(selector, it)) {
        return;
    }
    let mut extra = new_item(selector, schema);
    if let Some(text) = read.get_by_name("value") {
        extra.set_by_name("value", text.clone());
    }
    push_item(message, to, Value::Message(extra));
}

/// The message at the end of a path, created when it is missing.
pub(super) fn find_or_create_message<'m, 'a>(
    message: &'m mut DynMessage<'a>,
    to: &'a [PathSegment],
) -> Option<&'m mut DynMessage<'a>> {
    match to.split_first() {
        Some((first, rest)) => find_or_create_message(message_at(message, first)?, rest),
        None => Some(message),
    }
}

/// Sets the blob at the end of a path to that of a file.
pub(super) fn put_blob<'a>(
    message: &mut DynMessage<'a>,
    to: &'a [PathSegment],
    digest: BlobDigest,
) {
    let Some(schema) = to.last().and_then(|it| it.field.message_schema()) else { return };
    set_value(message, to, Value::Message(new_blob(schema, digest)));
}

fn new_blob<'a>(schema: &'static MessageSchema, file: BlobDigest) -> DynMessage<'a> {
    let mut blob = DynMessage::new(schema);
    blob.set_by_name("ref", Value::Text(Cow::Owned(digest_reference(&file.sha256))));
    blob.set_by_name("size", Value::U64(file.size));
    if let Some(schema) = schema.field("digests").and_then(|it| it.message_schema()) {
        let mut digest = DynMessage::new(schema);
        digest.set_by_name("algorithm", Value::Text(Cow::Borrowed("sha256")));
        digest.set_by_name("value", Value::Bytes(Cow::Owned(file.sha256.to_vec())));
        blob.set_by_name("digests", Value::List(vec![Value::Message(digest)]));
    }
    blob
}
