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

/// Completes an item from a second record with the same key; fields that are present stay.
pub(super) fn merge_item<'a>(
    message: &mut DynMessage<'a>,
    to: &'a [PathSegment],
    index: usize,
    record: &DynMessage<'a>,
) {
    let item = find_list_mut(message, to).and_then(|it| it.get_mut(index)?.as_message_mut());
    let Some(item) = item else { return };
    for (field, value) in record.fields() {
        if item.get(field).is_none() {
            item.set(field, value.clone());
        }
    }
}

/// Sets a value. An `Extra` becomes an item with the owner and name of its selector; the first
/// value for them stays.
pub(super) fn put_value<'a>(
    message: &mut DynMessage<'a>,
    to: &'a [PathSegment],
    value: Value<'a>,
    converter: &Converter,
) {
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
