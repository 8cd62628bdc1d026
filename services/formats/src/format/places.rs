//! Which canonical path stands where, and what may become of it on the way.

use std::borrow::Cow;

use crate::convert::Converter;
use crate::path::Selector;
use crate::plan::Line;
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
    /// By their canonical paths.
    sorted: Vec<Place>,
}

/// Every place, and the native paths of repeated ones.
pub(crate) fn list(lines: &[Line]) -> (Vec<Place>, Vec<String>) {
    let mut found = (Vec::new(), Vec::new());
    walk(lines, "", How::default(), &mut found);
    found
}

impl Places {
    /// Places to be found; those of one path stay in their order.
    pub(crate) fn new(mut places: Vec<Place>) -> Self {
        places.sort_by(|one, other| one.canonical.cmp(&other.canonical));
        Self { sorted: places }
    }

    /// The place of a canonical path, or of the nearest thing it is in.
    pub(crate) fn find(&self, canonical: &str) -> Option<&Place> {
        let asked = bare(canonical);
        let mut within = asked.as_ref();
        loop {
            // Of several the first: what is written stands before what is only read.
            if let Some(found) = self.of(within).first() {
                return Some(found);
            }
            (within, _) = within.rsplit_once('.')?;
        }
    }

    /// True for a second item of a list of which one item has a place.
    pub(crate) fn is_behind_the_one(&self, canonical: &str) -> bool {
        let Some((list, rest)) = canonical.split_once('[') else { return false };
        if rest.starts_with("0]") || !self.of(list).is_empty() {
            return false;
        }
        let behind =
            self.sorted.get(self.sorted.partition_point(|it| it.canonical.as_str() < list)..);
        let mut inside = behind.unwrap_or_default().iter().map_while(|it| {
            let rest = it.canonical.strip_prefix(list)?;
            Some((it, rest))
        });
        inside.any(|(it, rest)| rest.starts_with('.') && it.how.is_single)
    }

    /// Places of this very path.
    fn of(&self, canonical: &str) -> &[Place] {
        let begin = self.sorted.partition_point(|it| it.canonical.as_str() < canonical);
        let behind = self.sorted.get(begin..).unwrap_or_default();
        let count = behind.iter().take_while(|it| it.canonical == canonical).count();
        behind.get(..count).unwrap_or_default()
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
                into.0.push(Place {
                    canonical: bare(&it.name).into_owned(),
                    native: joined(&it.at),
                    how,
                });
            }
            Line::Group(it) => {
                let how = How { is_conditional: how.is_conditional || !it.when.is_empty(), ..how };
                walk(&it.lines, &joined(&it.at), how, into);
            }
            Line::Each(it) => {
                let native = joined(&it.at);
                let is_selected = it.to.last().is_some_and(|it| it.selector.is_some());
                let how = How { is_selected, is_appended: it.append, is_single: false, ..how };
                into.0.push(Place {
                    canonical: bare(&it.name).into_owned(),
                    native: native.clone(),
                    how,
                });
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
pub(crate) fn bare(path: &str) -> Cow<'_, str> {
    if !path.contains('[') {
        return Cow::Borrowed(path);
    }
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
    let mut bare = String::with_capacity(path.len());
    bare.extend(path.chars().filter(is_outside));
    Cow::Owned(bare)
}
