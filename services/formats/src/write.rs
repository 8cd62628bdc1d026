//! The canonical model into a tree, as the plan says; and trees into bytes.

pub(crate) mod json;
pub(crate) mod xml;

use prost_reflect::{DynamicMessage, Kind as Type, Value};
use proto::fault::code;
use proto::fault::v1::Fault;

use crate::content::Named;
use crate::convert::{Converter, named};
use crate::grammar::Need;
use crate::path::{Path, Segment, admits, get, set};
use crate::plan::{Each, Group, Leaf, Line};
use crate::tree::{Kind, Tree};

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
    pub(crate) files: Vec<Named>,
    pub(crate) missing: Vec<String>,
    /// Seconds since 1970, for a hop of our own.
    pub(crate) now_s: i64,
}

impl Writing<'_> {
    /// Writes lines of a message below a place.
    pub(crate) fn record(&mut self, lines: &[Line], place: usize, message: &DynamicMessage) {
        let spot = Spot { place, rest: Vec::new(), bare: false };
        self.lines(lines, &spot, &[], (message, 0));
    }

    /// What was needed and is missing, as a refusal.
    pub(crate) fn refusal(&self) -> Result<(), Fault> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let fault = Fault::new(&code::LT_MAP_012).param("paths", self.missing.join(", "));
        Err(self.missing.iter().fold(fault, |fault, path| {
            fault.violation(path, "định dạng đích bắt buộc phải có", "the target format needs it")
        }))
    }

    fn lines(
        &mut self,
        lines: &[Line],
        spot: &Spot,
        prefix: &[Segment],
        (message, index): (&DynamicMessage, usize),
    ) {
        for line in lines {
            match line {
                Line::Leaf(leaf) => self.leaf(leaf, spot, prefix, (message, index)),
                Line::Group(group) => self.group(group, spot, prefix, (message, index)),
                Line::Each(each) => self.each(each, spot, prefix, message),
                // Constants stand only under parents that exist.
                Line::Constant(at, value) => self.constant(at, value, spot),
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

    fn group(
        &mut self,
        group: &Group,
        spot: &Spot,
        prefix: &[Segment],
        (message, index): (&DynamicMessage, usize),
    ) {
        let is_open = group.when.iter().all(|(path, allowed)| {
            get(message, &joined(prefix, path))
                .and_then(|it| it.as_enum_number())
                .is_some_and(|it| allowed.contains(&it))
        });
        if is_open {
            let rest = spot.rest.iter().chain(&group.at).cloned().collect();
            let spot = Spot { place: spot.place, rest, bare: spot.bare || group.bare };
            self.lines(&group.lines, &spot, &joined(prefix, &group.to), (message, index));
        }
    }

    fn make(&mut self, spot: &Spot, at: &[String]) -> usize {
        let way: Vec<String> = spot.rest.iter().chain(at).cloned().collect();
        self.tree.make(spot.place, &way)
    }

    fn leaf(
        &mut self,
        leaf: &Leaf,
        spot: &Spot,
        prefix: &[Segment],
        (message, index): (&DynamicMessage, usize),
    ) {
        let to = joined(prefix, &leaf.to);
        if matches!(leaf.converter, Converter::Content) {
            self.content(leaf, spot, (&to, message));
            return;
        }
        let text = text_of(message, &to, &leaf.converter)
            .or_else(|| {
                let path = joined(prefix, leaf.otherwise.as_ref()?);
                text_of(message, &path, &leaf.converter)
            })
            .or_else(|| default(leaf, &to, index));
        match text {
            Some(text) => {
                let place = self.make(spot, &leaf.at);
                self.tree.nodes[place].text = cut(text, leaf.max).into();
                self.tree.nodes[place].declares = leaf.own_prefix;
            }
            None if matches!(leaf.need, Some(Need::Write | Need::Both))
                && self.is_open(spot, prefix, message) =>
            {
                self.missing.push(leaf.name.clone());
            }
            None => {
                if let Some(empty) = self.write_empty.map(ToOwned::to_owned) {
                    let place = self.make(spot, &leaf.at);
                    self.tree.nodes[place].text = empty.into();
                }
            }
        }
    }

    /// A need counts where its surroundings are said at all.
    fn is_open(&self, spot: &Spot, prefix: &[Segment], message: &DynamicMessage) -> bool {
        prefix.is_empty()
            || get(message, prefix).is_some()
            || self.tree.first(spot.place, &spot.rest).is_some()
    }

    fn content(&mut self, leaf: &Leaf, spot: &Spot, (to, message): (&[Segment], &DynamicMessage)) {
        let Some(file) = get(message, to).and_then(|it| file(it.as_message()?)) else {
            self.missing.push(leaf.name.clone());
            return;
        };
        let place = self.make(spot, &leaf.at);
        self.tree.nodes[place].file = Some(self.files.len());
        self.tree.nodes[place].declares = leaf.own_prefix;
        self.files.push(file);
    }

    fn each(&mut self, each: &Each, spot: &Spot, prefix: &[Segment], message: &DynamicMessage) {
        let to = joined(prefix, &each.to);
        let Some(last) = to.last() else { return };
        let selector = last.selector.clone();
        let mut whole = to.clone();
        if let Some(last) = whole.last_mut() {
            last.selector = None;
        }
        let mut items = match get(message, &whole) {
            Some(Value::List(items)) => items,
            _ => Vec::new(),
        };
        items.retain(|it| each.text.is_some() || admits(selector.as_ref(), it));
        if items.is_empty() && each.append {
            items.extend(self.hop(last, message));
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
            self.missing.push(each.name.clone());
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
                self.lines(&each.lines, &spot, &[], (message, index));
            }
            (None, None) => {}
        }
    }

    /// A packet that came from software without a trace begins its trace with its sender.
    fn hop(&self, list: &Segment, message: &DynamicMessage) -> Option<Value> {
        let Type::Message(of) = list.field.kind() else { return None };
        let sender = message.get_field_by_name("sender")?.into_owned();
        let mut hop = DynamicMessage::new(of);
        hop.set_field_by_name("organisation", sender);
        let at = hop.descriptor_of("at")?;
        let mut moment = DynamicMessage::new(at);
        let path = crate::path::parse("at.seconds", &moment_descriptor(&moment)).ok()?;
        set(&mut moment, &path, Value::I64(self.now_s));
        hop.set_field_by_name("at", Value::Message(moment));
        Some(Value::Message(hop))
    }
}

fn moment_descriptor(moment: &DynamicMessage) -> prost_reflect::MessageDescriptor {
    prost_reflect::ReflectMessage::descriptor(moment)
}

trait Inside {
    fn descriptor_of(&self, field: &str) -> Option<prost_reflect::MessageDescriptor>;
}

impl Inside for DynamicMessage {
    fn descriptor_of(&self, field: &str) -> Option<prost_reflect::MessageDescriptor> {
        moment_descriptor(self).get_field_by_name(field)?.kind().as_message().cloned()
    }
}

fn joined(prefix: &[Segment], path: &[Segment]) -> Path {
    prefix.iter().chain(path).cloned().collect()
}

fn text_of(message: &DynamicMessage, path: &[Segment], converter: &Converter) -> Option<String> {
    let value = get(message, path)?;
    let field = &path.last()?.field;
    converter.write(&named(value, field)).and_then(writable)
}

/// A text without what no format may hold; none when nothing is left.
fn writable(text: String) -> Option<String> {
    let is_foreign = |it: char| {
        (it.is_control() && !['\n', '\r', '\t'].contains(&it))
            || ['\u{fffe}', '\u{ffff}'].contains(&it)
    };
    let text = if text.contains(is_foreign) { text.replace(is_foreign, "") } else { text };
    (!text.trim().is_empty()).then_some(text)
}

fn default(leaf: &Leaf, to: &[Segment], index: usize) -> Option<String> {
    let default = leaf.write_default.as_deref()?;
    if default == "index" {
        return leaf.converter.write(&Value::String((index + 1).to_string()));
    }
    match to.last().map(|it| it.field.kind()) {
        Some(Type::Enum(_)) | Some(Type::Message(_)) => {
            leaf.converter.write(&Value::String(default.to_owned()))
        }
        _ => Some(default.to_owned()),
    }
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
