//! A description resolved: every canonical field found, every converter known, parts put in place.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::convert::Converter;
use crate::grammar::{Description, Field, Line as Written, List, Need};
use crate::mistake::{Words, nearest};
use crate::path::{Path, parse, target};
use crate::record::Shape;
use crate::tree::{Name, joined};

mod check;

/// One native place and its canonical field. Paths begin at the record's message.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(crate) at: Vec<Name>,
    pub(crate) to: Path,
    /// The canonical path as the description writes it, from the record's message.
    pub(crate) name: String,
    pub(crate) converter: Converter,
    pub(crate) need: Option<Need>,
    pub(crate) max: Option<usize>,
    pub(crate) empty: Vec<String>,
    pub(crate) read_default: Option<String>,
    pub(crate) write_default: Option<String>,
    pub(crate) otherwise: Option<Path>,
    /// Where a code outside its list is kept.
    pub(crate) unlisted: Option<Path>,
    pub(crate) own_prefix: bool,
}

/// A native container, a canonical one, or both.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) at: Vec<Name>,
    pub(crate) name: String,
    /// It stands for something canonical of its own.
    pub(crate) is_message: bool,
    pub(crate) need: Option<Need>,
    pub(crate) when: Vec<(Path, Vec<i32>)>,
    /// A secrecy mark may stand in it.
    pub(crate) has_gate: bool,
    pub(crate) lines: Vec<Line>,
}

/// A repeated native place and the list its items go to.
#[derive(Clone, Debug)]
pub(crate) struct Each {
    pub(crate) at: Vec<Name>,
    pub(crate) to: Path,
    pub(crate) name: String,
    /// The list's own name, whichever of its items are meant.
    pub(crate) list: String,
    pub(crate) need: Option<Need>,
    /// For items that are texts.
    pub(crate) text: Option<(Converter, Option<usize>)>,
    pub(crate) key: Option<Path>,
    pub(crate) pair: bool,
    /// Its records hold the bytes of files.
    pub(crate) holds_files: bool,
    pub(crate) append: bool,
    pub(crate) bare: bool,
    /// A secrecy mark may stand in it.
    pub(crate) has_gate: bool,
    pub(crate) lines: Vec<Line>,
}

/// A line of a plan.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Leaf(Leaf),
    Group(Group),
    Each(Each),
    Constant(Vec<Name>, String),
    /// Read as this line, never written.
    ReadOnly(Box<Line>),
}

/// Resolves the lines of a description; every mistake at once.
pub(crate) fn resolve(
    description: &Description,
    message: &'static Shape,
) -> Result<Vec<Line>, Vec<String>> {
    let lists = description.lists.iter().map(|(name, it)| (name.clone(), Arc::new(it.clone())));
    let mut resolver = Resolver {
        parts: &description.parts,
        lists: lists.collect(),
        mistakes: Vec::new(),
        place: String::new(),
        depth: 0,
    };
    check::lists(&description.lists, &mut resolver.mistakes);
    let within = Within { message, name: "", prefix: &[] };
    let lines = resolver.lines(&description.fields, within);
    if resolver.mistakes.is_empty() { Ok(lines) } else { Err(resolver.mistakes) }
}

struct Resolver<'a> {
    parts: &'a BTreeMap<String, Vec<Written>>,
    lists: BTreeMap<String, Arc<List>>,
    mistakes: Vec<String>,
    /// Line and column of the line that is being resolved.
    place: String,
    depth: usize,
}

/// Where lines stand: the message they are in, and the way to it from the record's.
#[derive(Clone, Copy)]
struct Within<'w> {
    message: &'static Shape,
    name: &'w str,
    prefix: &'w [crate::path::Segment],
}

/// A line whose places are known and whose kind is not.
struct Placed {
    at: Vec<Name>,
    to: Path,
    name: String,
}

/// Names of a native path; an attribute is a last name that begins with `@`.
pub(crate) fn native(text: &str) -> Vec<Name> {
    let spread = text.replace('@', "/@");
    spread.split('/').filter(|it| !it.is_empty()).map(Name::new).collect()
}

