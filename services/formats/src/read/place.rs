//! Values put into a message: into fields, lists, extras and files.

use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, Value};

use crate::content::Named;
use crate::convert::Converter;
use crate::path::{Path, Segment, admits, find, fresh, get, list_mut, set};

/// The list itself, whichever items are meant.
pub(super) fn whole(to: &[Segment]) -> Path {
    let mut path = to.to_vec();
    if let Some(last) = path.last_mut() {
        last.selector = None;
    }
    path
}

pub(super) fn push(message: &mut DynamicMessage, to: &[Segment], value: Value) {
    if let Some(list) = list_mut(message, to) {
        list.push(value);
    }
}

/// The second record of the same thing adds what the first one did not say.
pub(super) fn merge(
    message: &mut DynamicMessage,
    to: &[Segment],
    place: usize,
    item: &DynamicMessage,
) {
    let first = list_mut(message, to).and_then(|it| it.get_mut(place)?.as_message_mut());
    let Some(first) = first else { return };
    for (field, value) in item.fields() {
        if !first.has_field(&field) {
            first.set_field(&field, value.clone());
        }
    }
}

/// Sets a value; an extra keeps its owner and name, the first id of a list replaces nothing else.
pub(super) fn put(
    message: &mut DynamicMessage,
    to: &[Segment],
    value: Value,
    converter: &Converter,
) {
    if matches!(converter, Converter::Extra) {
        let Some(Segment { field, selector }) = to.last() else { return };
        let (Kind::Message(of), Some(text)) = (
            field.kind(),
            value
                .as_message()
                .and_then(|it| it.get_field_by_name("value").map(|it| it.into_owned())),
        ) else {
            return;
        };
        let mut extra = fresh(selector.as_ref(), &of);
        extra.set_field_by_name("value", text);
        let is_there = get(message, &whole(to))
            .and_then(|it| Some(it.as_list()?.iter().any(|it| admits(selector.as_ref(), it))))
            .unwrap_or_default();
        if !is_there {
            push(message, to, Value::Message(extra));
        }
        return;
    }
    set(message, to, value);
}

/// The reference of a file in the canonical model.
pub(crate) fn reference(named: &Named) -> String {
    digest_reference(&named.sha256)
}

/// The reference of a file by its SHA-256.
pub(crate) fn digest_reference(sha256: &[u8]) -> String {
    let hex: String = sha256.iter().map(|it| format!("{it:02x}")).collect();
    format!("sha256:{hex}")
}

/// Puts a file's name into a message.
pub(crate) fn blob(message: &mut DynamicMessage, to: &[Segment], named: Named) {
    let Some(Kind::Message(of)) = to.last().map(|it| it.field.kind()) else { return };
    set(message, to, Value::Message(blob_of(&of, named)));
}

fn blob_of(of: &MessageDescriptor, named: Named) -> DynamicMessage {
    let mut blob = DynamicMessage::new(of.clone());
    blob.set_field_by_name("ref", Value::String(reference(&named)));
    blob.set_field_by_name("size", Value::U64(named.size));
    if let Some(field) = of.get_field_by_name("digests")
        && let Kind::Message(digest) = field.kind()
    {
        let mut it = DynamicMessage::new(digest);
        it.set_field_by_name("algorithm", Value::String("sha256".to_owned()));
        it.set_field_by_name("value", Value::Bytes(named.sha256.to_vec().into()));
        blob.set_field(&field, Value::List(vec![Value::Message(it)]));
    }
    blob
}

/// The name of the file that the blob at the end of a path is.
pub(crate) fn file_name(message: &DynamicMessage, to: &[Segment]) -> String {
    let within = to.get(..to.len().saturating_sub(1)).unwrap_or_default();
    let name = |it: &DynamicMessage| {
        it.get_field_by_name("file_name").and_then(|it| it.as_str().map(ToOwned::to_owned))
    };
    let name = if within.is_empty() {
        name(message)
    } else {
        find(message, within, |it| it.as_message().and_then(name)).flatten()
    };
    name.unwrap_or_default()
}
