//! Joins native records with one key to one item of a list. A file of the national packet has two
//! records, one with its description and one with its bytes.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::canonical_path::{find_list, find_value};
use crate::model::{DynMessage, Value};
use crate::plan::ListRule;

/// A list whose records are joined by a key.
#[derive(Debug, Default)]
pub(super) struct Join<'t> {
    /// Canonical path of the list.
    pub(super) list: &'t str,
    /// Index of the item by key.
    pub(super) items: HashMap<Cow<'t, str>, usize>,
    /// Items of the list whose keys are in `items`.
    indexed: usize,
    /// One side for each rule of a pair.
    pub(super) sides: Vec<JoinSide>,
}

/// The records that one rule of a pair read.
#[derive(Debug, Default)]
pub(super) struct JoinSide {
    pub(super) holds_files: bool,
    /// Node of the record, and what a person knows it by, by the index of the item.
    pub(super) records: HashMap<usize, (usize, Option<String>)>,
}

impl<'t> Join<'t> {
    pub(super) fn new(list: &'t str) -> Self {
        Self { list, ..Self::default() }
    }

    /// Indexes the keys of items that were added since the last call.
    pub(super) fn index_items(&mut self, rule: &ListRule, message: &DynMessage<'t>) {
        let items = find_list(message, &rule.to);
        for (index, item) in items.iter().enumerate().skip(self.indexed) {
            if let Some(key) = key_of(rule, item.as_message()) {
                self.items.entry(key).or_insert(index);
            }
        }
        self.indexed = items.len();
    }

    /// The first node of a record without a counterpart, what a person knows it by, and whether the
    /// counterpart would have had the bytes of the file.
    pub(super) fn unpaired(&self) -> Option<(usize, Option<&str>, bool)> {
        let missing = |one: &'_ JoinSide, other: &JoinSide| {
            let records = one.records.iter().filter(|(it, _)| !other.records.contains_key(it));
            records.map(|(item, (node_id, _))| (*node_id, *item, other.holds_files)).min()
        };
        let [one, other] = self.sides.as_slice() else { return None };
        let sides = [(one, missing(one, other)), (other, missing(other, one))];
        let found = sides.into_iter().filter_map(|(side, it)| Some((it?, side)));
        let ((node_id, item, lacks_bytes), side) = found.min_by_key(|(it, _)| it.0)?;
        let label = side.records.get(&item).and_then(|(_, it)| it.as_deref());
        Some((node_id, label, lacks_bytes))
    }
}

/// The key of an item; none when the rule has no key or the item lacks it.
pub(super) fn key_of<'t>(rule: &ListRule, item: Option<&DynMessage<'t>>) -> Option<Cow<'t, str>> {
    let Value::Text(key) = find_value(item?, rule.key.as_ref()?)? else { return None };
    Some(key.clone())
}
