//! The YAML of a description as a tree with positions.
//!
//! The tree is untyped, so that a value of the wrong type does not end the reading and every
//! mistake of the file is reported at once.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Spanned};

use crate::diagnostic::SourcePosition;

/// A YAML node.
#[derive(Clone, Debug)]
pub(crate) struct YamlNode {
    pub(crate) position: SourcePosition,
    pub(crate) value: YamlValue,
    /// The text of a scalar as it stands in the file, without its quotes.
    pub(crate) source: String,
    span: Option<(u64, u64)>,
}

/// The value of a node, with the types that descriptions use.
#[derive(Clone, Debug)]
pub(crate) enum YamlValue {
    /// Entries: key, position of the key, and node; in the order of the file.
    Map(Vec<(String, SourcePosition, YamlNode)>),
    List(Vec<YamlNode>),
    Text(String),
    Integer(i64),
    Boolean,
    Null,
    /// A number that is no 64-bit integer.
    Unsupported,
}

impl YamlNode {
    /// The entries of a map; none for another node.
    pub(crate) fn entries(&self) -> &[(String, SourcePosition, YamlNode)] {
        if let YamlValue::Map(it) = &self.value { it } else { &[] }
    }

    /// The items of a list; none for another node.
    pub(crate) fn items(&self) -> &[YamlNode] {
        if let YamlValue::List(it) = &self.value { it } else { &[] }
    }

    /// True for a list.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.value, YamlValue::List(_))
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&YamlNode> {
        self.entries().iter().find(|(it, ..)| it == key).map(|(.., node)| node)
    }

    /// The text of a scalar; numbers and booleans are texts as they stand in the file.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            YamlValue::Text(it) => Some(it),
            YamlValue::Integer(_) | YamlValue::Boolean | YamlValue::Unsupported => {
                Some(&self.source)
            }
            YamlValue::Map(_) | YamlValue::List(_) | YamlValue::Null => None,
        }
    }

    fn read_source(&mut self, text: &str) {
        match &mut self.value {
            YamlValue::Map(entries) => {
                entries.iter_mut().for_each(|(.., it)| it.read_source(text));
            }
            YamlValue::List(items) => items.iter_mut().for_each(|it| it.read_source(text)),
            YamlValue::Text(_)
            | YamlValue::Integer(_)
            | YamlValue::Boolean
            | YamlValue::Null
            | YamlValue::Unsupported => {
                self.source = source_text(text, self.span).unwrap_or_default().trim().to_owned();
            }
        }
    }
}

fn source_text(text: &str, span: Option<(u64, u64)>) -> Option<&str> {
    let (begin, count) = span?;
    let begin = usize::try_from(begin).ok()?;
    text.get(begin..begin.checked_add(usize::try_from(count).ok()?)?)
}

/// Positions of the keys and values of a description.
#[derive(Debug, Default)]
pub(crate) struct SourceMap {
    root: SourcePosition,
    /// The native places that rules name, in the order of the file.
    places: Vec<(String, SourcePosition)>,
    /// Of each map, by the position at which it begins: the positions of key and value by key.
    maps: HashMap<SourcePosition, Vec<(String, SourcePosition, SourcePosition)>>,
}

impl SourceMap {
    /// The positions in a tree.
    pub(crate) fn new(root: &YamlNode) -> Self {
        let mut map = Self { root: root.position, ..Self::default() };
        map.insert(root);
        map
    }

    fn insert(&mut self, node: &YamlNode) {
        node.items().iter().for_each(|it| self.insert(it));
        let entries = node.entries();
        entries.iter().for_each(|(.., it)| self.insert(it));
        let is_place = |it: &&(String, SourcePosition, YamlNode)| it.0 == "at" || it.0 == "each";
        for (.., place) in entries.iter().filter(is_place) {
            self.places.extend(place.text().map(|it| (it.to_owned(), place.position)));
        }
        if !entries.is_empty() {
            let positions = entries.iter().map(|(key, at, it)| (key.clone(), *at, it.position));
            self.maps.insert(node.position, positions.collect());
        }
    }

