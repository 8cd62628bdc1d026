//! A description resolved: every canonical field found, every converter known, parts put in place.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost_reflect::{Kind, MessageDescriptor};

use crate::convert::Converter;
use crate::grammar::{Description, Field, Line as Written, List, Need};
use crate::mistake::nearest;
use crate::path::{Path, parse, target};

/// One native place and its canonical field.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(crate) at: Vec<String>,
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
    pub(crate) own_prefix: bool,
}

/// A native container, a canonical one, or both.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) at: Vec<String>,
    pub(crate) to: Path,
    pub(crate) when: Vec<(Path, Vec<i32>)>,
    pub(crate) lines: Vec<Line>,
    pub(crate) bare: bool,
}

/// A repeated native place and the list its items go to.
#[derive(Clone, Debug)]
pub(crate) struct Each {
    pub(crate) at: Vec<String>,
    pub(crate) to: Path,
    pub(crate) name: String,
    pub(crate) need: Option<Need>,
    /// For items that are texts.
    pub(crate) text: Option<(Converter, Option<usize>)>,
    pub(crate) key: Option<Path>,
    pub(crate) append: bool,
    pub(crate) bare: bool,
    pub(crate) lines: Vec<Line>,
}

/// A line of a plan.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Leaf(Leaf),
    Group(Group),
    Each(Each),
    Constant(Vec<String>, String),
}

