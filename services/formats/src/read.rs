//! A tree into the canonical model, as the plan says.

use std::borrow::Cow;

use proto::fault::code;
use proto::fault::v1::{Fault, FieldViolation};
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::Finding;

pub(crate) use self::file::{attachments, content_of};
use self::list::Join;
use self::place::put;
pub(crate) use self::place::{digest_reference, file_name};
use crate::convert::Converter;
use crate::grammar::Need;
use crate::limits::TEXT_BYTES_MAX;
use crate::path::{find, set};
use crate::plan::{Group, Leaf, Line};
use crate::record::{Record, Value};
use crate::tree::{Name, Tree};
use crate::write::Written;

mod file;
mod gate;
mod list;
mod place;
mod words;

/// Where the bytes of files are while a tree is read.
#[derive(Clone, Copy)]
pub(crate) enum Files<'s> {
    /// In the tree; or uploaded beside it.
    Found(&'s [DeclaredAttachment]),
    /// They were written a moment ago, and are known by their places.
    Known(&'s [Written]),
}

/// Where lines are read: at a place, or where one would be.
#[derive(Clone, Copy)]
pub(crate) enum From<'f> {
    There(usize),
    Missing(&'f From<'f>, &'f [Name]),
}

/// Reading one record.
pub(crate) struct Reading<'t> {
    pub(crate) tree: &'t Tree<'t>,
    pub(crate) files: Files<'t>,
    pub(crate) empty: &'t [String],
    pub(crate) findings: Vec<Finding>,
    pub(crate) violations: Vec<FieldViolation>,
    /// The first thing that is wrong with a file; told only when the item may be looked at.
    pub(crate) fault: Option<Fault>,
    /// Places whose text could not be read.
    pub(crate) invalid: Vec<usize>,
    /// Declared attachments that were named.
    pub(crate) used: Vec<String>,
    /// Lists whose records are joined by a key.
    joins: Vec<Join<'t>>,
    count: usize,
}

impl<'t> Reading<'t> {
    /// Nothing is read yet.
    pub(crate) fn new(tree: &'t Tree<'t>, files: Files<'t>, empty: &'t [String]) -> Self {
        Self {
            tree,
            files,
            empty,
            findings: Vec::new(),
            violations: Vec::new(),
            fault: None,
            invalid: Vec::new(),
            used: Vec::new(),
            joins: Vec::new(),
            count: 0,
        }
    }

    /// Reads a whole record into a message.
    pub(crate) fn record(
        &mut self,
        lines: &'t [Line],
        record: usize,
        message: &mut Record<'t>,
    ) -> Result<(), Fault> {
        self.tree.nodes[record].seen.set(true);
        self.lines(lines, From::There(record), message)?;
        self.join();
        Ok(())
    }

    fn lines(
        &mut self,
        lines: &'t [Line],
        from: From<'_>,
        message: &mut Record<'t>,
    ) -> Result<(), Fault> {
        for line in lines {
            self.line(line, from, message)?;
        }
        Ok(())
    }

    fn line(
        &mut self,
        line: &'t Line,
        from: From<'_>,
        message: &mut Record<'t>,
    ) -> Result<(), Fault> {
        match line {
            Line::Leaf(leaf) => self.leaf(leaf, from, message),
            Line::Group(group) => self.group(group, from, message),
            Line::Each(each) => self.each(each, from, message),
            Line::ReadOnly(line) => self.line(line, from, message),
            Line::Constant(at, _) => {
                if let Some(place) = self.first(from, at) {
                    self.tree.nodes[place].read.set(true);
                }
                Ok(())
            }
        }
    }

    /// The first place at the end of a path, marked as named.
    fn first(&self, from: From<'_>, at: &[Name]) -> Option<usize> {
        let From::There(from) = from else { return None };
        let place = self.tree.first(from, at)?;
        self.tree.nodes[place].seen.set(true);
        Some(place)
    }