    /// The native places that rules name, in the order of the file.
    pub(crate) fn places(&self) -> &[(String, SourcePosition)] {
        &self.places
    }

    /// The position of the value of a key in the map that begins here.
    pub(crate) fn value(&self, map: SourcePosition, key: &str) -> Option<SourcePosition> {
        self.entry(map, key).map(|(_, value)| value)
    }

    /// The position of the value of a key in the innermost map with such a key around a position.
    pub(crate) fn enclosing_value(
        &self,
        inside: SourcePosition,
        key: &str,
    ) -> Option<SourcePosition> {
        let begins_before = |it: &&SourcePosition| **it <= inside;
        let mut maps: Vec<_> = self.maps.keys().filter(begins_before).collect();
        maps.sort_unstable();
        maps.iter().rev().find_map(|it| self.value(**it, key))
    }

    /// The position of a value, by the keys from the top of the description; that of the nearest
    /// key that exists where one does not.
    pub(crate) fn path(&self, keys: &[&str]) -> SourcePosition {
        let mut position = self.root;
        for key in keys {
            let Some(value) = self.value(position, key) else { break };
            position = value;
        }
        position
    }

    fn entry(&self, map: SourcePosition, key: &str) -> Option<(SourcePosition, SourcePosition)> {
        let entries = self.maps.get(&map)?;
        entries.iter().find(|(it, ..)| it == key).map(|(_, key, value)| (*key, *value))
    }
}

/// The position of a location of the parser.
pub(crate) fn position_of(location: Location) -> SourcePosition {
    SourcePosition { line: location.line(), column: location.column() }
}

/// Parses a description's YAML. The error is the position and the parser's words for the first
/// syntax error.
pub(crate) fn parse_yaml(text: &str) -> Result<YamlNode, (SourcePosition, String)> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        // Both are in the tree, so that the check can name the two lines.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
    };
    let parsed = serde_saphyr::from_str_with_options::<Spanned<RawValue>>(text, options);
    let mut root = parsed.map(to_node).map_err(|error| syntax_error(&error))?;
    root.read_source(text);
    Ok(root)
}

/// Position and words of an error of the parser.
pub(crate) fn syntax_error(error: &serde_saphyr::Error) -> (SourcePosition, String) {
    let position = error.location().map(position_of).unwrap_or_default();
    let message = error.without_snippet().to_string();
    let words = message.lines().next().unwrap_or_default();
    (position, words.split(" at line ").next().unwrap_or(words).to_owned())
}

/// A value while it is deserialized.
struct RawValue(YamlValue);

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ValueVisitor).map(RawValue)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = YamlValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_str<E>(self, text: &str) -> Result<YamlValue, E> {
        Ok(YamlValue::Text(text.to_owned()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<YamlValue, E> {
        Ok(YamlValue::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<YamlValue, E> {
        Ok(i64::try_from(number).map_or(YamlValue::Unsupported, YamlValue::Integer))
    }

    fn visit_f64<E>(self, _number: f64) -> Result<YamlValue, E> {
        Ok(YamlValue::Unsupported)
    }

    fn visit_bool<E>(self, _flag: bool) -> Result<YamlValue, E> {
        Ok(YamlValue::Boolean)
    }

    fn visit_unit<E>(self) -> Result<YamlValue, E> {
        Ok(YamlValue::Null)
    }

    fn visit_none<E>(self) -> Result<YamlValue, E> {
        Ok(YamlValue::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<YamlValue, D::Error> {
        from.deserialize_any(Self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<YamlValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element::<Spanned<RawValue>>()? {
            items.push(to_node(item));
        }
        Ok(YamlValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<YamlValue, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = from.next_key::<Spanned<String>>()? {
            let position = position_of(key.defined);
            entries.push((key.value, position, to_node(from.next_value()?)));
        }
        Ok(YamlValue::Map(entries))
    }
}

fn to_node(raw: Spanned<RawValue>) -> YamlNode {
    let span = raw.defined.span();
    YamlNode {
        position: position_of(raw.defined),
        value: raw.value.0,
        source: String::new(),
        span: span.byte_offset().zip(span.byte_len()),
    }
}