/// Resolves the lines of a description; every mistake at once.
pub(crate) fn resolve(
    description: &Description,
    message: &MessageDescriptor,
) -> Result<Vec<Line>, Vec<String>> {
    let lists = description.lists.iter().map(|(name, it)| (name.clone(), Arc::new(it.clone())));
    let mut resolver = Resolver {
        parts: &description.parts,
        lists: lists.collect(),
        mistakes: Vec::new(),
        place: String::new(),
        depth: 0,
    };
    let lines = resolver.lines(&description.fields, message, "");
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

/// Names of a native path; an attribute is a last name that begins with `@`.
pub(crate) fn native(text: &str) -> Vec<String> {
    let spread = text.replace('@', "/@");
    spread.split('/').filter(|it| !it.is_empty()).map(ToOwned::to_owned).collect()
}

impl Resolver<'_> {
    fn lines(&mut self, fields: &[Written], within: &MessageDescriptor, name: &str) -> Vec<Line> {
        self.depth += 1;
        if self.depth > 20 {
            self.mistake(
                "",
                ("các phần dùng lẫn nhau không dứt", "parts use each other without end"),
            );
            return Vec::new();
        }
        let lines = fields
            .iter()
            .filter_map(|it| {
                let before = std::mem::replace(&mut self.place, place(it));
                let line = self.line(&it.value, within, name);
                self.place = before;
                line
            })
            .collect();
        self.depth -= 1;
        lines
    }

    fn mistake(&mut self, at: &str, (vi, en): (&str, &str)) {
        self.mistakes.push(format!("{}: {at}: {vi} / {en}", self.place));
    }

    fn path(&mut self, text: Option<&String>, within: &MessageDescriptor, at: &str) -> Path {
        let Some(text) = text else { return Path::new() };
        parse(text, within).unwrap_or_else(|why| {
            self.mistake(at, (&why.vi, &why.en));
            Path::new()
        })
    }

    fn line(&mut self, field: &Field, within: &MessageDescriptor, name: &str) -> Option<Line> {
        let place = field.at.as_ref().or(field.each.as_ref());
        let at = place.cloned().unwrap_or_default();
        if let Some(value) = &field.constant {
            return Some(Line::Constant(native(&at), value.clone()));
        }
        let to = self.path(field.to.as_ref(), within, &at);
        let here = join(name, field.to.as_deref().unwrap_or_default());
        let inner = target(&to, within);
        let nested: Vec<Written> = match &field.part {
            Some(part) => self.parts.get(part).cloned().unwrap_or_else(|| {
                let known: Vec<_> = self.parts.keys().map(String::as_str).collect();
                let meant = nearest(part, &known);
                self.mistake(
                    &at,
                    (
                        &format!("không có phần `{part}`{}", meant.vi),
                        &format!("there is no part `{part}`{}", meant.en),
                    ),
                );
                Vec::new()
            }),
            None => field.fields.clone(),
        };
        if field.each.is_some() {
            return self.each(field, (native(&at), to, here), &nested, inner.as_ref());
        }
        if nested.is_empty() {
            return self.leaf(field, (native(&at), to, here), within);
        }
        let Some(inner) = inner else {
            self.mistake(
                &at,
                (
                    &format!("`{here}` không có trường con"),
                    &format!("`{here}` has no fields inside"),
                ),
            );
            return None;
        };
        let when = field
            .when
            .iter()
            .map(|(of, values)| (self.path(Some(of), within, &at), values.list()))
            .collect::<Vec<_>>();
        let when =
            when.into_iter().map(|(path, values)| self.numbers(path, &values, &at)).collect();
        let lines = self.lines(&nested, &inner, &here);
        Some(Line::Group(Group { at: native(&at), to, when, lines, bare: field.bare }))
    }

    fn numbers(&mut self, path: Path, values: &[String], at: &str) -> (Path, Vec<i32>) {
        let Some(Kind::Enum(names)) = path.last().map(|it| it.field.kind()) else {
            self.mistake(at, ("điều kiện phải là một enum", "a condition needs an enum"));
            return (path, Vec::new());
        };
        let mut numbers = Vec::new();
        for value in values {
            match names.get_value_by_name(value) {
                Some(it) => numbers.push(it.number()),
                None => {
                    let known: Vec<_> = names.values().map(|it| it.name().to_owned()).collect();
                    let meant = nearest(value, &known);
                    let (vi, en) = (
                        format!("`{value}` không thuộc {}{}", names.name(), meant.vi),
                        format!("`{value}` is no {}{}", names.name(), meant.en),
                    );
                    self.mistake(at, (&vi, &en));
                }
            }
        }
        (path, numbers)
    }

    fn each(
        &mut self,
        field: &Field,
        (at, to, name): (Vec<String>, Path, String),
        nested: &[Written],
        inner: Option<&MessageDescriptor>,
    ) -> Option<Line> {
        if !to.last().is_some_and(|it| it.field.is_list()) {
            let words = (format!("`{name}` không phải danh sách"), format!("`{name}` is no list"));
            self.mistake(&at.join("/"), (&words.0, &words.1));
            return None;
        }
        let text =
            if inner.is_none() { Some((self.converter(field, &at), field.max)) } else { None };
        let (key, lines) = match inner {
            Some(inner) => {
                let key = field.key.as_ref().map(|it| self.path(Some(it), inner, &at.join("/")));
                (key, self.lines(nested, inner, &format!("{name}[]")))
            }
            None => (None, Vec::new()),
        };
        let (need, append, bare) = (field.need, field.append, field.bare);
        Some(Line::Each(Each { at, to, name, need, text, key, append, bare, lines }))
    }

    fn converter(&mut self, field: &Field, at: &[String]) -> Converter {
        let words = field.converter.as_deref().unwrap_or("text");
        Converter::parse(words, |name| self.lists.get(name).cloned()).unwrap_or_else(|why| {
            self.mistake(&at.join("/"), (&why.vi, &why.en));
            Converter::Text
        })
    }

    fn leaf(
        &mut self,
        field: &Field,
        (at, to, name): (Vec<String>, Path, String),
        within: &MessageDescriptor,
    ) -> Option<Line> {
        if to.is_empty() {
            if field.to.is_none() {
                self.mistake(&at.join("/"), ("không có đích `to`", "it goes nowhere"));
            }
            return None;
        }
        let converter = self.converter(field, &at);
        let otherwise =
            field.otherwise.as_ref().map(|it| self.path(Some(it), within, &at.join("/")));
        Some(Line::Leaf(Leaf {
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
            own_prefix: field.own_prefix,
        }))
    }
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