    fn group(
        &mut self,
        group: &'t Group,
        from: From<'_>,
        message: &mut Record<'t>,
    ) -> Result<(), Fault> {
        let is_open = group.when.iter().all(|(path, allowed)| {
            find(message, path).and_then(Value::as_enum).is_some_and(|it| allowed.contains(&it))
        });
        if !is_open {
            return Ok(());
        }
        if group.at.is_empty() {
            return self.lines(&group.lines, from, message);
        }
        match self.first(from, &group.at) {
            Some(place) => self.lines(&group.lines, From::There(place), message),
            None if self.needs(group.need) => {
                self.missing(from, &group.at);
                Ok(())
            }
            None => self.lines(&group.lines, From::Missing(&from, &group.at), message),
        }
    }

    /// The text of a place; none when it is missing or says nothing.
    fn text(&self, from: From<'_>, at: &[Name], empty: &[String]) -> Option<(usize, &'t str)> {
        let place = self.first(from, at)?;
        let node = &self.tree.nodes[place];
        node.read.set(true);
        let text = node.text.trim();
        (!self.says_nothing(text, empty)).then_some((place, text))
    }

    /// True for what a format writes where it has nothing to say.
    fn says_nothing(&self, text: &str, empty: &[String]) -> bool {
        text.is_empty() || empty.iter().chain(self.empty).any(|it| it == text)
    }

    fn leaf(
        &mut self,
        leaf: &'t Leaf,
        from: From<'_>,
        message: &mut Record<'t>,
    ) -> Result<(), Fault> {
        if matches!(leaf.converter, Converter::Content) {
            self.content(leaf, from, message);
            return Ok(());
        }
        let needed = self.needs(leaf.need);
        let Some((place, text)) = self.text(from, &leaf.at, &leaf.empty) else {
            if needed {
                self.missing(from, &leaf.at);
            } else if let Some(default) = &leaf.read_default {
                take_default(default, leaf, message);
            }
            return Ok(());
        };
        if text.len() > TEXT_BYTES_MAX {
            return Err(Fault::new(&code::LT_MAP_005));
        }
        if matches!(leaf.converter, Converter::Fetch) {
            self.fetch((place, text), &leaf.to, message);
            return Ok(());
        }
        let Some(last) = leaf.to.last() else { return Ok(()) };
        match leaf.converter.read(text, last.field) {
            Ok(mut value) => {
                self.too_long(place, text, leaf.max);
                if let Value::List(items) = &mut value {
                    let is_said = |it: &str| !self.says_nothing(it, &leaf.empty);
                    items.retain(|it| it.as_text().is_none_or(is_said));
                }
                unlisted(leaf, (&value, text), message);
                put(message, &leaf.to, value, &leaf.converter);
                Ok(())
            }
            Err(why) if why.is_secret => {
                Err(Fault::new(&code::LT_MAP_007).violation(self.tree.path(place), why.vi, why.en))
            }
            Err(why) => {
                // Where absence means something, what cannot be read is not absent.
                self.unreadable(place, text, &why, needed || leaf.read_default.is_some());
                Ok(())
            }
        }
    }

    /// What only a sender must say is not asked of what we wrote ourselves.
    fn needs(&self, need: Option<Need>) -> bool {
        match need {
            Some(Need::Both) => true,
            Some(Need::Read) => matches!(self.files, Files::Found(_)),
            Some(Need::Write) | None => false,
        }
    }
}

/// Keeps a code outside its list where the description says.
fn unlisted<'t>(leaf: &'t Leaf, (value, text): (&Value<'t>, &'t str), message: &mut Record<'t>) {
    let (Some(path), Some(last)) = (&leaf.unlisted, leaf.to.last()) else { return };
    if leaf.converter.is_other(value, last.field) {
        set(message, path, Value::Text(Cow::Borrowed(text)));
    }
}

fn take_default<'t>(default: &str, leaf: &'t Leaf, message: &mut Record<'t>) {
    let Some(last) = leaf.to.last() else { return };
    if let Some(number) = last.field.names().and_then(|it| it.number(default)) {
        set(message, &leaf.to, Value::Enum(number));
    }
}
