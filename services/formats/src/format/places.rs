//! Which canonical path stands where, and what may become of it on the way.

use crate::convert::Converter;
use crate::path::Selector;
use crate::plan::Line;

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

/// Every place, and the native paths of repeated ones.
pub(crate) fn list(lines: &[Line]) -> (Vec<Place>, Vec<String>) {
    let mut found = (Vec::new(), Vec::new());
    walk(lines, "", How::default(), &mut found);
    found
}

/// The place of a canonical path, or of the nearest thing it is in.
pub(crate) fn find<'p>(places: &'p [Place], canonical: &str) -> Option<&'p Place> {
    let asked = bare(canonical);
    let holds = |it: &&Place| {
        asked.strip_prefix(&it.canonical).is_some_and(|it| it.is_empty() || it.starts_with('.'))
    };
    // Of two that are as near, the first: what is written stands before what is only read.
    places.iter().filter(holds).rev().max_by_key(|it| it.canonical.len())
}

fn walk(lines: &[Line], within: &str, how: How, into: &mut (Vec<Place>, Vec<String>)) {
    let joined = |at: &[String]| {
        let at = at.join("/");
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
    path.chars()
        .filter(|it| {
            match it {
                '[' => depth += 1,
                ']' => {
                    depth -= 1;
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect()
}
