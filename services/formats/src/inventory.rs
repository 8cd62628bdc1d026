//! What a format maps, place by place: for its page, for the table of what formats carry, and for
//! what is lost between two of them.

use std::collections::BTreeSet;

use crate::canonical_path::strip_selectors;
use crate::convert::Converter;
use crate::flat_rules::{FlatKind, FlatRule, flatten};
use crate::format::Format;
use crate::grammar::{Requirement, TooLong};
use crate::grammar_page::{CanonicalField, canonical_fields};
use crate::model::FieldSchema;
use crate::path_map::selects_one;

/// A native place with the canonical field that it maps to.
#[derive(Clone, Debug)]
pub struct MappedPlace {
    /// Native path from the record.
    pub native: String,
    /// Canonical path from the message, with selectors.
    pub canonical: String,
    /// The converter as the description writes it.
    pub converter: String,
    /// `read`, `write` or `both` where a value is needed; else empty.
    pub need: &'static str,
    /// Characters the format permits.
    pub max: Option<usize>,
    /// A longer text is cut.
    pub is_cut: bool,
    /// Where the place is read and written only: a field with its values.
    pub conditions: Vec<String>,
    /// The place is repeated.
    pub is_list: bool,
    /// The place is never written.
    pub is_read_only: bool,
    /// Only one item of a canonical list is mapped.
    pub is_single: bool,
    /// The codes of the place's list.
    pub codes: Vec<MappedCode>,
    /// Values of the field's enum without a code.
    pub uncoded: Vec<String>,
    /// Line in the description.
    pub line: u64,
}

/// A native code and its canonical value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedCode {
    /// The code in the format.
    pub native: String,
    /// The canonical value.
    pub canonical: String,
}

/// A value that a format cannot carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownLoss {
    /// Canonical path without selectors.
    pub path: String,
    /// `no-place`, `first-only`, `not-admitted`, `no-code` or `cut`, as in the report of a loss.
    pub reason: &'static str,
    /// The values without a code, or the number of characters.
    pub detail: String,
}

/// What a format maps.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The message that the format carries by rules.
    pub message: &'static str,
    /// Its places, in the order of the description.
    pub places: Vec<MappedPlace>,
}

impl Format {
    /// What the format maps.
    pub fn inventory(&self) -> Inventory {
        let places = flatten(&self.rules).iter().filter_map(mapped_place).collect();
        Inventory { message: &self.schema.name, places }
    }
}

fn mapped_place(rule: &FlatRule<'_>) -> Option<MappedPlace> {
    let (need, max, spec, is_cut) = match rule.kind {
        FlatKind::Leaf(it) => (it.need, it.max, it.spec.clone(), it.too_long == TooLong::Cut),
        FlatKind::List(it) => {
            let (spec, max) = match &it.text {
                Some((_, max)) => (it.spec.clone(), *max),
                None => (String::new(), None),
            };
            (it.need, max, spec, true)
        }
        FlatKind::Constant => return None,
    };
    let leaf = rule.leaf();
    let field = leaf.and_then(|it| it.to.last()).map(|it| it.field);
    let is_single = leaf.is_some_and(|it| it.to.iter().any(|it| selects_one(it.selector.as_ref())));
    Some(MappedPlace {
        native: rule.native.clone(),
        canonical: rule.canonical.clone(),
        converter: spec,
        need: need_word(need),
        max,
        is_cut: is_cut && max.is_some(),
        conditions: rule.conditions.iter().map(|it| it.text()).collect(),
        is_list: matches!(rule.kind, FlatKind::List(_)),
        is_read_only: rule.is_read_only,
        is_single,
        codes: codes_of(rule.converter()),
        uncoded: uncoded_values(rule.converter(), field),
        line: rule.position().line,
    })
}

fn need_word(need: Option<Requirement>) -> &'static str {
    match need {
        None => "",
        Some(Requirement::Read) => "read",
        Some(Requirement::Write) => "write",
        Some(Requirement::Both) => "both",
    }
}

fn codes_of(converter: Option<&Converter>) -> Vec<MappedCode> {
    let Some(list) = converter.and_then(Converter::code_list) else { return Vec::new() };
    let code = |(native, canonical): (&String, &String)| MappedCode {
        native: native.clone(),
        canonical: canonical.clone(),
    };
    list.rows.iter().map(code).collect()
}

/// Values of an enum field for which the list has no code.
fn uncoded_values(converter: Option<&Converter>, field: Option<&FieldSchema>) -> Vec<String> {
    let list = converter.and_then(Converter::code_list);
    let schema = field.and_then(FieldSchema::enum_schema);
    let (Some(list), Some(schema)) = (list, schema) else { return Vec::new() };
    // The value of the number 0 means that nothing is said.
    let values = schema.values.iter().filter(|(number, _)| *number != 0);
    let is_uncoded = |it: &&String| list.native(it).is_none() && list.other.as_ref() != Some(*it);
    values.map(|(_, name)| name).filter(is_uncoded).cloned().collect()
}

