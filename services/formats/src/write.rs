//! The canonical model into a tree, as the plan says; and trees into bytes.

mod hops;
pub(crate) mod json;
pub(crate) mod xml;

use std::borrow::Cow;
use std::cell::Cell;

use proto::fault::code;
use proto::fault::v1::Fault;

use crate::content::{BlobDigest, ending};
use crate::convert::Converter;
use crate::grammar::Need;
use crate::mistake::Words;
use crate::path::{Segment, admits, find, list};
use crate::plan::{Each, Group, Leaf, Line};
use crate::read::file_name;
use crate::record::{Record, Value};
use crate::tree::{Kind, Name, Tree};

pub(crate) use self::hops::{Hop, append};

/// A file that is written.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) named: BlobDigest,
    /// The ending of its name.
    pub(crate) ending: String,
    /// Its first bytes, once it was written.
    pub(crate) head: Vec<u8>,
}

/// Where something will stand: names below another spot, made only when something inside is
/// written.
#[derive(Debug)]
struct Spot<'s, 'w> {
    within: Option<&'s Spot<'s, 'w>>,
    at: &'w [Name],
    /// Its place, once it is there.
    place: Cell<Option<usize>>,
}

/// Writing one record.
pub(crate) struct Writing<'t, 'w> {
    pub(crate) tree: &'t mut Tree<'w>,
    pub(crate) write_empty: Option<&'w str>,
    pub(crate) files: Vec<Written>,
    /// What the format needs and cannot have, by its canonical path.
    pub(crate) refused: Vec<(String, Words)>,
    /// Seconds since 1970, for a moment of our own.
    pub(crate) now_s: i64,
}

/// A message, and which of its list it is.
type Item<'w> = (&'w Record<'w>, usize);

