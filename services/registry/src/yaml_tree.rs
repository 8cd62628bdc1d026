//! A YAML file as a tree with line numbers.
//!
//! The tree is untyped, so a value of the wrong type does not end the reading and every mistake of
//! the file is reported at once.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A YAML node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The line on which the node begins, from 1.
    pub(crate) line: u64,
    /// The node's value.
    pub(crate) value: Value,
}

/// The value of a node, with the types that the registry's files use.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Entries: key, line of the key, and node; in the order of the file.
    Map(Vec<(String, u64, Node)>),
    /// Items of a sequence.
    List(Vec<Node>),
    /// A string. A number or a boolean is not accepted as one, because `01` would become `1`.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A boolean.
    Boolean(bool),
    /// No value.
    Null,
    /// A number that is not a 64-bit integer. No key of the registry takes one.
    Unsupported,
}

/// A value while it is deserialized.
struct RawValue(Value);

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ValueVisitor).map(RawValue)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::Unsupported, Value::Integer))
    }

    fn visit_f64<E>(self, _number: f64) -> Result<Value, E> {
        Ok(Value::Unsupported)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Boolean(flag))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(Self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element::<Spanned<RawValue>>()? {
            items.push(to_node(item));
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = from.next_key::<Spanned<String>>()? {
            let line = key.referenced.line();
            entries.push((key.value, line, to_node(from.next_value()?)));
        }
        Ok(Value::Map(entries))
    }
}

fn to_node(raw: Spanned<RawValue>) -> Node {
    Node { line: raw.referenced.line(), value: raw.value.0 }
}

/// Parses a file's text. The error is the line and the message of the first syntax error.
pub(crate) fn parse_yaml(text: &str) -> Result<Node, (u64, String)> {
    // In YAML 1.1 `no` is a boolean, and would not be accepted as an organisation's key.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options::<Spanned<RawValue>>(text, options).map(to_node).map_err(
        |error| {
            let line = error.location().map_or(0, |it| it.line());
            (line, error.to_string().lines().next().unwrap_or_default().to_owned())
        },
    )
}