impl Inventory {
    /// The places that the format writes.
    fn written(&self) -> impl Iterator<Item = &MappedPlace> {
        self.places.iter().filter(|it| !it.is_read_only)
    }

    /// How much of a canonical field the format carries.
    pub fn coverage_of(&self, path: &str) -> Coverage {
        let mut coverage = Coverage::None;
        for place in self.places.iter().filter(|it| !it.is_list || !it.converter.is_empty()) {
            let mapped = strip_selectors(&place.canonical);
            let is_inside = |outer: &str, inner: &str| {
                inner.strip_prefix(outer).is_some_and(|it| it.is_empty() || it.starts_with('.'))
            };
            let found = match (is_inside(&mapped, path), is_inside(path, &mapped)) {
                (false, false) => continue,
                _ if place.is_read_only => Coverage::Read,
                (true, _) => Coverage::Whole,
                (false, true) => Coverage::Part,
            };
            coverage = coverage.max(found);
        }
        coverage
    }

    /// The canonical fields that the format cannot carry at all; a message field stands for those
    /// inside it.
    pub fn uncarried(&self) -> Vec<CanonicalField> {
        let mut uncarried: Vec<CanonicalField> = Vec::new();
        for field in canonical_fields(self.message) {
            let path = strip_selectors(&field.path);
            let is_inside = |it: &CanonicalField| {
                path.strip_prefix(&strip_selectors(&it.path)).is_some_and(|it| it.starts_with('.'))
            };
            if !uncarried.iter().any(is_inside) && self.coverage_of(&path) <= Coverage::Read {
                uncarried.push(field);
            }
        }
        uncarried
    }

    /// What the format itself cannot carry, whatever the other format is, besides fields without a
    /// place.
    pub fn known_losses(&self) -> Vec<KnownLoss> {
        let mut losses = Vec::new();
        for place in self.written() {
            let path = strip_selectors(&place.canonical);
            if !place.uncoded.is_empty() {
                let detail = place.uncoded.join(", ");
                losses.push(KnownLoss { path: path.clone(), reason: "no-code", detail });
            }
            if place.is_single {
                losses.push(KnownLoss {
                    path: path.clone(),
                    reason: "first-only",
                    detail: String::new(),
                });
            }
            if let Some(max) = place.max.filter(|_| place.is_cut) {
                losses.push(KnownLoss { path, reason: "cut", detail: max.to_string() });
            }
        }
        losses
    }

    /// What this format can carry and another cannot.
    pub fn losses_to(&self, other: &Self) -> Vec<KnownLoss> {
        let mut losses = Vec::new();
        let mut seen = BTreeSet::new();
        for place in &self.places {
            let is_container = place.is_list && place.converter.is_empty();
            let path = strip_selectors(&place.canonical);
            if is_container || !seen.insert(place.canonical.clone()) {
                continue;
            }
            losses.extend(loss_at(place, &path, other));
        }
        losses
    }
}

fn loss_at(place: &MappedPlace, path: &str, other: &Inventory) -> Option<KnownLoss> {
    let loss =
        |reason: &'static str, detail: String| KnownLoss { path: path.to_owned(), reason, detail };
    let is_inside = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|it| it.is_empty() || it.starts_with('.'))
    };
    let targets: Vec<&MappedPlace> = other
        .written()
        .filter(|it| !it.is_list || !it.converter.is_empty())
        .filter(|it| {
            let target = strip_selectors(&it.canonical);
            is_inside(&target, path) || is_inside(path, &target)
        })
        .collect();
    if targets.is_empty() {
        return Some(loss("no-place", String::new()));
    }
    let codes =
        |it: &MappedPlace| it.codes.iter().map(|it| it.canonical.clone()).collect::<Vec<_>>();
    let missing: Vec<String> = codes(place)
        .into_iter()
        .filter(|value| targets.iter().all(|it| !it.codes.is_empty() && !codes(it).contains(value)))
        .collect();
    if !missing.is_empty() {
        return Some(loss("no-code", missing.join(", ")));
    }
    if !place.is_single && targets.iter().all(|it| it.is_single) {
        return Some(loss("first-only", String::new()));
    }
    let widest = targets.iter().map(|it| it.max.filter(|_| it.is_cut).unwrap_or(usize::MAX)).max();
    let widest = widest.unwrap_or(usize::MAX);
    (place.max.unwrap_or(usize::MAX) > widest).then(|| loss("cut", widest.to_string()))
}

/// How much of a canonical field a format carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coverage {
    /// Nothing.
    None,
    /// It is read and never written.
    Read,
    /// Some fields inside it.
    Part,
    /// The whole field.
    Whole,
}
