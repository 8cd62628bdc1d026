//! The same for bodies of JSON: every leaf, and the differences that are right.

use std::collections::BTreeMap;

use serde_json::Value;

use super::leaves::{Leaf, decode};

type Leaves = BTreeMap<String, Leaf>;

/// Every leaf of a body: its keys from the root, and its value as JSON writes it. Items of a list
/// are numbered among those in which something stands.
pub(super) fn leaves_of_json(native: &[u8]) -> Result<Leaves, String> {
    let text = decode(native);
    let value = serde_json::from_str(text.trim_start_matches('\u{feff}'));
    let mut leaves = Leaves::new();
    list(&value.map_err(|it: serde_json::Error| it.to_string())?, String::new(), &mut leaves);
    Ok(leaves)
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(it) => it.trim().is_empty(),
        Value::Array(it) => it.iter().all(is_blank),
        Value::Object(it) => it.values().all(is_blank),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn list(value: &Value, path: String, leaves: &mut Leaves) {
    if let Some(object) = value.as_object().filter(|it| !it.is_empty()) {
        object.iter().for_each(|(key, value)| list(value, format!("{path}/{key}"), leaves));
        return;
    }
    let Some(items) = value.as_array().filter(|it| !it.is_empty()) else {
        let leaf = Leaf { path: path.clone(), text: value.to_string(), file: None };
        leaves.insert(path, leaf);
        return;
    };
    // Receivers of a change stand in free order, so their code is in place of the number.
    let key = |it: &Value| it.get("receivertype").and(it.get("organid")).map(Value::to_string);
    let (blank, said): (Vec<&Value>, Vec<&Value>) = items.iter().partition(|it| is_blank(it));
    for (index, it) in said.into_iter().enumerate() {
        let key = key(it).unwrap_or_else(|| index.to_string());
        list(it, format!("{path}[{key}]"), leaves);
    }
    for (index, it) in blank.into_iter().enumerate() {
        list(it, format!("{path}[blank {index}]"), leaves);
    }
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(text).trim()
}

/// True for the path of a leaf of JSON.
pub(super) fn is_json(path: &str) -> bool {
    path.starts_with(['/', '['])
}

/// True for a value that says nothing.
pub(super) fn says_nothing(text: &str) -> bool {
    ["", "null", "[]", "{}", "N/A", "undefined"].contains(&unquoted(text))
}

/// Why a value may be another one.
pub(super) fn differing(name: &str, before: &str, after: &str) -> Option<&'static str> {
    let (one, other) = (unquoted(before), unquoted(after));
    let parts =
        |it: &str| -> Vec<String> { it.split(';').map(|it| it.trim().to_owned()).collect() };
    let number = |it: &str| it.parse::<f64>().ok();
    match () {
        () if one == other => Some("a value in the type that the format writes"),
        () if says_nothing(one) && says_nothing(other) => Some("a word for nothing"),
        () if name.to_lowercase().ends_with("type") && other.contains('/') => {
            Some("a file's type, told by its content")
        }
        () if number(one).is_some() && number(one) == number(other) => {
            Some("another form of the same number")
        }
        () if parts(one) == parts(other) => Some("white space between the items of a text"),
        () if other.starts_with("sha256:") => Some("a file by the name that it has here"),
        () => None,
    }
}

/// Why a value may be there that was not.
pub(super) fn added(path: &str, text: &str, [writer, now]: [&str; 2]) -> Option<&'static str> {
    let (text, last) = (unquoted(text), path.rsplit('/').next().unwrap_or_default());
    match last {
        _ if says_nothing(text) => Some("a key without a value, which the format wants"),
        "organid" | "timestamp" if path.contains("/traceheader[") => {
            let is_hop = text == writer || text == now || path.contains("/traceheader[0]/");
            is_hop.then_some("a hop of the writer, or of the sender where none was")
        }
        "type" if text == "2" => Some("the kind of document, which the standard wants"),
        "bussinessdoctype" if text == "0" => Some("the kind of business, which it wants"),
        "trangThai" if text == "06" => Some("the status that a result has without a word"),
        "size" | "fileSize" | "fileType" => Some("size and type of a file"),
        _ if path.starts_with("/origin/") => Some("where a message came from"),
        _ => None,
    }
}
