//! Which canonical path stands where, and what may become of it on the way.

use crate::convert::Converter;
use crate::path::Selector;
use crate::plan::Line;
use crate::record::{Field, Shape};
use crate::tree::Name;

/// A canonical path and its native place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// Without selectors.
    pub(crate) canonical: String,
    pub(crate) native: String,
    pub(crate) how: How,
}

/// What there is to know of a place when a value is lost or comes in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How {
    /// A value of a list.
    pub(crate) is_code: bool,
    /// A day or a moment.
    pub(crate) is_time: bool,
    /// One item of several.
    pub(crate) is_single: bool,
    /// Only some items stand here.
    pub(crate) is_selected: bool,
    /// Only in some messages.
    pub(crate) is_conditional: bool,
    /// Taken from another field when it is not said.
    pub(crate) is_derived: bool,
    /// A record of our own may come to it.
    pub(crate) is_appended: bool,
}

/// The places of a description.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    all: Vec<Place>,
    root: Node,
}

/// A canonical field on the way to places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    /// The place of this very field.
    place: Option<usize>,
    /// One item of several has a place inside.
    has_single: bool,
    /// By their places in the message.
    fields: Vec<(u16, Node)>,
}

/// What is known of a field: its node, and the place of the nearest thing it is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'p> {
    node: Option<&'p Node>,
    place: Option<usize>,
}

impl Seen<'_> {
    /// What is known of a field of it.
    pub(crate) fn enter(self, field: &Field) -> Self {
        let is_it = |(place, _): &&(u16, Node)| *place == field.place;
        let node = self.node.and_then(|it| it.fields.iter().find(is_it)).map(|(_, it)| it);
        Self { node, place: node.and_then(|it| it.place).or(self.place) }
    }

    /// True for a list of which one item has a place, and the list itself has none.
    pub(crate) fn holds_the_one(self) -> bool {
        self.node.is_some_and(|it| it.place.is_none() && it.has_single)
    }
}

/// Every place, and the native paths of repeated ones.
pub(crate) fn list(lines: &[Line]) -> (Vec<Place>, Vec<String>) {
    let mut found = (Vec::new(), Vec::new());
    walk(lines, "", How::default(), &mut found);
    found
}

impl Places {
    /// Places of fields of a message.
    pub(crate) fn new(all: Vec<Place>, shape: &'static Shape) -> Self {
        let mut root = Node::default();
        for (number, place) in all.iter().enumerate() {
            root.learn(&place.canonical, Some(shape), (number, place.how.is_single));
        }
        Self { all, root }
    }

    /// The place of a canonical path, or of the nearest thing it is in.
    pub(crate) fn find(&self, canonical: &str) -> Option<&Place> {
        let asked = bare(canonical);
        let holds = |it: &&Place| {
            asked.strip_prefix(&it.canonical).is_some_and(|it| it.is_empty() || it.starts_with('.'))
        };
        // Of two that are as near, the first: what is written stands before what is only read.
        self.all.iter().filter(holds).rev().max_by_key(|it| it.canonical.len())
    }

    /// Where a way through the message begins.
    pub(crate) fn root(&self) -> Seen<'_> {
        Seen { node: Some(&self.root), place: None }
    }

    /// The place of what was seen, as [`Places::find`] finds it.
    pub(crate) fn of(&self, seen: Seen<'_>) -> Option<&Place> {
        self.all.get(seen.place?)
    }
}

impl Node {
    fn learn(&mut self, path: &str, within: Option<&Shape>, (number, is_single): (usize, bool)) {
        if path.is_empty() {
            self.place.get_or_insert(number);
            return;
        }
        self.has_single |= is_single;
        let (name, rest) = path.split_once('.').unwrap_or((path, ""));
        let Some(field) = within.and_then(|it| it.field(name)) else { return };
        let place = self.fields.iter().position(|(it, _)| *it == field.place);
        let place = place.unwrap_or_else(|| {
            self.fields.push((field.place, Self::default()));
            self.fields.len() - 1
        });
        if let Some((_, node)) = self.fields.get_mut(place) {
            node.learn(rest, field.shape(), (number, is_single));
        }
    }
}

fn walk(lines: &[Line], within: &str, how: How, into: &mut (Vec<Place>, Vec<String>)) {
    let joined = |at: &[Name]| {
        let at = crate::tree::joined(at);
        let parts = [within, &at].into_iter().filter(|it| !it.is_empty() && *it != ".");
        parts.collect::<Vec<_>>().join("/")
    };
    for line in lines {
        match line {
            Line::Leaf(it) => {
                let how = How {
                    is_code: matches!(it.converter, Converter::Code(_)),
                    is_time: matches!(it.converter, Converter::Date(_) | Converter::Time(_)),
                    is_single: how.is_single || it.to.iter().any(|it| is_one(it.selector.as_ref())),
                    is_derived: it.otherwise.is_some()
                        || matches!(it.converter, Converter::FullNumber),
                    ..how
                };
                into.0.push(Place { canonical: bare(&it.name), native: joined(&it.at), how });
            }
            Line::Group(it) => {
                let how = How { is_conditional: how.is_conditional || !it.when.is_empty(), ..how };
                walk(&it.lines, &joined(&it.at), how, into);
            }
            Line::Each(it) => {
                let native = joined(&it.at);
                let is_selected = it.to.last().is_some_and(|it| it.selector.is_some());
                let how = How { is_selected, is_appended: it.append, is_single: false, ..how };
                into.0.push(Place { canonical: bare(&it.name), native: native.clone(), how });
                into.1.push(native.clone());
                walk(&it.lines, &native, how, into);
            }
            Line::ReadOnly(line) => walk(std::slice::from_ref(line), within, how, into),
            Line::Constant(..) => {}
        }
    }
}

/// True when a selector means one item of several of a kind.
fn is_one(selector: Option<&Selector>) -> bool {
    matches!(selector, Some(Selector::First | Selector::Equals(..) | Selector::Has(_)))
}

/// A canonical path without what stands in brackets.
pub(crate) fn bare(path: &str) -> String {
    let mut depth = 0;
    let is_outside = |it: &char| {
        match it {
            '[' => depth += 1,
            ']' => {
                depth -= 1;
                return false;
            }
            _ => {}
        }
        depth == 0
    };
    path.chars().filter(is_outside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FormatRegistry;

    fn walk(
        places: &Places,
        shape: &Shape,
        (within, seen): (&str, Seen<'_>),
        depth: usize,
    ) -> usize {
        let mut known = 0;
        for field in &shape.fields {
            let path = format!("{within}.{}", field.name);
            let path = path.trim_start_matches('.');
            let seen = seen.enter(field);
            let native = |it: Option<&Place>| it.map(|it| it.native.clone());
            assert_eq!(native(places.of(seen)), native(places.find(path)), "{path}");
            known += usize::from(places.of(seen).is_some());
            if let Some(inner) = field.shape().filter(|_| depth > 0) {
                known += walk(places, inner, (path, seen), depth - 1);
            }
        }
        known
    }

    #[test]
    fn a_way_leads_where_its_path_is_found() {
        for format in FormatRegistry::shipped().unwrap().all() {
            let known = walk(&format.places, format.shape, ("", format.places.root()), 4);
            assert!(known > 20 || format.places.all.is_empty(), "{}: {known}", format.name);
        }
    }
}
