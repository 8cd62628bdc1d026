//! A YAML file as a tree with line numbers.
//!
//! The tree is untyped, so a value of the wrong type does not end the reading and every mistake of
//! the file is reported at once.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use serde_saphyr::options::NonFiniteFloatPolicy;

/// A YAML node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The line on which the node begins, from 1.
    pub(crate) line: u64,
    /// The node's value.
    pub(crate) value: Value,
    /// The text of a scalar without quotes as it stands in the file, where YAML may have read
    /// something else: `020` as 20.
    pub(crate) plain: Option<String>,
    /// Where the value stands in the file: first byte and length.
    source: Option<(u64, u64)>,
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
    {
        let span = raw.defined.span();
        let source = span.byte_offset().zip(span.byte_len());
        Node { line: raw.referenced.line(), value: raw.value.0, plain: None, source }
    }
}

impl Node {
    /// Takes the text of every plain scalar from the file.
    fn read_plain(&mut self, text: &str) {
        match &mut self.value {
            Value::Map(entries) => entries.iter_mut().for_each(|(.., it)| it.read_plain(text)),
            Value::List(items) => items.iter_mut().for_each(|it| it.read_plain(text)),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Boolean(_)
            | Value::Null
            | Value::Unsupported => self.plain = plain_text(text, self.source),
        }
    }
}

/// The text of a scalar that has no quotes and no tag that makes it a string.
fn plain_text(text: &str, source: Option<(u64, u64)>) -> Option<String> {
    let (begin, count) = source?;
    let begin = usize::try_from(begin).ok()?;
    let end = begin.checked_add(usize::try_from(count).ok()?)?;
    let raw = text.get(begin..end)?.trim();
    let is_tagged = text.get(..begin)?.trim_end().ends_with("!!str");
    let is_plain = !raw.is_empty() && !raw.starts_with(['"', '\'', '|', '>', '*', '&', '!']);
    (is_plain && !is_tagged).then(|| raw.to_owned())
}

/// Parses a file's text. The error is the line and the message of the first syntax error.
pub(crate) fn parse_yaml(text: &str) -> Result<Node, (u64, String)> {
    let options = serde_saphyr::options! {
        // In YAML 1.1 `no` is a boolean, and would not be accepted as an organisation's key.
        strict_booleans: true,
        // A bare `.inf` is reported as the value of its key, and not as a syntax error.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
    };
    let parsed = serde_saphyr::from_str_with_options::<Spanned<RawValue>>(text, options);
    let mut root = parsed.map(to_node).map_err(|error| {
        let line = error.location().map_or(0, |it| it.line());
        (line, error.to_string().lines().next().unwrap_or_default().to_owned())
    })?;
    root.read_plain(text);
    Ok(root)
}
