//! What the laws compare of messages: values by canonical path, and leftovers.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use prost_reflect::DynamicMessage;
use proto::canonical::v1::{Canonical, Leftover, canonical::Body};
use proto::message::v1::{Loss, loss};

use crate::Format;
use crate::tests::random_messages::descriptor_of;
use crate::tests::reference_report;
use crate::unmapped::leftovers_of;

/// Values by canonical path.
pub(in crate::tests) type Leaves = BTreeMap<String, String>;

pub(in crate::tests) fn leaves(message: &DynamicMessage) -> Leaves {
    let is_reported = |(path, _): &(String, String)| {
        !path.starts_with("leftovers") && !path.contains("directory_key")
    };
    reference_report::leaves(message).into_iter().filter(is_reported).collect()
}

pub(in crate::tests) fn canonical_leaves(format: &Format, canonical: &Canonical) -> Leaves {
    let mut message = DynamicMessage::new(descriptor_of(format));
    match canonical.body.as_ref().unwrap() {
        Body::Document(it) => message.merge(it.encode_to_vec().as_slice()).unwrap(),
        Body::Status(it) => message.merge(it.encode_to_vec().as_slice()).unwrap(),
        Body::DeliveryReport(it) => message.merge(it.encode_to_vec().as_slice()).unwrap(),
        Body::Receipt(_) => {}
    }
    leaves(&message)
}

/// Applies losses to a message: lost values are removed, and the items after a lost one move up.
pub(in crate::tests) fn apply_losses(mut leaves: Leaves, losses: &[Loss]) -> Leaves {
    // Leftovers are no leaves; `check_leftovers` counts them.
    for it in losses.iter().filter(|it| !it.path.starts_with("leftovers")) {
        match it.kind() {
            loss::Kind::Lost => {
                leaves.remove(&it.path).unwrap();
            }
            loss::Kind::Changed | loss::Kind::Added => {
                leaves.insert(it.path.clone(), it.value.clone());
            }
            loss::Kind::Unspecified => panic!("a loss without a kind"),
        }
    }
    let mut indexes = BTreeMap::<&str, BTreeSet<usize>>::new();
    for (within, index, _) in leaves.keys().flat_map(|it| list_items(it)) {
        indexes.entry(within).or_default().insert(index);
    }
    let moved = |path: &String| {
        let mut text = String::new();
        let mut done = 0;
        for (within, index, end) in list_items(path) {
            let position = indexes[within].iter().position(|it| *it == index).unwrap();
            text += &format!("{}[{position}]", path.get(done..within.len()).unwrap());
            done = end;
        }
        text + path.get(done..).unwrap()
    };
    leaves.iter().map(|(path, value)| (moved(path), value.clone())).collect()
}

/// The list items on a path: path of the list, index of the item, end of its bracket.
fn list_items(path: &str) -> Vec<(&str, usize, usize)> {
    let ends = path.match_indices(']').map(|(end, _)| end);
    let item = |end: usize| {
        let before = path.get(..end).unwrap();
        let (within, index) = before.rsplit_once('[').unwrap();
        (within, index.parse().unwrap(), end + 1)
    };
    ends.map(item).collect()
}

/// What the laws compare of a message: its values, and its leftovers in no order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tests) struct Seen {
    pub(in crate::tests) leaves: Leaves,
    pub(in crate::tests) leftovers: Vec<(String, String)>,
}

pub(in crate::tests) fn seen(format: &Format, canonical: &Canonical) -> Seen {
    let text = |it: &Leftover| (it.at.clone(), it.raw.clone());
    let mut leftovers: Vec<_> = leftovers(canonical).iter().map(text).collect();
    leftovers.sort();
    Seen { leaves: canonical_leaves(format, canonical), leftovers }
}

/// The steps of a native path, each with its index.
fn split_indices(at: &str) -> Vec<(String, Option<usize>)> {
    let split = |step: &str| {
        let indexed = step.strip_suffix(']').and_then(|it| it.rsplit_once('['));
        let indexed = indexed.and_then(|(name, index)| Some((name, index.parse().ok()?)));
        indexed
            .map_or_else(|| (step.to_owned(), None), |(name, index)| (name.to_owned(), Some(index)))
    };
    at.split('/').map(split).collect()
}

/// A native path with each index counted among the places that have texts: an unknown element
/// without any text is not carried, and what stands after it moves up.
fn without_gaps(at: &str, places: &[Vec<(String, Option<usize>)>]) -> String {
    let steps = split_indices(at);
    let mut written = Vec::new();
    for (depth, (name, index)) in steps.iter().enumerate() {
        let is_beside = |it: &&Vec<(String, Option<usize>)>| {
            it.len() > depth && it[..depth] == steps[..depth] && it[depth].0 == *name
        };
        let beside: BTreeSet<_> = places.iter().filter(is_beside).map(|it| it[depth].1).collect();
        let rank = beside.iter().position(|it| it == index).unwrap();
        written.push(if beside.len() > 1 { format!("{name}[{rank}]") } else { name.clone() });
    }
    written.join("/")
}

pub(in crate::tests) fn all_without_gaps(leftovers: &[(String, String)]) -> Vec<(String, String)> {
    let places: Vec<_> = leftovers.iter().map(|(at, _)| split_indices(at)).collect();
    let mut plain: Vec<_> =
        leftovers.iter().map(|(at, raw)| (without_gaps(at, &places), raw.clone())).collect();
    plain.sort();
    plain
}

pub(in crate::tests) fn leftovers(canonical: &Canonical) -> Vec<Leftover> {
    leftovers_of(canonical).iter().flat_map(|it| it.items.clone()).collect()
}
