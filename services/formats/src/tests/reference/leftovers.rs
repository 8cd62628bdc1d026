//! What no rule read: the texts of a record that its message carries beside its fields.

use std::collections::BTreeSet;

use proto::canonical::v1::leftover::Why;
use secrecy_marks::find_in_field;

use super::native::{Native, escaped};
use super::reader::Reader;
use crate::grammar::Syntax;
use crate::limits::{LEFTOVER_BYTES_MAX, LEFTOVERS_MAX};

/// Place, text, reason and canonical field.
pub(super) type Leftover = (String, String, Why, String);

/// Places of content that is not carried that a message notes.
const NOT_CARRIED_MAX: usize = 50;

/// The leftovers of a record that was read.
pub(super) fn collect(reader: &mut Reader<'_>) -> Vec<Leftover> {
    let native = reader.native;
    let ignored = ignored_places(reader);
    for it in &ignored {
        let inside = native.below(*it);
        reader.mapped.extend(inside.iter().copied());
        reader.read.extend(inside);
    }
    let (mut leftovers, mut dropped) = (Vec::new(), Vec::new());
    for place in native.below(reader.record) {
        note_repeated(reader, place);
        let text = native.0[place].text.trim();
        let kept = reader.kept.get(&place).cloned();
        if text.is_empty() || (reader.read.contains(&place) && kept.is_none()) {
            continue;
        }
        if reader.mapped.contains(&place) && kept.is_none() {
            reader.find("LT-MAP-022", place);
        }
        let (why, of) = kept.unwrap_or((Why::Unknown, String::new()));
        let is_within = leftovers.len() < LEFTOVERS_MAX && text.len() <= LEFTOVER_BYTES_MAX;
        if is_within || is_mark(native, place, why != Why::Unknown) {
            leftovers.push((path_of(reader, place), text.to_owned(), why, of));
        } else {
            dropped.push(place);
        }
    }
    for place in
        ignored.iter().flat_map(|it| native.below(*it)).filter(|it| is_mark(native, *it, false))
    {
        let text = native.0[place].text.trim().to_owned();
        leftovers.push((path_of(reader, place), text, Why::Unknown, String::new()));
    }
    let outermost = ignored.iter().filter(|it| native.says_something(**it));
    let not_carried: Vec<usize> =
        outermost.chain(&dropped).copied().take(NOT_CARRIED_MAX).collect();
    for place in not_carried {
        leftovers.push((path_of(reader, place), String::new(), Why::NotCarried, String::new()));
    }
    if let Some(first) = dropped.first() {
        reader.find("LT-MAP-022", *first);
    }
    leftovers
}

/// Outermost places that the description ignores.
fn ignored_places(reader: &Reader<'_>) -> Vec<usize> {
    let Syntax::Xml { ignore, .. } = &reader.description.syntax else { return Vec::new() };
    let native = reader.native;
    let local = |it: usize| native.0[it].name.rsplit('}').next().unwrap().to_owned();
    let mut found: Vec<usize> = Vec::new();
    for place in 1..native.0.len() {
        let is_inside = found.iter().any(|it| native.below(*it).contains(&place));
        if !is_inside && ignore.contains(&local(place)) {
            found.push(place);
        }
    }
    found
}

/// Says of a second place of a name that a rule reads once that it was not read.
fn note_repeated(reader: &mut Reader<'_>, place: usize) {
    let is_known = |it: &usize| reader.mapped.contains(it) || reader.read.contains(it);
    let native = reader.native;
    if place == reader.record || is_known(&place) || !native.says_something(place) {
        return;
    }
    let (parent, name) = (native.0[place].parent, &native.0[place].name);
    if native.named(parent, name).iter().any(is_known) {
        reader.find("LT-MAP-022", place);
    }
}

/// The path from the record: a step is a name, and the canonical item that the place stands for, or
/// its position among the places of the name that stand for none. One that a rule names is first.
fn path_of(reader: &Reader<'_>, place: usize) -> String {
    let native = reader.native;
    if place == reader.record {
        return String::new();
    }
    let (parent, name) = (native.0[place].parent, &native.0[place].name);
    let step = match reader.items.get(&place) {
        Some((list, index)) => format!("{}[{list}.{index}]", escaped(name)),
        None => {
            let mut plain = native.named(parent, name);
            plain.retain(|it| !reader.items.contains_key(it));
            plain.sort_by_key(|it| (!reader.mapped.contains(it), *it));
            let position = plain.iter().position(|it| *it == place).unwrap();
            let is_single = plain.len() == 1 && !native.0[place].is_item;
            let position = if is_single { String::new() } else { format!("[{position}]") };
            format!("{}{position}", escaped(name))
        }
    };
    match path_of(reader, parent) {
        within if within.is_empty() => step,
        within => format!("{within}/{step}"),
    }
}

/// True for a place whose name or text is a secrecy mark.
pub(super) fn is_mark(native: &Native, place: usize, is_known: bool) -> bool {
    let text = native.0[place].text.trim();
    let mut names = Vec::new();
    let mut ancestor = place;
    while ancestor != 0 {
        names.push(native.0[ancestor].name.rsplit('}').next().unwrap());
        ancestor = native.0[ancestor].parent;
    }
    !text.is_empty() && find_in_field(names, text, is_known).is_some()
}

/// True where a secrecy mark stands outside all records.
pub(super) fn is_marked_outside(native: &Native, records: &[usize]) -> bool {
    let inside: BTreeSet<usize> = records.iter().flat_map(|it| native.below(*it)).collect();
    (0..native.0.len()).any(|it| !inside.contains(&it) && is_mark(native, it, false))
}