impl<'w> Writing<'_, 'w> {
    /// Writes lines of a message below a place.
    pub(crate) fn record(&mut self, lines: &'w [Line], place: usize, message: &'w Record<'w>) {
        let spot = Spot { within: None, at: &[], place: Cell::new(Some(place)) };
        self.lines(lines, &spot, (message, 0));
    }

    /// What was needed and is missing, as a refusal.
    pub(crate) fn refusal(&self) -> Result<(), Fault> {
        if self.refused.is_empty() {
            return Ok(());
        }
        let paths: Vec<&str> = self.refused.iter().map(|(path, _)| path.as_str()).collect();
        let fault = Fault::new(&code::LT_MAP_012).param("paths", paths.join(", "));
        Err(self
            .refused
            .iter()
            .fold(fault, |fault, (path, words)| fault.violation(path, &words.vi, &words.en)))
    }

    fn missing(&mut self, name: &str) {
        let words = Words::new("định dạng đích bắt buộc phải có", "the target format needs it");
        self.refused.push((name.to_owned(), words));
    }

    fn lines(&mut self, lines: &'w [Line], spot: &Spot<'_, 'w>, item: Item<'w>) {
        for line in lines {
            match line {
                Line::Leaf(leaf) => self.leaf(leaf, spot, item),
                Line::Group(group) => self.group(group, spot, item),
                Line::Each(each) => self.each(each, spot, item.0),
                // Constants stand only under parents that exist.
                Line::Constant(at, value) => self.constant(at, value, spot),
                Line::ReadOnly(_) => {}
            }
        }
    }

    fn constant(&mut self, at: &'w [Name], value: &'w str, spot: &Spot<'_, 'w>) {
        let Some((name, way)) = at.split_last() else { return };
        let parent = self.there(spot).and_then(|it| self.tree.first(it, way));
        if let Some(parent) = parent {
            let place = self.tree.make(parent, std::slice::from_ref(name));
            self.tree.nodes[place].text = Cow::Borrowed(value);
        }
    }

    fn group(&mut self, group: &'w Group, spot: &Spot<'_, 'w>, item: Item<'w>) {
        let is_open = group.when.iter().all(|(path, allowed)| {
            find(item.0, path).and_then(Value::as_enum).is_some_and(|it| allowed.contains(&it))
        });
        if !is_open {
            return;
        }
        let inner = Spot { within: Some(spot), at: &group.at, place: Cell::new(None) };
        let needed = matches!(group.need, Some(Need::Write | Need::Both));
        if needed && !group.is_message {
            self.made(&inner);
        }
        self.lines(&group.lines, &inner, item);
        if needed && self.there(&inner).is_none() {
            self.missing(&group.name);
        }
    }

    /// The place of a spot; none while nothing stands there.
    fn there(&self, spot: &Spot<'_, 'w>) -> Option<usize> {
        if let Some(place) = spot.place.get() {
            return Some(place);
        }
        let place = self.tree.first(self.there(spot.within?)?, spot.at)?;
        spot.place.set(Some(place));
        Some(place)
    }

    fn made(&mut self, spot: &Spot<'_, 'w>) -> usize {
        if let Some(place) = spot.place.get() {
            return place;
        }
        let within = spot.within.map_or(0, |it| self.made(it));
        let place = self.tree.make(within, spot.at);
        spot.place.set(Some(place));
        place
    }

    fn make(&mut self, spot: &Spot<'_, 'w>, at: &'w [Name]) -> usize {
        let within = self.made(spot);
        self.tree.make(within, at)
    }

    fn leaf(&mut self, leaf: &'w Leaf, spot: &Spot<'_, 'w>, (message, index): Item<'w>) {
        if matches!(leaf.converter, Converter::Content) {
            self.content(leaf, spot, message);
            return;
        }
        let needed = matches!(leaf.need, Some(Need::Write | Need::Both));
        let said = text_of(message, &leaf.to, leaf);
        let means_something = needed || leaf.read_default.is_some() || leaf.write_default.is_some();
        if matches!(said, Said::NoCode) && means_something {
            let (vi, en) = ("định dạng đích không có mã cho giá trị này", "the target has no code");
            self.refused.push((leaf.name.clone(), Words::new(vi, en)));
            return;
        }
        let text = said.text().or_else(|| text_of(message, leaf.otherwise.as_ref()?, leaf).text());
        match text.or_else(|| self.default(leaf, index)) {
            Some(text) if is_too_long(leaf, &text) => {
                let (vi, en) = ("mã dài hơn định dạng đích cho phép", "too long for the target");
                self.refused.push((leaf.name.clone(), Words::new(vi, en)));
            }
            Some(text) => {
                let place = self.make(spot, &leaf.at);
                self.tree.nodes[place].text = cut(text, leaf.max);
                self.tree.nodes[place].declares = leaf.own_prefix;
            }
            None if needed && self.is_open(leaf, spot, message) => self.missing(&leaf.name),
            None => {
                if let Some(empty) = self.write_empty {
                    let place = self.make(spot, &leaf.at);
                    self.tree.nodes[place].text = Cow::Borrowed(empty);
                }
            }
        }
    }

    fn default(&self, leaf: &'w Leaf, index: usize) -> Option<Cow<'w, str>> {
        let default = leaf.write_default.as_deref()?;
        let converter = &leaf.converter;
        let field = leaf.to.last()?.field;
        let written = |text: Cow<'_, str>| {
            converter.write(&Value::Text(text), field).map(|it| Cow::Owned(it.into_owned()))
        };
        match default {
            "index" => written(Cow::Owned((index + 1).to_string())),
            "now" => converter.moment(self.now_s).map(Cow::Owned),
            _ if converter.list().is_some() => written(Cow::Borrowed(default)),
            _ => Some(Cow::Borrowed(default)),
        }
    }

    /// A need counts where its surroundings are said, or stand in what every message has.
    fn is_open(&self, leaf: &Leaf, spot: &Spot<'_, 'w>, message: &Record<'_>) -> bool {
        let way = leaf.to.get(..leaf.to.len().saturating_sub(1)).unwrap_or_default();
        let is_optional = way.iter().any(|it| it.selector.is_some());
        !is_optional || find(message, way).is_some() || self.there(spot).is_some()
    }

    fn content(&mut self, leaf: &'w Leaf, spot: &Spot<'_, 'w>, message: &Record<'_>) {
        let Some(named) = find(message, &leaf.to).and_then(|it| file(it.as_message()?)) else {
            self.missing(&leaf.name);
            return;
        };
        let place = self.make(spot, &leaf.at);
        self.tree.nodes[place].file = Some(self.files.len());
        self.tree.nodes[place].declares = leaf.own_prefix;
        let ending = ending(file_name(message, &leaf.to));
        self.files.push(Written { named, ending, head: Vec::new() });
    }

    fn each(&mut self, each: &'w Each, spot: &Spot<'_, 'w>, message: &'w Record<'w>) {
        let Some(last) = each.to.last() else { return };
        let selector = last.selector.as_ref();
        let is_meant = |it: &&Value<'_>| each.text.is_some() || admits(selector, it);
        let mut count = 0;
        for item in list(message, &each.to).iter().filter(is_meant) {
            self.item(each, spot, (item, count));
            count += 1;
        }
        if count == 0 {
            self.no_items(each, spot);
        }
    }

    fn no_items(&mut self, each: &'w Each, spot: &Spot<'_, 'w>) {
        if matches!(each.need, Some(Need::Write | Need::Both)) {
            self.missing(&each.name);
        }
        if self.write_empty.is_some() {
            let place = self.make(spot, &each.at);
            self.tree.nodes[place].kind = Kind::NoItems;
        }
    }

    fn item(&mut self, each: &'w Each, spot: &Spot<'_, 'w>, (item, index): (&'w Value<'w>, usize)) {
        let (Some((name, way)), Some(last)) = (each.at.split_last(), each.to.last()) else {
            return;
        };
        let text = match &each.text {
            Some((converter, max)) => {
                let Some(text) = converter.write(item, last.field).and_then(writable) else {
                    return;
                };
                Some(cut(text, *max))
            }
            None => None,
        };
        let parent = self.make(spot, way);
        if each.bare {
            self.tree.nodes[parent].bare = true;
        }
        let place = self.tree.add_named(parent, name);
        self.tree.nodes[place].kind = Kind::Item;
        match (text, item.as_message()) {
            (Some(text), _) => self.tree.nodes[place].text = text,
            (None, Some(message)) => {
                let spot = Spot { within: None, at: &[], place: Cell::new(Some(place)) };
                self.lines(&each.lines, &spot, (message, index));
            }
            (None, None) => {}
        }
    }
}

