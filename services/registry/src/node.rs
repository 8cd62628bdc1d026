//! A YAML file as a tree that knows its lines, so that one mistake does not hide the next.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A value and its line.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The line it begins on, from 1.
    pub(crate) line: u64,
    /// What it is.
    pub(crate) value: Value,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Keys with their lines, in the order of the file.
    Map(Vec<(String, u64, Node)>),
    /// Items.
    List(Vec<Node>),
    /// A text; numbers and yes-or-no are not texts, so that `01` cannot become 1 unseen.
    Text(String),
    /// A whole number.
    Number(i64),
    /// True or false.
    Flag(bool),
    /// Nothing.
    Empty,
    /// A number with a point, or one that is too large: never what is meant here.
    Odd,
}

struct Raw(Value);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader).map(Raw)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::Odd, Value::Number))
    }

    fn visit_f64<E>(self, _number: f64) -> Result<Value, E> {
        Ok(Value::Odd)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Empty)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Empty)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(Self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element::<Spanned<Raw>>()? {
            items.push(node(item));
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = from.next_key::<Spanned<String>>()? {
            let line = key.referenced.line();
            entries.push((key.value, line, node(from.next_value()?)));
        }
        Ok(Value::Map(entries))
    }
}

fn node(raw: Spanned<Raw>) -> Node {
    Node { line: raw.referenced.line(), value: raw.value.0 }
}

/// Reads a file's text; the line and the words of the first place that is no YAML otherwise.
pub(crate) fn parse(text: &str) -> Result<Node, (u64, String)> {
    // Otherwise an organisation called `no` would be a yes-or-no.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options).map(node).map_err(|error| {
        let line = error.location().map_or(0, |it| it.line());
        (line, error.to_string().lines().next().unwrap_or_default().to_owned())
    })
}
