//! Native content as a plain tree of places, parsed without the engine's scanners: XML by roxmltree,
//! JSON by serde_json, delimited and named text letter by letter.

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use unicode_normalization::UnicodeNormalization as _;

use super::Refused;
use crate::grammar::{CsvSyntax, FieldsSyntax, Syntax};
use crate::limits::DEPTH_MAX;
use crate::scan::csv::needs_guard;
use crate::tree::ROOT_LIST;

/// A place of native content.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// An attribute's name begins with `@`; one of a foreign namespace is `{namespace}name`.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) parent: usize,
    pub(super) children: Vec<usize>,
    /// An item of a JSON list.
    pub(super) is_item: bool,
    pub(super) is_empty_list: bool,
    /// A row that has more or fewer cells than there are columns.
    pub(super) is_broken: bool,
    /// A JSON number or truth value.
    pub(super) is_literal: bool,
}

/// All places; the first is the whole content.
#[derive(Clone, Debug, Default)]
pub(super) struct Native(pub(super) Vec<Place>);

impl Native {
    /// Parses content in a syntax. `names` are the columns or fields that the description names.
    pub(super) fn parse(text: &str, syntax: &Syntax, names: &[String]) -> Result<Self, Refused> {
        let mut native = Self(vec![Place::default()]);
        match syntax {
            Syntax::Xml { root, namespace, .. } => native.parse_xml(text, root, namespace)?,
            Syntax::Json { .. } | Syntax::CanonicalJson => {
                let raw: Box<RawValue> =
                    serde_json::from_str(text).map_err(|_error| "LT-MAP-002")?;
                native.parse_json(&raw, 0, 0)?;
            }
            Syntax::Csv(it) => native.parse_rows(text, it, names)?,
            Syntax::Fields(it) if it.close.is_empty() => native.parse_lines(text, it),
            Syntax::Fields(it) => native.parse_closed(text, it, names)?,
        }
        Ok(native)
    }

    fn add(&mut self, parent: usize, name: &str, text: &str) -> usize {
        let (name, text) = (name.to_owned(), text.to_owned());
        self.0.push(Place { name, text, parent, ..Place::default() });
        let id = self.0.len() - 1;
        self.0[parent].children.push(id);
        id
    }

    /// The children of a name.
    pub(super) fn named(&self, parent: usize, name: &str) -> Vec<usize> {
        let children = self.0[parent].children.iter().copied();
        children.filter(|it| self.0[*it].name == name).collect()
    }

    /// This place and all below it, parents first.
    pub(super) fn below(&self, id: usize) -> Vec<usize> {
        let inner = self.0[id].children.iter().flat_map(|it| self.below(*it));
        std::iter::once(id).chain(inner).collect()
    }

    /// True where a text stands in the place, or in one below it.
    pub(super) fn says_something(&self, id: usize) -> bool {
        self.below(id).iter().any(|it| !self.0[*it].text.trim().is_empty())
    }

    /// Every place at the end of a path; an empty list is no place.
    pub(super) fn all_at(&self, from: usize, path: &[String]) -> Vec<usize> {
        let Some((name, rest)) = path.split_first() else {
            return if self.0[from].is_empty_list { Vec::new() } else { vec![from] };
        };
        self.named(from, name).into_iter().flat_map(|it| self.all_at(it, rest)).collect()
    }

    /// The place that a path means. Of several of one name the first is meant in which something
    /// stands, at every step; where nothing stands in any, the first.
    pub(super) fn at(&self, from: usize, path: &[String]) -> Option<usize> {
        let Some((name, rest)) = path.split_first() else { return Some(from) };
        let named = self.named(from, name);
        let said = named.iter().find(|it| self.says_something(**it));
        self.at(*said.or(named.first())?, rest)
    }

