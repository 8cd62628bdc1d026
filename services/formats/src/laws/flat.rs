//! The loss report made the long way round: every value by its path, then path by path.

use std::collections::HashMap;

use prost_reflect::{DynamicMessage, FieldDescriptor, Value};
use proto::message::v1::loss;

type Leaves = Vec<(String, String)>;

/// Kind, path and value of a loss.
pub(super) type Told = (loss::Kind, String, String);

/// Lost, changed and added leaves by their canonical paths; leftovers are not the receiver's.
pub(super) fn difference(message: &DynamicMessage, read: &DynamicMessage) -> Vec<Told> {
    let keep = |(path, _): &(String, String)| {
        !path.starts_with("leftovers") && !path.contains("directory_key")
    };
    let mut before = leaves(message);
    before.retain(keep);
    let mut after = Leaves::new();
    aligned(Some(message), read, "", &mut after);
    after.retain(keep);
    fn index(of: &Leaves) -> HashMap<&str, &str> {
        of.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect()
    }
    let (was, is) = (index(&before), index(&after));
    let mut losses = Vec::new();
    let mut add = |kind: loss::Kind, path: &str, value: &str| {
        losses.push((kind, path.to_owned(), value.to_owned()));
    };
    for (path, value) in &before {
        match is.get(path.as_str()) {
            None => add(loss::Kind::Lost, path, ""),
            Some(other) if other != value => {
                add(loss::Kind::Changed, path, other);
            }
            Some(_) => {}
        }
    }
    for (path, value) in &after {
        if !was.contains_key(path.as_str()) {
            add(loss::Kind::Added, path, value);
        }
    }
    losses
}

/// Every value of a message by its path, texts and numbers as text.
pub(super) fn leaves(message: &DynamicMessage) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(message, "", &mut found);
    found
}

fn collect(message: &DynamicMessage, within: &str, into: &mut Vec<(String, String)>) {
    for (field, value) in message.fields() {
        let name = if within.is_empty() {
            field.name().to_owned()
        } else {
            format!("{within}.{}", field.name())
        };
        let Some(items) = value.as_list() else {
            leaf(&field, value, name, into);
            continue;
        };
        for (place, item) in items.iter().enumerate() {
            leaf(&field, item, format!("{name}[{place}]"), into);
        }
    }
}

fn leaf(field: &FieldDescriptor, value: &Value, name: String, into: &mut Vec<(String, String)>) {
    let text = match value {
        Value::Message(message) => {
            let before = into.len();
            collect(message, &name, into);
            if into.len() == before {
                into.push((name, String::new()));
            }
            return;
        }
        Value::EnumNumber(number) => {
            let named = field.kind().as_enum().and_then(|it| it.get_value(*number));
            named.map_or_else(|| number.to_string(), |it| it.name().to_owned())
        }
        Value::String(text) => text.clone(),
        Value::Bytes(bytes) => bytes.iter().map(|it| format!("{it:02x}")).collect(),
        Value::Bool(flag) => flag.to_string(),
        Value::I32(number) => number.to_string(),
        Value::I64(number) => number.to_string(),
        Value::U32(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        Value::F32(_) | Value::F64(_) | Value::List(_) | Value::Map(_) => String::new(),
    };
    into.push((name, text));
}

/// Leaves of what is read, with the numbers that its items had in the message: an item that is
/// missing takes no number from the ones behind it, and what came in stands behind the last.
fn aligned(was: Option<&DynamicMessage>, is: &DynamicMessage, within: &str, into: &mut Leaves) {
    for (field, value) in is.fields() {
        let name = if within.is_empty() {
            field.name().to_owned()
        } else {
            format!("{within}.{}", field.name())
        };
        let before = was.filter(|it| it.has_field(&field)).map(|it| it.get_field(&field));
        let Some(items) = value.as_list() else {
            one(&field, (before.as_deref(), value), name, into);
            continue;
        };
        let old = before.as_deref().and_then(Value::as_list).unwrap_or_default();
        for (item, number) in items.iter().zip(numbers(old, items)) {
            one(&field, (old.get(number), item), format!("{name}[{number}]"), into);
        }
    }
}

fn one(
    field: &FieldDescriptor,
    (was, is): (Option<&Value>, &Value),
    name: String,
    into: &mut Leaves,
) {
    let Some(message) = is.as_message() else {
        leaf(field, is, name, into);
        return;
    };
    let before = into.len();
    aligned(was.and_then(Value::as_message), message, &name, into);
    if into.len() == before {
        into.push((name, String::new()));
    }
}

/// Which item of the old list each item of the new one is. When their order or their keys do not
/// tell, they are taken one by one.
fn numbers(old: &[Value], new: &[Value]) -> Vec<usize> {
    let plain = || (0..new.len()).collect();
    if old.len() == new.len() {
        return plain();
    }
    let mut places: HashMap<String, Vec<usize>> = HashMap::new();
    for (place, it) in old.iter().enumerate() {
        places.entry(key(it)).or_default().push(place);
    }
    let (mut next, mut added, mut found) = (0, 0, Vec::new());
    for it in new {
        let known = places.get(&key(it)).map_or(&[][..], Vec::as_slice);
        match known.get(known.partition_point(|it| *it < next)) {
            Some(_) if added > 0 => return plain(),
            Some(place) => {
                found.push(*place);
                next = place + 1;
            }
            None => {
                found.push(old.len() + added);
                added += 1;
            }
        }
    }
    found
}

/// What tells one item of a list from the others.
fn key(item: &Value) -> String {
    let Some(message) = item.as_message() else { return format!("{item:?}") };
    let all = leaves(message);
    let get = |name: &str| all.iter().find(|(it, _)| it == name).map(|(_, it)| it.clone());
    let owned = || Some(format!("{}.{}", get("owner")?, get("name")?));
    let known = ["id", "organisation.ids[0].value", "ids[0].value", "target.id", "full_name"];
    owned()
        .or_else(|| known.into_iter().find_map(get))
        .unwrap_or_else(|| all.iter().map(|(path, value)| format!("{path}={value}\n")).collect())
}