/// What a message says in a field, as text.
enum Said<'w> {
    Text(Cow<'w, str>),
    Nothing,
    /// A value of a list that the format has no code for.
    NoCode,
}

impl<'w> Said<'w> {
    fn text(self) -> Option<Cow<'w, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Nothing | Self::NoCode => None,
        }
    }
}

fn text_of<'w>(message: &'w Record<'_>, path: &[Segment], leaf: &'w Leaf) -> Said<'w> {
    let (Some(value), Some(last)) = (find(message, path), path.last()) else {
        return Said::Nothing;
    };
    let text = match &leaf.unlisted {
        Some(unlisted) if leaf.converter.is_other(value, last.field) => {
            find(message, unlisted).and_then(Value::as_text).map(Cow::Borrowed)
        }
        _ => leaf.converter.write(value, last.field),
    };
    match (text.and_then(writable), &leaf.converter) {
        (Some(text), _) => Said::Text(text),
        (None, Converter::Code(_)) => Said::NoCode,
        (None, _) => Said::Nothing,
    }
}

/// A text without what no format may hold; none when nothing is left.
pub(crate) fn writable(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let is_foreign = |it: char| {
        (it.is_control() && !['\n', '\r', '\t'].contains(&it))
            || ['\u{fffe}', '\u{ffff}'].contains(&it)
    };
    // Foreign characters begin with one of these bytes.
    let may_be = text.bytes().any(|it| matches!(it, ..0x20 | 0x7f | 0xc2 | 0xef));
    let text = if may_be && text.contains(is_foreign) {
        Cow::Owned(text.replace(is_foreign, ""))
    } else {
        text
    };
    (!text.trim().is_empty()).then_some(text)
}

/// An organisation's code that was cut would be another's.
fn is_too_long(leaf: &Leaf, text: &str) -> bool {
    matches!(leaf.converter, Converter::OrgId)
        && leaf.max.is_some_and(|max| text.len() > max && text.chars().count() > max)
}

fn cut(text: Cow<'_, str>, max: Option<usize>) -> Cow<'_, str> {
    match max {
        Some(max) if text.len() > max && text.chars().count() > max => {
            Cow::Owned(text.chars().take(max).collect())
        }
        _ => text,
    }
}

/// The file a Blob names.
pub(crate) fn file(blob: &Record<'_>) -> Option<BlobDigest> {
    let hex = blob.text("ref").strip_prefix("sha256:")?;
    let size = blob.named("size").and_then(Value::as_size).unwrap_or_default();
    let mut sha256 = [0; 32];
    if hex.len() != 64 {
        return None;
    }
    for (place, byte) in sha256.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(BlobDigest { sha256, size })
}