    /// The place's path for people: names, with an index where a name is repeated.
    pub(super) fn path(&self, id: usize) -> String {
        if id == 0 {
            return String::new();
        }
        let place = &self.0[id];
        let named = self.named(place.parent, &place.name);
        let index = named.iter().position(|it| *it == id).unwrap();
        let name = if place.is_item && place.name == ROOT_LIST { "" } else { &place.name };
        let index =
            if place.is_item || named.len() > 1 { format!("[{index}]") } else { String::new() };
        let within = self.path(place.parent);
        let separator = if within.is_empty() { "" } else { "/" };
        format!("{within}{separator}{}{index}", escaped(name))
    }

    fn parse_json(&mut self, raw: &RawValue, id: usize, depth: usize) -> Result<(), Refused> {
        if depth > DEPTH_MAX {
            return Err("LT-MAP-005");
        }
        let text = raw.get();
        let malformed = |_error| "LT-MAP-002";
        match text.chars().next() {
            Some('{') => {
                let Members(members) = serde_json::from_str(text).map_err(malformed)?;
                for (name, value) in members {
                    let is_new = self.named(id, &name).is_empty();
                    let child = self.add(id, &name, "");
                    is_new.then_some(()).ok_or("LT-MAP-002")?;
                    self.parse_json(&value, child, depth + 1)?;
                }
            }
            Some('[') => {
                let items: Vec<Box<RawValue>> = serde_json::from_str(text).map_err(malformed)?;
                self.0[id].is_empty_list = items.is_empty();
                for (index, value) in items.iter().enumerate() {
                    // Every item is a place with the list's name; the list itself is none.
                    let child = match (id, index) {
                        (0, _) => self.add(0, ROOT_LIST, ""),
                        (_, 0) => id,
                        _ => self.add(self.0[id].parent, &self.0[id].name.clone(), ""),
                    };
                    self.0[child].is_item = true;
                    self.parse_json(value, child, depth + 1)?;
                }
            }
            Some('"') => self.0[id].text = serde_json::from_str(text).map_err(malformed)?,
            _ if text != "null" => {
                text.clone_into(&mut self.0[id].text);
                self.0[id].is_literal = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn parse_xml(&mut self, text: &str, root: &str, namespace: &str) -> Result<(), Refused> {
        let document = roxmltree::Document::parse(text).map_err(|error| {
            if matches!(error, roxmltree::Error::DtdDetected) { "LT-MAP-003" } else { "LT-MAP-001" }
        })?;
        let element = document.root_element();
        if element.tag_name().name() != root {
            return Err("LT-MAP-004");
        }
        if qualified(element.tag_name().namespace(), root, namespace) != root {
            return Err("LT-MAP-006");
        }
        root.clone_into(&mut self.0[0].name);
        self.fill_element(0, element, (namespace, 1))
    }

    fn fill_element(
        &mut self,
        id: usize,
        element: roxmltree::Node<'_, '_>,
        (namespace, depth): (&str, usize),
    ) -> Result<(), Refused> {
        if depth > DEPTH_MAX {
            return Err("LT-MAP-005");
        }
        for it in element.attributes().filter(|it| it.namespace() != Some(SCHEMA_INSTANCE)) {
            let name = qualified(it.namespace(), it.name(), namespace);
            self.add(id, &format!("@{name}"), it.value());
        }
        for child in element.children() {
            if child.is_element() {
                let name =
                    qualified(child.tag_name().namespace(), child.tag_name().name(), namespace);
                let place = self.add(id, &name, "");
                self.fill_element(place, child, (namespace, depth + 1))?;
                continue;
            }
            let text = child.text().filter(|_| child.is_text()).unwrap_or_default();
            // Indentation between elements is no text.
            if !text.trim().is_empty() {
                self.0[id].text += text;
            }
        }
        Ok(())
    }

    /// A row of delimited text for each record, a cell for each place.
    fn parse_rows(
        &mut self,
        text: &str,
        syntax: &CsvSyntax,
        names: &[String],
    ) -> Result<(), Refused> {
        let quote = syntax.quote.chars().next().unwrap();
        let first_line = text.split(['\r', '\n']).next().unwrap_or_default();
        let named = first_line.split_at_checked(4);
        let named = named.filter(|(it, _)| it.eq_ignore_ascii_case("sep=")).and_then(|(_, it)| {
            let mut letters = it.chars();
            letters.next().filter(|it| it.is_ascii() && letters.as_str().trim().is_empty())
        });
        let (separator, text, line) = match named {
            Some(it) => (it, text.split_at(first_line.len()).1.trim_start_matches('\r'), 2),
            None => (best_separator(text, syntax, names), text, 1),
        };
        let text = if named.is_some() { text.strip_prefix('\n').unwrap_or(text) } else { text };
        let rows = split_rows(text, (separator, quote), (line, usize::MAX))?;
        let Some((_, first)) = rows.first() else { return Ok(()) };
        let titles = titles_of(first, syntax.header);
        for (line, cells) in rows.iter().skip(usize::from(syntax.header)) {
            let record = self.add(0, &format!("line {line}"), "");
            self.0[record].is_broken = cells.len() != titles.len();
            let titles = titles.iter().map(String::as_str).chain(std::iter::repeat(""));
            for (title, cell) in titles.zip(cells) {
                self.add(record, title, cell);
            }
        }
        Ok(())
    }

    /// `Name: value` on each line.
    fn parse_lines(&mut self, text: &str, syntax: &FieldsSyntax) {
        let (before, after) = syntax.open.split_once("{name}").unwrap();
        let after = if after.trim().is_empty() { after } else { after.trim() };
        let mut record = None;
        let plain = text.replace("\r\n", "\n").replace('\r', "\n");
        for (index, line) in plain.split('\n').enumerate() {
            let line = line.trim();
            if line.is_empty() {
                record = record.filter(|_| !syntax.blank_line);
                continue;
            }
            let id = *record.get_or_insert_with(|| self.add(0, &format!("line {}", index + 1), ""));
            let field = line.strip_prefix(before.trim()).and_then(|it| it.split_once(after));
            match field.map(|(name, value)| (name.trim(), value.trim_matches(LAYOUT))) {
                Some((name, value)) if !name.is_empty() => {
                    self.add(id, &name.nfc().collect::<String>(), value);
                }
                _ => self.add_outside(id, line),
            }
        }
    }

    /// `[name]value[/name]` anywhere in the text.
    fn parse_closed(
        &mut self,
        text: &str,
        syntax: &FieldsSyntax,
        names: &[String],
    ) -> Result<(), Refused> {
        let (before, after) = syntax.open.split_once("{name}").unwrap();
        let record = self.add(0, "line 1", "");
        let (mut rest, mut unclosed) = (text, 0);
        while let Some((outside, opened)) = rest.split_once(before) {
            if rest.trim().is_empty() {
                break;
            }
            self.add_outside(record, outside);
            let name = opened
                .split_once(after)
                .filter(|(name, _)| name.chars().count() + after.chars().count() <= 100);
            let name = name.map(|(name, inner)| (name.trim(), inner));
            let Some((name, inner)) = name.filter(|(name, _)| syntax.permits_name(name)) else {
                let first = opened.chars().next().filter(|_| before.is_empty());
                let skipped = first.map_or(0, char::len_utf8);
                let (skipped, next) = opened.split_at(skipped);
                self.add_outside(record, &format!("{before}{skipped}"));
                rest = next;
                continue;
            };
            let close = syntax.close.replace("{name}", name);
            if let Some((value, next)) = inner.split_once(&close) {
                self.add(record, &name.nfc().collect::<String>(), value.trim_matches(LAYOUT));
                rest = next;
                continue;
            }
            unclosed += 1;
            if unclosed > 100 || names.iter().any(|it| it == name) {
                return Err("LT-MAP-065");
            }
            self.add_outside(record, &syntax.open.replace("{name}", name));
            rest = inner;
        }
        self.add_outside(record, rest);
        Ok(())
    }

    fn add_outside(&mut self, record: usize, text: &str) {
        let outside = &mut self.0[record].text;
        if !text.trim().is_empty() {
            *outside += if outside.is_empty() { "" } else { "\n" };
            *outside += text.trim();
        }
    }
}

const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
const LAYOUT: [char; 4] = [' ', '\t', '\r', '\n'];

/// A name without its namespace, where that is the packet's or none or says something of the XML.
fn qualified(of: Option<&str>, name: &str, packet: &str) -> String {
    match of.map(str::trim).filter(|it| !["", packet, SCHEMA_INSTANCE].contains(it)) {
        Some(foreign) if !packet.is_empty() => format!("{{{foreign}}}{name}"),
        _ => name.to_owned(),
    }
}

/// A name in a path, with the characters that structure paths escaped (RFC 6901).
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1").replace('[', "~2")
}

/// The members of a JSON object in their order.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Members;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(it) = from.next_entry()? {
            members.push(it);
        }
        Ok(Members(members))
    }
}