impl Resolver<'_> {
    fn lines(&mut self, fields: &[Written], within: Within<'_>) -> Vec<Line> {
        if self.depth >= 20 {
            let words =
                Words::new("các phần dùng lẫn nhau không dứt", "parts use each other without end");
            if !self.mistakes.iter().any(|it| it.contains(&words.en)) {
                self.mistake("", &words);
            }
            return Vec::new();
        }
        self.depth += 1;
        let lines = fields
            .iter()
            .filter_map(|it| {
                let before = std::mem::replace(&mut self.place, place(it));
                let line = self.line(&it.value, within);
                self.place = before;
                line
            })
            .collect();
        self.depth -= 1;
        lines
    }

    fn mistake(&mut self, at: &str, words: &Words) {
        self.mistakes.push(format!("{}: {at}: {} / {}", self.place, words.vi, words.en));
    }

    fn path(&mut self, text: Option<&String>, within: &'static Shape, at: &str) -> Path {
        let Some(text) = text else { return Path::new() };
        parse(text, within).unwrap_or_else(|why| {
            self.mistake(at, &why);
            Path::new()
        })
    }

    /// A path inside a message, from the record's.
    fn full(&mut self, text: Option<&String>, within: Within<'_>, at: &str) -> Path {
        let inner = self.path(text, within.message, at);
        within.prefix.iter().cloned().chain(inner).collect()
    }

    fn line(&mut self, field: &Field, within: Within<'_>) -> Option<Line> {
        let place = field.at.as_ref().or(field.each.as_ref());
        let at = place.cloned().unwrap_or_default();
        if let Some(value) = &field.constant {
            return Some(Line::Constant(native(&at), value.clone()));
        }
        let to = self.path(field.to.as_ref(), within.message, &at);
        let inner = target(&to, within.message);
        let name = join(within.name, field.to.as_deref().unwrap_or_default());
        let to = within.prefix.iter().cloned().chain(to).collect();
        let nested = self.nested(field, &at);
        let placed = Placed { at: native(&at), to, name };
        let line = if field.each.is_some() {
            self.each(field, placed, &nested, inner)
        } else if nested.is_empty() {
            self.leaf(field, placed, within)
        } else {
            self.group(field, placed, (&nested, inner), within)
        };
        line.map(|it| if field.read_only { Line::ReadOnly(Box::new(it)) } else { it })
    }

    /// The lines inside a line: its own, or those of the part it uses.
    fn nested(&mut self, field: &Field, at: &str) -> Vec<Written> {
        let Some(part) = &field.part else { return field.fields.clone() };
        self.parts.get(part).cloned().unwrap_or_else(|| {
            let known: Vec<_> = self.parts.keys().map(String::as_str).collect();
            let meant = nearest(part, &known);
            let words = Words::new(
                format!("không có phần `{part}`{}", meant.vi),
                format!("there is no part `{part}`{}", meant.en),
            );
            self.mistake(at, &words);
            Vec::new()
        })
    }

    fn group(
        &mut self,
        field: &Field,
        Placed { at, to, name }: Placed,
        (nested, inner): (&[Written], Option<&'static Shape>),
        within: Within<'_>,
    ) -> Option<Line> {
        let shown = joined(&at);
        let Some(inner) = inner else {
            let words = Words::new(
                format!("`{name}` không có trường con"),
                format!("`{name}` has no fields inside"),
            );
            self.mistake(&shown, &words);
            return None;
        };
        let mut when = Vec::new();
        for (of, values) in &field.when {
            let path = self.full(Some(of), within, &shown);
            when.push(self.numbers(path, &values.list(), &shown));
        }
        let inside = Within { message: inner, name: &name, prefix: &to };
        let lines = self.lines(nested, inside);
        let (need, is_message, has_gate) = (field.need, field.to.is_some(), has_gate(&lines));
        Some(Line::Group(Group { at, name, is_message, need, when, has_gate, lines }))
    }

    fn numbers(&mut self, path: Path, values: &[String], at: &str) -> (Path, Vec<i32>) {
        let Some(names) = path.last().and_then(|it| it.field.names()) else {
            let words = Words::new("điều kiện phải là một enum", "a condition needs an enum");
            self.mistake(at, &words);
            return (path, Vec::new());
        };
        let mut numbers = Vec::new();
        for value in values {
            match check::number(names, value) {
                Ok(it) => numbers.push(it),
                Err(words) => self.mistake(at, &words),
            }
        }
        (path, numbers)
    }

    fn each(
        &mut self,
        field: &Field,
        Placed { at, to, name }: Placed,
        nested: &[Written],
        inner: Option<&'static Shape>,
    ) -> Option<Line> {
        let shown = joined(&at);
        let Some(last) = to.last().filter(|it| it.field.is_list).cloned() else {
            let words = Words::new(
                format!("`{name}` không phải danh sách"),
                format!("`{name}` is no list"),
            );
            self.mistake(&shown, &words);
            return None;
        };
        let (need, append, bare, pair) = (field.need, field.append, field.bare, field.pair);
        let (mut text, mut key, mut lines) = (None, None, Vec::new());
        match inner {
            Some(inner) => {
                key = field.key.as_ref().map(|it| self.path(Some(it), inner, &shown));
                let within = Within { message: inner, name: &format!("{name}[]"), prefix: &[] };
                lines = self.lines(nested, within);
            }
            None => {
                let converter = self.converter(field, &at)?;
                self.checked(check::fits(&converter, last.field, true), &shown);
                text = Some((converter, field.max));
            }
        }
        if pair && key.is_none() {
            self.mistake(&shown, &Words::new("`pair` cần `match`", "`pair` needs a `match`"));
        }
        let holds_files = holds_files(&lines);
        let list = name.split('[').next().unwrap_or_default().to_owned();
        Some(Line::Each(Each {
            at,
            to,
            name,
            list,
            need,
            text,
            key,
            pair,
            holds_files,
            append,
            bare,
            has_gate: has_gate(&lines),
            lines,
        }))
    }

    fn converter(&mut self, field: &Field, at: &[Name]) -> Option<Converter> {
        let words = field.converter.as_deref().unwrap_or("text");
        let parsed = Converter::parse(words, |name| self.lists.get(name).cloned());
        parsed.map_err(|why| self.mistake(&joined(at), &why)).ok()
    }

    fn checked(&mut self, outcome: Result<(), Words>, at: &str) {
        if let Err(words) = outcome {
            self.mistake(at, &words);
        }
    }

    fn leaf(
        &mut self,
        field: &Field,
        Placed { at, to, name }: Placed,
        within: Within<'_>,
    ) -> Option<Line> {
        let shown = joined(&at);
        if to.len() <= within.prefix.len() {
            if field.to.is_none() {
                self.mistake(&shown, &Words::new("không có đích `to`", "it goes nowhere"));
            }
            return None;
        }
        let converter = self.converter(field, &at)?;
        let full = |it: &mut Self, text: &Option<String>| {
            text.as_ref().map(|text| it.full(Some(text), within, &shown))
        };
        let otherwise = full(self, &field.otherwise);
        let unlisted = full(self, &field.unlisted);
        let leaf = Leaf {
            at,
            to,
            name,
            converter,
            need: field.need,
            max: field.max,
            empty: field.empty.clone(),
            read_default: field.read_default.clone(),
            write_default: field.write_default.clone(),
            otherwise,
            unlisted,
            own_prefix: field.own_prefix,
        };
        for words in check::leaf(&leaf) {
            self.mistake(&shown, &words);
        }
        Some(Line::Leaf(leaf))
    }
}

fn holds_files(lines: &[Line]) -> bool {
    lines.iter().any(|it| match it {
        Line::Leaf(it) => matches!(it.converter, Converter::Content),
        Line::Group(it) => holds_files(&it.lines),
        Line::ReadOnly(it) => holds_files(std::slice::from_ref(it)),
        Line::Each(_) | Line::Constant(..) => false,
    })
}

/// True when a secrecy mark may stand in one of the lines.
fn has_gate(lines: &[Line]) -> bool {
    lines.iter().any(|it| match it {
        Line::Leaf(it) => it.converter.list().is_some_and(|it| it.gate.is_some()),
        Line::Group(it) => it.has_gate,
        Line::Each(it) => it.has_gate,
        Line::ReadOnly(it) => has_gate(std::slice::from_ref(it)),
        Line::Constant(..) => false,
    })
}

/// Where a line stands: line and column.
fn place(line: &Written) -> String {
    format!("{}:{}", line.defined.line(), line.defined.column())
}

fn join(within: &str, name: &str) -> String {
    match (within.is_empty(), name.is_empty()) {
        (true, _) => name.to_owned(),
        (_, true) => within.to_owned(),
        _ => format!("{within}.{name}"),
    }
}
