//! A tree as JSON: parts become objects, items of one name a list.

use serde_json::{Map, Value};

use crate::tree::{Kind, Tree};

/// The value at a place.
pub(crate) fn value(tree: &Tree<'_>, place: usize) -> Value {
    let node = &tree.nodes[place];
    if node.children.is_empty() && place != 0 {
        return Value::String(node.text.clone().into_owned());
    }
    let mut object = Map::new();
    for child in &node.children {
        let part = &tree.nodes[*child];
        let name = part.name.clone().into_owned();
        match part.kind {
            Kind::NoItems => {
                object.insert(name, Value::Array(Vec::new()));
            }
            Kind::Item => {
                let list = object.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                if let Some(list) = list.as_array_mut() {
                    list.push(value(tree, *child));
                }
            }
            Kind::Text | Kind::Parts => {
                object.insert(name, value(tree, *child));
            }
        }
    }
    Value::Object(object)
}