/// Rows with the line at which each begins.
type Rows = Vec<(usize, Vec<String>)>;

/// The rows that have content, at most `count_max`.
fn split_rows(
    text: &str,
    (separator, quote): (char, char),
    (mut line, count_max): (usize, usize),
) -> Result<Rows, Refused> {
    let letters: Vec<char> = text.chars().collect();
    let (mut rows, mut at) = (Rows::new(), 0);
    let ends_cell = |it: &char| [separator, '\r', '\n'].contains(it);
    while at < letters.len() && rows.len() < count_max {
        let (begin, mut cells, mut is_said) = (line, Vec::new(), false);
        loop {
            let mut cell = String::new();
            if letters.get(at) == Some(&quote) {
                (cell, at) = quoted_cell(&letters, at + 1, quote)?;
                is_said = true;
                line += cell.replace("\r\n", "\n").matches(['\r', '\n']).count();
                let is_ended = letters.get(at).is_none_or(ends_cell);
                is_ended.then_some(()).ok_or("LT-MAP-065")?;
            }
            while let Some(letter) = letters.get(at).filter(|it| !ends_cell(it)) {
                cell.push(*letter);
                at += 1;
            }
            is_said |= !cell.trim().is_empty();
            // An apostrophe in front keeps spreadsheets from evaluating a text.
            let unguarded = cell.strip_prefix('\'').filter(|it| needs_guard(it));
            cells.push(unguarded.unwrap_or(&cell).to_owned());
            if letters.get(at) != Some(&separator) {
                break;
            }
            at += 1;
        }
        at += usize::from(letters.get(at) == Some(&'\r'));
        at += usize::from(letters.get(at) == Some(&'\n'));
        line += 1;
        if is_said {
            rows.push((begin, cells));
        }
    }
    Ok(rows)
}

