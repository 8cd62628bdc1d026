//! A tree as JSON: parts become objects, items of one name a list, in the order of the tree.

use crate::tree::{Kind, Tree};

/// What stands before and behind a record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    pub(crate) before: String,
    pub(crate) behind: String,
}

/// Stands in a frame where the record will.
const HERE: &str = "\u{1}";

impl Frame {
    /// The frame of a description: `records` is where the list of records stands in `around`,
    /// `count` where their number does.
    ///
    /// # Errors
    ///
    /// It is no JSON, or has no such places.
    pub(crate) fn parse(around: &str, records: &str, count: &str) -> Result<Self, Vec<String>> {
        let mut frame = serde_json::Value::Array(vec![HERE.into()]);
        if around.is_empty() {
            for name in records.rsplit('/').filter(|it| !it.is_empty()) {
                frame = serde_json::json!({ name: frame });
            }
        } else {
            let list = frame;
            frame = serde_json::from_str(around).map_err(|error| {
                vec![format!("syntax: `around` không phải JSON / is no JSON: {error}")]
            })?;
            let places = [(records, list), (count, 1.into())];
            let missing: Vec<_> = places
                .into_iter()
                .filter(|(path, _)| !path.is_empty())
                .filter_map(|(path, value)| match frame.pointer_mut(&format!("/{path}")) {
                    Some(place) => {
                        *place = value;
                        None
                    }
                    None => Some(format!(
                        "syntax: `around` không có chỗ `{path}` / has no place `{path}`"
                    )),
                })
                .collect();
            if !missing.is_empty() {
                return Err(missing);
            }
        }
        let text = frame.to_string();
        let parts = text.split_once(&serde_json::Value::from(HERE).to_string());
        let (before, behind) = parts.unwrap_or_default();
        Ok(Self { before: before.to_owned(), behind: behind.to_owned() })
    }
}

/// Writes the value at a place.
pub(crate) fn write(tree: &Tree<'_>, place: usize, out: &mut Vec<u8>) {
    let node = &tree.nodes[place];
    if tree.is_end(place) && place != 0 {
        text(&node.text, out);
        return;
    }
    out.push(b'{');
    for child in tree.children(place) {
        let part = &tree.nodes[child];
        // Only items share a name, and all of them are written with the first.
        if part.kind == Kind::Item && tree.named(place, &part.name).next() != Some(child) {
            continue;
        }
        if out.last() != Some(&b'{') {
            out.push(b',');
        }
        text(&part.name, out);
        out.push(b':');
        match part.kind {
            Kind::NoItems => out.extend_from_slice(b"[]"),
            Kind::Item => items(tree, place, &part.name, out),
            Kind::Text | Kind::Parts => write(tree, child, out),
        }
    }
    out.push(b'}');
}

fn items(tree: &Tree<'_>, parent: usize, name: &str, out: &mut Vec<u8>) {
    out.push(b'[');
    for item in tree.named(parent, name) {
        if out.last() != Some(&b'[') {
            out.push(b',');
        }
        write(tree, item, out);
    }
    out.push(b']');
}

/// A text in quotes; runs that need no escape are copied as they are.
fn text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|it| matches!(it, b'"' | b'\\' | ..0x20)) {
        let (plain, from) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, after)) = from.split_first() else { break };
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            ..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            byte => out.extend_from_slice(&[b'\\', *byte]),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_spelled_as_by_others() {
        let all: String = ('\0'..='\u{ff}').chain("“ộ” 🙂".chars()).collect();
        for it in ["", "a", "\"\\/", "\n", "a\u{1}b\u{7f}", &all] {
            let mut out = Vec::new();
            text(it, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), serde_json::Value::from(it).to_string());
        }
    }
}
