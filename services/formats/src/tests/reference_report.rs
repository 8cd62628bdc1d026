//! A loss report computed in the plain way, to compare the engine's report with: all values by
//! path, then path by path.

use std::collections::HashMap;

use prost_reflect::{DynamicMessage, FieldDescriptor, Value};
use proto::message::v1::loss;

type Leaves = Vec<(String, String)>;

/// Kind, path and value of a loss.
pub(super) type ReportedLoss = (loss::Kind, String, String);

/// Lost, changed and added values by canonical path, without leftovers.
pub(super) fn compare(message: &DynamicMessage, read: &DynamicMessage) -> Vec<ReportedLoss> {
    let is_reported = |(path, _): &(String, String)| {
        !path.starts_with("leftovers") && !path.contains("directory_key")
    };
    let mut before = leaves(message);
    before.retain(is_reported);
    let mut after = Leaves::new();
    aligned_leaves(Some(message), read, "", &mut after);
    after.retain(is_reported);
    fn index(leaves: &Leaves) -> HashMap<&str, &str> {
        leaves.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect()
    }
    let (old, new) = (index(&before), index(&after));
    let mut losses = Vec::new();
    let mut add = |kind: loss::Kind, path: &str, value: &str| {
        losses.push((kind, path.to_owned(), value.to_owned()));
    };
    for (path, value) in &before {
        match new.get(path.as_str()) {
            None => add(loss::Kind::Lost, path, ""),
            Some(other) if other != value => {
                add(loss::Kind::Changed, path, other);
            }
            Some(_) => {}
        }
    }
    for (path, value) in &after {
        if !old.contains_key(path.as_str()) {
            add(loss::Kind::Added, path, value);
        }
    }
    losses
}

/// The values of a message by path, as texts.
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
        for (index, item) in items.iter().enumerate() {
            leaf(&field, item, format!("{name}[{index}]"), into);
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
        Value::Bytes(bytes) => hex::encode(bytes),
        Value::Bool(flag) => flag.to_string(),
        Value::I32(number) => number.to_string(),
        Value::I64(number) => number.to_string(),
        Value::U32(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        Value::F32(_) | Value::F64(_) | Value::List(_) | Value::Map(_) => String::new(),
    };
    into.push((name, text));
}

/// The values of the new message; items have the index of their counterpart in the old one, added
/// items follow the last.
fn aligned_leaves(
    old: Option<&DynamicMessage>,
    new: &DynamicMessage,
    within: &str,
    into: &mut Leaves,
) {
    for (field, value) in new.fields() {
        let name = if within.is_empty() {
            field.name().to_owned()
        } else {
            format!("{within}.{}", field.name())
        };
        let before = old.filter(|it| it.has_field(&field)).map(|it| it.get_field(&field));
        let Some(items) = value.as_list() else {
            aligned_leaf(&field, (before.as_deref(), value), name, into);
            continue;
        };
        let old_items = before.as_deref().and_then(Value::as_list).unwrap_or_default();
        for (item, index) in items.iter().zip(match_items(old_items, items)) {
            let counterpart = old_items.get(index);
            aligned_leaf(&field, (counterpart, item), format!("{name}[{index}]"), into);
        }
    }
}

fn aligned_leaf(
    field: &FieldDescriptor,
    (old, new): (Option<&Value>, &Value),
    name: String,
    into: &mut Leaves,
) {
    let Some(message) = new.as_message() else {
        leaf(field, new, name, into);
        return;
    };
    let before = into.len();
    aligned_leaves(old.and_then(Value::as_message), message, &name, into);
    if into.len() == before {
        into.push((name, String::new()));
    }
}

/// The index in the old list of each item of the new one; by position when keys or order give no
/// match.
fn match_items(old: &[Value], new: &[Value]) -> Vec<usize> {
    let by_position = || (0..new.len()).collect();
    if old.len() == new.len() {
        return by_position();
    }
    let mut indexes: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, it) in old.iter().enumerate() {
        indexes.entry(item_key(it)).or_default().push(index);
    }
    let (mut next, mut added, mut matched) = (0, 0, Vec::new());
    for it in new {
        let candidates = indexes.get(&item_key(it)).map_or(&[][..], Vec::as_slice);
        match candidates.get(candidates.partition_point(|it| *it < next)) {
            Some(_) if added > 0 => return by_position(),
            Some(index) => {
                matched.push(*index);
                next = index + 1;
            }
            None => {
                matched.push(old.len() + added);
                added += 1;
            }
        }
    }
    matched
}

/// Identifies an item of a list.
fn item_key(item: &Value) -> String {
    let Some(message) = item.as_message() else { return format!("{item:?}") };
    let all = leaves(message);
    let get = |name: &str| all.iter().find(|(it, _)| it == name).map(|(_, it)| it.clone());
    let owned = || Some(format!("{}.{}", get("owner")?, get("name")?));
    let key_paths = ["id", "organisation.ids[0].value", "ids[0].value", "target.id", "full_name"];
    owned()
        .or_else(|| key_paths.into_iter().find_map(get))
        .unwrap_or_else(|| all.iter().map(|(path, value)| format!("{path}={value}\n")).collect())
}
