//! Reads a map of the YAML tree key by key, and reports what is missing, of the wrong type or
//! unknown.

use std::ops::RangeInclusive;

use proto::fault::{Code, code};

use crate::lexical::{is_ambiguous, is_day, is_key};
use crate::mistake::{EntryPositions, Mistake, Position};
use crate::yaml_tree::{Node, Value};

/// A map that is being read: every key is taken once, and what remains at the end is unknown.
///
/// A key of the wrong type is reported and read as empty, so reading goes on.
pub(crate) struct MapReader<'a, 'm> {
    file: &'a str,
    positions: EntryPositions,
    remaining: Vec<(&'a str, u64, &'a Node)>,
    known_keys: Vec<&'static str>,
    mistakes: &'m mut Vec<Mistake>,
}

impl<'a, 'm> MapReader<'a, 'm> {
    /// Begins to read a node, which must be a map.
    pub(crate) fn open(file: &'a str, node: &'a Node, mistakes: &'m mut Vec<Mistake>) -> Self {
        let position = Position { file: file.to_owned(), line: node.line };
        let remaining = match &node.value {
            Value::Map(entries) => {
                entries.iter().map(|(key, line, node)| (key.as_str(), *line, node)).collect()
            }
            Value::List(_)
            | Value::Text(_)
            | Value::Integer(_)
            | Value::Boolean(_)
            | Value::Null
            | Value::Unsupported => {
                let mistake = Mistake::new(&position, &code::LT_REG_004);
                mistakes.push(mistake.param("key", "-").param("expected", "key: value"));
                Vec::new()
            }
        };
        let positions = EntryPositions::new(position);
        Self { file, positions, remaining, known_keys: Vec::new(), mistakes }
    }

    /// Ends the reading and reports every unknown key.
    pub(crate) fn close(mut self) -> (&'a str, EntryPositions, &'m mut Vec<Mistake>) {
        let known = self.known_keys.join(", ");
        for (key, line, _) in std::mem::take(&mut self.remaining) {
            self.report_line(line, &code::LT_REG_002, &[("key", key), ("known", &known)]);
        }
        (self.file, self.positions, self.mistakes)
    }

    /// Reports a mistake at a path, or at the map when it has no such path.
    pub(crate) fn report(&mut self, path: &str, code: Code, params: &[(&str, &str)]) {
        self.report_line(self.positions.at(path).line, code, params);
    }

    fn report_line(&mut self, line: u64, code: Code, params: &[(&str, &str)]) {
        let position = Position { file: self.file.to_owned(), line };
        let mistake = params
            .iter()
            .fold(Mistake::new(&position, code), |it, (name, value)| it.param(name, *value));
        self.mistakes.push(mistake);
    }

    /// Reports a value of the wrong type.
    pub(crate) fn report_type(&mut self, line: u64, key: &str, expected: &str) {
        self.report_line(line, &code::LT_REG_004, &[("key", key), ("expected", expected)]);
    }

    fn take(&mut self, key: &'static str) -> Option<(u64, &'a Node)> {
        self.known_keys.push(key);
        let index = self.remaining.iter().position(|(it, ..)| *it == key)?;
        let (_, line, node) = self.remaining.remove(index);
        self.positions.insert(key, line);
        Some((line, node))
    }

    /// An optional text for people, without surrounding spaces.
    pub(crate) fn take_text(&mut self, key: &'static str) -> String {
        match self.take(key) {
            None | Some((_, Node { value: Value::Null, .. })) => String::new(),
            Some((_, Node { value: Value::Text(text), .. })) => text.trim().to_owned(),
            Some((line, node)) => {
                self.report_no_text(line, key, node);
                String::new()
            }
        }
    }

    /// An optional code, id or other word for programs: as [`take_text`](Self::take_text), and in
    /// quotes where YAML could read something else.
    pub(crate) fn take_code(&mut self, key: &'static str) -> String {
        match self.take(key) {
            None | Some((_, Node { value: Value::Null, .. })) => String::new(),
            Some((line, node)) => self.code_of(line, key, node).unwrap_or_default(),
        }
    }

    /// The code in a node; reported when it is none.
    fn code_of(&mut self, line: u64, key: &str, node: &Node) -> Option<String> {
        let code = read_code(node);
        if code.is_none() {
            self.report_no_text(line, key, node);
        }
        code
    }

