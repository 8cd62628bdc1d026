//! The canonical model into a tree, as the plan says; and trees into bytes.

pub(crate) mod json;
pub(crate) mod xml;

use prost_reflect::{DynamicMessage, Kind as Type, Value};
use proto::fault::code;
use proto::fault::v1::Fault;

use crate::content::{Named, ending};
use crate::convert::{Converter, named};
use crate::grammar::Need;
use crate::mistake::Words;
use crate::path::{Segment, admits, find, get, set};
use crate::plan::{Each, Group, Leaf, Line};
use crate::read::file_name;
use crate::tree::{Kind, Tree};

/// A file that is written.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) named: Named,
    /// The ending of its name.
    pub(crate) ending: String,
    /// Its first bytes, once it was written.
    pub(crate) head: Vec<u8>,
}

/// Where something will stand: a place that is there, and names on the way that are made only
/// when something inside is written.
#[derive(Clone, Debug)]
struct Spot {
    place: usize,
    rest: Vec<String>,
    bare: bool,
}

/// Writing one record.
pub(crate) struct Writing<'t> {
    pub(crate) tree: &'t mut Tree<'static>,
    pub(crate) write_empty: Option<&'t str>,
    pub(crate) files: Vec<Written>,
    /// What the format needs and cannot have, by its canonical path.
    pub(crate) refused: Vec<(String, Words)>,
    /// Seconds since 1970, for a hop of our own.
    pub(crate) now_s: i64,
    /// The organisation that writes; empty: not said.
    pub(crate) organisation: &'t str,
}

/// A message, and which of its list it is.
type Item<'m> = (&'m DynamicMessage, usize);

impl Writing<'_> {
    /// Writes lines of a message below a place.
    pub(crate) fn record(&mut self, lines: &[Line], place: usize, message: &DynamicMessage) {
        let spot = Spot { place, rest: Vec::new(), bare: false };
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

    fn lines(&mut self, lines: &[Line], spot: &Spot, item: Item<'_>) {
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

    fn constant(&mut self, at: &[String], value: &str, spot: &Spot) {
        let Some((name, way)) = at.split_last() else { return };
        let way: Vec<String> = spot.rest.iter().chain(way).cloned().collect();
        if let Some(parent) = self.tree.first(spot.place, &way) {
            let place = self.tree.make(parent, std::slice::from_ref(name));
            self.tree.nodes[place].text = value.to_owned().into();
        }
    }

    fn group(&mut self, group: &Group, spot: &Spot, item: Item<'_>) {
        let is_open = group.when.iter().all(|(path, allowed)| {
            get(item.0, path)
                .and_then(|it| it.as_enum_number())
                .is_some_and(|it| allowed.contains(&it))
        });
        if !is_open {
            return;
        }
        let rest = spot.rest.iter().chain(&group.at).cloned().collect();
        let inner = Spot { place: spot.place, rest, bare: spot.bare || group.bare };
        let needed = matches!(group.need, Some(Need::Write | Need::Both));
        if needed && !group.is_message {
            self.make(&inner, &[]);
        }
        self.lines(&group.lines, &inner, item);
        if needed && self.tree.first(inner.place, &inner.rest).is_none() {
            self.missing(&group.name);
        }
    }

    fn make(&mut self, spot: &Spot, at: &[String]) -> usize {
        let way: Vec<String> = spot.rest.iter().chain(at).cloned().collect();
        self.tree.make(spot.place, &way)
    }

    fn leaf(&mut self, leaf: &Leaf, spot: &Spot, (message, index): Item<'_>) {
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
                self.tree.nodes[place].text = cut(text, leaf.max).into();
                self.tree.nodes[place].declares = leaf.own_prefix;
            }
            None if needed && self.is_open(leaf, spot, message) => self.missing(&leaf.name),
            None => {
                if let Some(empty) = self.write_empty.map(ToOwned::to_owned) {
                    let place = self.make(spot, &leaf.at);
                    self.tree.nodes[place].text = empty.into();
                }
            }
        }
    }

    fn default(&self, leaf: &Leaf, index: usize) -> Option<String> {
        let default = leaf.write_default.as_deref()?;
        let converter = &leaf.converter;
        match default {
            "index" => converter.write(&Value::String((index + 1).to_string())),
            "now" => converter.moment(self.now_s),
            _ if converter.list().is_some() => converter.write(&Value::String(default.to_owned())),
            _ => Some(default.to_owned()),
        }
    }

    /// A need counts where its surroundings are said, or stand in what every message has.
    fn is_open(&self, leaf: &Leaf, spot: &Spot, message: &DynamicMessage) -> bool {
        let way = leaf.to.get(..leaf.to.len().saturating_sub(1)).unwrap_or_default();
        let is_optional = way.iter().any(|it| it.selector.is_some());
        !is_optional
            || find(message, way, |_| ()).is_some()
            || self.tree.first(spot.place, &spot.rest).is_some()
    }

    fn content(&mut self, leaf: &Leaf, spot: &Spot, message: &DynamicMessage) {
        let Some(named) = find(message, &leaf.to, |it| file(it.as_message()?)).flatten() else {
            self.missing(&leaf.name);
            return;
        };
        let place = self.make(spot, &leaf.at);
        self.tree.nodes[place].file = Some(self.files.len());
        self.tree.nodes[place].declares = leaf.own_prefix;
        let ending = ending(&file_name(message, &leaf.to));
        self.files.push(Written { named, ending, head: Vec::new() });
    }

    fn each(&mut self, each: &Each, spot: &Spot, message: &DynamicMessage) {
        let Some((last, way)) = each.to.split_last() else { return };
        let selector = last.selector.as_ref();
        let mut whole = way.to_vec();
        whole.push(Segment { field: last.field.clone(), selector: None });
        let mut items = match get(message, &whole) {
            Some(Value::List(items)) => items,
            _ => Vec::new(),
        };
        items.retain(|it| each.text.is_some() || admits(selector, it));
        if each.append {
            self.append(&mut items, last, message);
        }
        if items.is_empty() {
            self.no_items(each, spot);
            return;
        }
        for (index, item) in items.iter().enumerate() {
            self.item(each, spot, (item, index));
        }
    }

    fn no_items(&mut self, each: &Each, spot: &Spot) {
        if matches!(each.need, Some(Need::Write | Need::Both)) {
            self.missing(&each.name);
        }
        if self.write_empty.is_some() {
            let place = self.make(spot, &each.at);
            self.tree.nodes[place].kind = Kind::NoItems;
        }
    }

    fn item(&mut self, each: &Each, spot: &Spot, (item, index): (&Value, usize)) {
        let Some((name, way)) = each.at.split_last() else { return };
        let text = match (&each.text, item) {
            (Some((converter, max)), item) => match converter.write(item).and_then(writable) {
                Some(text) => Some(cut(text, *max)),
                None => return,
            },
            (None, _) => None,
        };
        let parent = self.make(spot, way);
        if each.bare {
            self.tree.nodes[parent].bare = true;
        }
        let place = self.tree.add(parent, name.clone());
        self.tree.nodes[place].kind = Kind::Item;
        match (text, item.as_message()) {
            (Some(text), _) => self.tree.nodes[place].text = text.into(),
            (None, Some(message)) => {
                let spot = Spot { place, rest: Vec::new(), bare: each.bare };
                self.lines(&each.lines, &spot, (message, index));
            }
            (None, None) => {}
        }
    }

    /// A packet without a trace begins it with its sender; whoever writes stands at its end.
    fn append(&self, items: &mut Vec<Value>, list: &Segment, message: &DynamicMessage) {
        let Type::Message(of) = list.field.kind() else { return };
        let sender = message.get_field_by_name("sender").map(|it| it.into_owned());
        if let Some(sender) = sender.filter(|_| items.is_empty()) {
            items.extend(self.hop(&of, |hop| hop.set_field_by_name("organisation", sender)));
        }
        let Ok(path) = crate::path::parse("organisation.ids[0]", &of) else { return };
        let Some(last) = path.last().map(|it| it.field.clone()) else { return };
        let is_own = |it: &Value| {
            let own = |id: &Value| {
                id.as_message()?
                    .get_field_by_name("value")
                    .map(|it| it.as_str() == Some(self.organisation))
            };
            it.as_message().and_then(|it| find(it, &path, own)).flatten().unwrap_or_default()
        };
        if self.organisation.is_empty() || items.last().is_some_and(is_own) {
            return;
        }
        if let Ok(id) = Converter::OrgId.read(self.organisation, &last) {
            items.extend(self.hop(&of, |hop| set(hop, &path, id)));
        }
    }

    fn hop(
        &self,
        of: &prost_reflect::MessageDescriptor,
        name: impl FnOnce(&mut DynamicMessage),
    ) -> Option<Value> {
        let mut hop = DynamicMessage::new(of.clone());
        name(&mut hop);
        let path = crate::path::parse("at.at.seconds", of).ok()?;
        set(&mut hop, &path, Value::I64(self.now_s));
        Some(Value::Message(hop))
    }
}

