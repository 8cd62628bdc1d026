//! Values put into a message: into fields, lists, extras and files.

use std::borrow::Cow;

use crate::content::BlobDigest;
use crate::convert::Converter;
use crate::path::{Segment, admits, find, fresh, inside, list, list_mut, set};
use crate::record::{Record, Shape, Value};

pub(super) fn push<'a>(message: &mut Record<'a>, to: &'a [Segment], value: Value<'a>) {
    if let Some(list) = list_mut(message, to) {
        list.push(value);
    }
}

/// The second record of the same thing adds what the first one did not say.
pub(super) fn merge<'a>(
    message: &mut Record<'a>,
    to: &'a [Segment],
    place: usize,
    item: &Record<'a>,
) {
    let first = list_mut(message, to).and_then(|it| it.get_mut(place)?.as_message_mut());
    let Some(first) = first else { return };
    for (field, value) in item.fields() {
        if first.get(field).is_none() {
            first.set(field, value.clone());
        }
    }
}

/// Sets a value; an extra keeps its owner and name, the first id of a list replaces nothing else.
pub(super) fn put<'a>(
    message: &mut Record<'a>,
    to: &'a [Segment],
    value: Value<'a>,
    converter: &Converter,
) {
    let (Converter::Extra, Some(Segment { field, selector })) = (converter, to.last()) else {
        return set(message, to, value);
    };
    let (Some(shape), Value::Message(read)) = (field.shape(), value) else { return };
    let selector = selector.as_ref();
    if list(message, to).iter().any(|it| admits(selector, it)) {
        return;
    }
    let mut extra = fresh(selector, shape);
    if let Some(text) = read.named("value") {
        extra.set_named("value", text.clone());
    }
    push(message, to, Value::Message(extra));
}

/// The reference of a file in the canonical model.
pub(crate) fn reference(named: &BlobDigest) -> String {
    digest_reference(&named.sha256)
}

/// The reference of a file by its SHA-256.
pub(crate) fn digest_reference(sha256: &[u8]) -> String {
    let mut text = String::with_capacity(7 + 2 * sha256.len());
    text.push_str("sha256:");
    for byte in sha256 {
        text.extend(
            [byte >> 4, byte & 15].into_iter().filter_map(|it| char::from_digit(it.into(), 16)),
        );
    }
    text
}

/// The message at the end of a path, made where it is missing.
pub(super) fn made<'m, 'a>(
    message: &'m mut Record<'a>,
    to: &'a [Segment],
) -> Option<&'m mut Record<'a>> {
    match to.split_first() {
        Some((first, rest)) => made(inside(message, first)?, rest),
        None => Some(message),
    }
}

/// Puts a file's name into a message.
pub(crate) fn blob<'a>(message: &mut Record<'a>, to: &'a [Segment], named: BlobDigest) {
    let Some(shape) = to.last().and_then(|it| it.field.shape()) else { return };
    set(message, to, Value::Message(blob_of(shape, named)));
}

fn blob_of<'a>(shape: &'static Shape, named: BlobDigest) -> Record<'a> {
    let mut blob = Record::new(shape);
    blob.set_named("ref", Value::Text(Cow::Owned(reference(&named))));
    blob.set_named("size", Value::U64(named.size));
    if let Some(digest) = shape.field("digests").and_then(|it| it.shape()) {
        let mut it = Record::new(digest);
        it.set_named("algorithm", Value::Text(Cow::Borrowed("sha256")));
        it.set_named("value", Value::Bytes(Cow::Owned(named.sha256.to_vec())));
        blob.set_named("digests", Value::List(vec![Value::Message(it)]));
    }
    blob
}

/// The name of the file that the blob at the end of a path is.
pub(crate) fn file_name<'m>(message: &'m Record<'_>, to: &[Segment]) -> &'m str {
    let within = to.get(..to.len().saturating_sub(1)).unwrap_or_default();
    let holder = if within.is_empty() {
        Some(message)
    } else {
        find(message, within).and_then(Value::as_message)
    };
    holder.map_or("", |it| it.text("file_name"))
}