    /// Reports a value that is no text, or that must stand in quotes to be one.
    pub(crate) fn report_no_text(&mut self, line: u64, key: &str, node: &Node) {
        match &node.plain {
            Some(value) => {
                let params = [("key", key), ("value", value.as_str())];
                self.report_line(line, &code::LT_REG_018, &params);
            }
            None => self.report_type(line, key, "\"text\""),
        }
    }

    /// A text that must not be missing or empty.
    pub(crate) fn take_required_text(&mut self, key: &'static str) -> String {
        let mistakes_before = self.mistakes.len();
        let text = self.take_text(key);
        self.require(key, text, mistakes_before)
    }

    /// A code that must not be missing or empty. A bare `null` is a code without its quotes.
    pub(crate) fn take_required_code(&mut self, key: &'static str) -> String {
        let mistakes_before = self.mistakes.len();
        let text = match self.take(key) {
            None | Some((_, Node { value: Value::Null, plain: None, .. })) => String::new(),
            Some((line, node)) => self.code_of(line, key, node).unwrap_or_default(),
        };
        self.require(key, text, mistakes_before)
    }

    fn require(&mut self, key: &'static str, text: String, mistakes_before: usize) -> String {
        if text.is_empty() && self.mistakes.len() == mistakes_before {
            self.report(key, &code::LT_REG_003, &[("key", key)]);
        }
        text
    }

    /// A required code that is a directory key or an application id.
    pub(crate) fn take_required_key(&mut self, key: &'static str) -> String {
        let text = self.take_required_code(key);
        if !text.is_empty() && !is_key(&text) {
            let line = self.positions.at(key).line;
            self.report_type(line, key, "a-z 0-9 -");
        }
        text
    }

    /// An optional day, `yyyy-mm-dd`.
    pub(crate) fn take_day(&mut self, key: &'static str) -> String {
        let text = self.take_text(key);
        if !text.is_empty() && !is_day(&text) {
            self.report(key, &code::LT_REG_008, &[("value", &text)]);
        }
        text
    }

    /// An optional integer within a range.
    pub(crate) fn take_integer(
        &mut self,
        key: &'static str,
        range: RangeInclusive<i64>,
        default: u64,
    ) -> u64 {
        match self.take(key) {
            None => default,
            Some((_, Node { value: Value::Integer(number), .. })) if range.contains(number) => {
                u64::try_from(*number).unwrap_or(default)
            }
            Some((line, _)) => {
                self.report_type(line, key, &format!("{}…{}", range.start(), range.end()));
                default
            }
        }
    }

    /// An optional boolean; false by default.
    pub(crate) fn take_boolean(&mut self, key: &'static str) -> bool {
        match self.take(key) {
            None => false,
            Some((_, Node { value: Value::Boolean(value), .. })) => *value,
            Some((line, _)) => {
                self.report_type(line, key, "true, false");
                false
            }
        }
    }

    /// An optional list.
    pub(crate) fn take_list(&mut self, key: &'static str) -> Vec<&'a Node> {
        match self.take(key) {
            None | Some((_, Node { value: Value::Null, .. })) => Vec::new(),
            Some((_, Node { value: Value::List(items), .. })) => {
                for (index, it) in items.iter().enumerate() {
                    self.positions.insert(format!("{key}[{index}]"), it.line);
                }
                items.iter().collect()
            }
            Some((line, _)) => {
                self.report_type(line, key, "- …");
                Vec::new()
            }
        }
    }

    /// An optional list of codes.
    pub(crate) fn take_codes(&mut self, key: &'static str) -> Vec<String> {
        let nodes = self.take_list(key);
        nodes.into_iter().filter_map(|it| self.code_of(it.line, key, it)).collect()
    }

    /// The entries of an optional map from message types to formats.
    pub(crate) fn take_entries(&mut self, key: &'static str) -> Vec<(&'a str, &'a Node)> {
        match self.take(key) {
            None => Vec::new(),
            Some((_, Node { value: Value::Map(entries), .. })) => {
                for (entry_key, line, _) in entries {
                    self.positions.insert(format!("{key}.{entry_key}"), *line);
                }
                entries.iter().map(|(key, _, node)| (key.as_str(), node)).collect()
            }
            Some((line, _)) => {
                self.report_type(line, key, "type: format");
                Vec::new()
            }
        }
    }
}

/// The code in a node; none when it is no text, or when YAML could read something else.
pub(crate) fn read_code(node: &Node) -> Option<String> {
    let Value::Text(text) = &node.value else { return None };
    let is_bare = node.plain.as_ref().is_some_and(|it| is_ambiguous(it));
    (!is_bare).then(|| text.trim().to_owned())
}
