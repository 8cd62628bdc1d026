//! What writing did to a message: values that are lost, changed or added.

use std::collections::HashMap;

use prost_reflect::{DynamicMessage, Value};
use proto::mapping::v1::{Loss, loss};

use crate::format::places::{Place, find};
use crate::path::{leaf, leaves};

type Leaves = Vec<(String, String)>;

/// Lost, changed and added leaves by their canonical paths; leftovers are not the receiver's.
pub(crate) fn difference(
    message: &DynamicMessage,
    read: &DynamicMessage,
    places: &[Place],
) -> Vec<Loss> {
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
    let mut add = |kind: loss::Kind, path: &str, reason: &str, value: &str| {
        losses.push(Loss {
            kind: kind.into(),
            path: path.to_owned(),
            reason: reason.to_owned(),
            value: value.to_owned(),
        });
    };
    for (path, value) in &before {
        match is.get(path.as_str()) {
            None => add(loss::Kind::Lost, path, why_lost(path, places), ""),
            Some(other) if other != value => {
                add(loss::Kind::Changed, path, why_changed((path, value), other, places), other);
            }
            Some(_) => {}
        }
    }
    for (path, value) in &after {
        if !was.contains_key(path.as_str()) {
            add(loss::Kind::Added, path, why_added(path, places), value);
        }
    }
    losses
}

fn why_lost(path: &str, places: &[Place]) -> &'static str {
    if is_behind_the_one(path, places) {
        return "first-only";
    }
    let Some(Place { how, .. }) = find(places, path) else { return "no-place" };
    if how.is_code {
        "no-code"
    } else if how.is_conditional {
        "condition"
    } else if how.is_selected {
        "not-admitted"
    } else {
        "no-place"
    }
}

/// True for a second item of a list of which one item has a place.
fn is_behind_the_one(path: &str, places: &[Place]) -> bool {
    let Some((list, rest)) = path.split_once('[') else { return false };
    let inside =
        |it: &&Place| it.canonical.strip_prefix(list).is_some_and(|it| it.starts_with('.'));
    !rest.starts_with("0]")
        && !places.iter().any(|it| it.canonical == list)
        && places.iter().filter(inside).any(|it| it.how.is_single)
}

fn why_changed((path, was): (&str, &str), is: &str, places: &[Place]) -> &'static str {
    let how = find(places, path).map(|it| it.how).unwrap_or_default();
    if how.is_time {
        "precision"
    } else if was.starts_with(is) {
        "cut"
    } else {
        "spelling"
    }
}

fn why_added(path: &str, places: &[Place]) -> &'static str {
    let how = find(places, path).map(|it| it.how).unwrap_or_default();
    if how.is_appended {
        "context"
    } else if how.is_derived {
        "derived"
    } else {
        "default"
    }
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
    field: &prost_reflect::FieldDescriptor,
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