/// The text up to the closing quote, and where what follows it begins; two quotes stand for one.
fn quoted_cell(letters: &[char], mut at: usize, quote: char) -> Result<(String, usize), Refused> {
    let mut cell = String::new();
    loop {
        let letter = *letters.get(at).ok_or("LT-MAP-065")?;
        let is_quote = letter == quote;
        if is_quote && letters.get(at + 1) != Some(&quote) {
            return Ok((cell, at + 1));
        }
        at += if is_quote { 2 } else { 1 };
        cell.push(letter);
    }
}

/// The separator of the description that finds the most columns in the first row.
fn best_separator(text: &str, syntax: &CsvSyntax, names: &[String]) -> char {
    let quote = syntax.quote.chars().next().unwrap();
    let separators: Vec<char> =
        syntax.separator.to_vec().iter().filter_map(|it| it.chars().next()).collect();
    let found = |separator: char| {
        let rows = split_rows(text, (separator, quote), (1, 1)).unwrap_or_default();
        let titles = rows.first().map(|(_, it)| titles_of(it, syntax.header)).unwrap_or_default();
        names.iter().filter(|it| titles.contains(it)).count()
    };
    let mut best = separators.first().copied().unwrap_or(',');
    for it in separators {
        if found(it) > found(best) {
            best = it;
        }
    }
    best
}

fn titles_of(first: &[String], has_header: bool) -> Vec<String> {
    let title = |(index, cell): (usize, &String)| match cell.trim() {
        title if has_header && !title.is_empty() => title.nfc().collect(),
        _ => (index + 1).to_string(),
    };
    first.iter().enumerate().map(title).collect()
}