/// What a message says in a field, as text.
enum Said {
    Text(String),
    Nothing,
    /// A value of a list that the format has no code for.
    NoCode,
}

impl Said {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Nothing | Self::NoCode => None,
        }
    }
}

fn text_of(message: &DynamicMessage, path: &[Segment], leaf: &Leaf) -> Said {
    let (Some(value), Some(last)) = (get(message, path), path.last()) else {
        return Said::Nothing;
    };
    let text = match &leaf.unlisted {
        Some(unlisted) if leaf.converter.is_other(&value, Some(&last.field)) => {
            find(message, unlisted, |it| it.as_str().map(ToOwned::to_owned)).flatten()
        }
        _ => leaf.converter.write(&named(value, &last.field)),
    };
    match (text.and_then(writable), &leaf.converter) {
        (Some(text), _) => Said::Text(text),
        (None, Converter::Code(_)) => Said::NoCode,
        (None, _) => Said::Nothing,
    }
}

/// A text without what no format may hold; none when nothing is left.
pub(crate) fn writable(text: String) -> Option<String> {
    let is_foreign = |it: char| {
        (it.is_control() && !['\n', '\r', '\t'].contains(&it))
            || ['\u{fffe}', '\u{ffff}'].contains(&it)
    };
    let text = if text.contains(is_foreign) { text.replace(is_foreign, "") } else { text };
    (!text.trim().is_empty()).then_some(text)
}

/// An organisation's code that was cut would be another's.
fn is_too_long(leaf: &Leaf, text: &str) -> bool {
    matches!(leaf.converter, Converter::OrgId)
        && leaf.max.is_some_and(|max| text.chars().count() > max)
}

fn cut(text: String, max: Option<usize>) -> String {
    match max {
        Some(max) if text.chars().count() > max => text.chars().take(max).collect(),
        _ => text,
    }
}

/// The file a Blob names.
pub(crate) fn file(blob: &DynamicMessage) -> Option<Named> {
    let reference = blob.get_field_by_name("ref")?;
    let hex = reference.as_str()?.strip_prefix("sha256:")?;
    let size = blob.get_field_by_name("size")?.as_u64()?;
    let mut sha256 = [0; 32];
    if hex.len() != 64 {
        return None;
    }
    for (place, byte) in sha256.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(Named { sha256, size })
}
