//! Decisive values: without them the item means another thing. A recall that is misspelt or stands
//! in another place must not become a new document in silence.

use strsim::osa_distance;

use crate::canonical_path::{CanonicalPath, PathSegment, find_list, find_value, selects};
use crate::model::{DynMessage, Value};
use crate::plan::{GroupRule, LeafRule, Rule};
use crate::read::put::put_value;
use crate::read::reader::{Location, RecordReader};
use crate::tree::NodeName;

/// Letters by which a long name may be misspelt.
const MISSPELT_LETTERS_MAX: u8 = 2;
/// Letters from which a name is long.
const LONG_NAME_CHARS: usize = 8;

impl<'t> RecordReader<'t> {
    /// The node that is meant for a decisive rule whose own place is empty: the only one of the
    /// record with the same name in another place, or with nearly the same. Several are a
    /// violation, because the sender may mean any of them.
    pub(super) fn find_meant(&mut self, from: Location<'_>, at: &[NodeName]) -> Option<usize> {
        let name = at.last()?;
        let meant = self.resembling(&name.text);
        let (first, others) = meant.split_first()?;
        let expected = self.display_path(from, at);
        let found = self.tree.path(*first);
        if !others.is_empty() {
            self.report_violation(
                expected,
                "không có ở đây, mà nhiều chỗ khác có tên gần giống",
                "is not here, and several other places have nearly its name",
            );
            return None;
        }
        self.tree.nodes[*first].is_mapped.set(true);
        let vi = format!("Được đọc như {expected}: tên hoặc chỗ đứng sai.");
        let en = format!("Read as {expected}: it is misspelt, or stands in the wrong place.");
        self.report_finding("LT-MAP-035", found, vi, en);
        Some(*first)
    }

    /// Reports the nodes that may be meant for a decisive rule although its own place has content.
    pub(super) fn report_resembling(&mut self, own: usize, name: &NodeName) {
        for node_id in self.resembling(&name.text) {
            if node_id != own {
                let field = self.tree.path(node_id);
                let vi = format!("Không đọc: {} đã có ở chỗ của nó.", name.text);
                let en = format!("Not read: {} stands in its own place.", name.text);
                self.report_finding("LT-MAP-035", field, vi, en);
            }
        }
    }

    /// The nodes of the record that have this name, or nearly this name, and in which something
    /// stands.
    fn resembling(&self, name: &str) -> Vec<usize> {
        let mut found = Vec::new();
        self.collect_resembling(self.record, name, &mut found);
        found
    }

    fn collect_resembling(&self, within: usize, name: &str, into: &mut Vec<usize>) {
        for child in self.tree.children(within) {
            let node = &self.tree.nodes[child];
            if resembles(&node.name, name) && self.tree.says_something(child) {
                into.push(child);
            } else {
                self.collect_resembling(child, name, into);
            }
        }
    }

    /// Notes that a decisive value has its default, because nothing was said.
    pub(super) fn note_default(&mut self, leaf: &'t LeafRule) {
        if leaf.decides {
            self.decided_by_default.push(&leaf.to);
        }
    }

    /// Reports content of a group that only another decisive value permits, where that value is
    /// missing: what the item means cannot be known.
    pub(super) fn check_undecided(&mut self, group: &'t GroupRule, from: Location<'_>) {
        let is_undecided = |path: &CanonicalPath| {
            self.decided_by_default.iter().any(|it| has_same_fields(it, path))
        };
        let Location::Present(node_id) = from else { return };
        if !group.when.iter().any(|it| is_undecided(it.path())) {
            return;
        }
        if let Some(said) = self.said_in_group(group, node_id) {
            let field = self.tree.path(said);
            self.report_violation(
                field,
                "chỉ có nghĩa với loại nghiệp vụ không phải văn bản mới, mà gói tin không ghi loại",
                "only has a meaning with a kind of business, and the item does not say which",
            );
        }
    }

    /// The node of a rule, when something stands in it.
    fn said_place(&self, rule: &Rule, from: usize) -> Option<usize> {
        let at = match rule {
            Rule::Leaf(it) => &it.at,
            Rule::Group(it) => return self.said_in_group(it, from),
            Rule::List(it) => &it.at,
            Rule::ReadOnly(it) => return self.said_place(it, from),
            Rule::Constant(..) => return None,
        };
        self.said_at(from, at)
    }

    /// The node of a group, or of a rule inside one without a node of its own, when something stands
    /// in it.
    fn said_in_group(&self, group: &GroupRule, from: usize) -> Option<usize> {
        if group.at.is_empty() {
            return group.rules.iter().find_map(|it| self.said_place(it, from));
        }
        self.said_at(from, &group.at)
    }

    fn said_at(&self, from: usize, at: &[NodeName]) -> Option<usize> {
        self.tree.find_said(from, at).filter(|it| *it != from && self.tree.says_something(*it))
    }

    /// Puts the value that stands for a missing node, when there is exactly one; else reports a
    /// value that the item should have.
    pub(super) fn read_substitute(
        &mut self,
        leaf: &'t LeafRule,
        from: Location<'_>,
        message: &mut DynMessage<'t>,
    ) {
        let substitute = leaf.substitute.as_ref().and_then(|it| only_value(message, it)).cloned();
        match substitute {
            Some(value) => put_value(message, &leaf.to, value, &leaf.converter),
            None if leaf.is_expected => {
                let field = self.display_path(from, &leaf.at);
                self.report_finding(
                    "LT-MAP-036",
                    field,
                    "Không ghi, mà loại nghiệp vụ này cần có.".to_owned(),
                    "Is not said, although this kind of business needs it.".to_owned(),
                );
            }
            None => {}
        }
    }
}

/// True for the same name in another case, or a long name with few other letters.
fn resembles(name: &str, expected: &str) -> bool {
    if name == expected || name.eq_ignore_ascii_case(expected) {
        return true;
    }
    let is_long = expected.len() >= LONG_NAME_CHARS;
    is_long
        && name.len().abs_diff(expected.len()) <= usize::from(MISSPELT_LETTERS_MAX)
        && !name.starts_with(['@', '{'])
        && may_be_near(name, expected)
        && osa_distance(&name.to_lowercase(), &expected.to_lowercase())
            <= usize::from(MISSPELT_LETTERS_MAX)
}

/// False when the letters of two names differ by more than so few mistakes can: each mistake changes
/// at most two letters of the set. It is asked of every name, so it has to be cheap.
fn may_be_near(name: &str, expected: &str) -> bool {
    let letters = |it: &str| {
        it.bytes().fold(0_u128, |set, byte| set | 1 << (byte.to_ascii_lowercase() & 0x7f))
    };
    let is_ascii = name.is_ascii() && expected.is_ascii();
    !is_ascii
        || (letters(name) ^ letters(expected)).count_ones() <= 2 * u32::from(MISSPELT_LETTERS_MAX)
}

fn has_same_fields(path: &CanonicalPath, other: &CanonicalPath) -> bool {
    path.len() == other.len()
        && path.iter().zip(other).all(|(it, other)| std::ptr::eq(it.field, other.field))
}

/// The value at the end of a path; none when a selector on it selects several items.
fn only_value<'m, 'a>(message: &'m DynMessage<'a>, path: &[PathSegment]) -> Option<&'m Value<'a>> {
    let list = path.iter().position(|it| it.field.is_list).map(|it| it + 1);
    if let Some(list) = list.and_then(|it| path.get(..it)) {
        let selector = list.last()?.selector.as_ref();
        let selected = find_list(message, list).iter().filter(|it| selects(selector, it));
        if selected.count() != 1 {
            return None;
        }
    }
    find_value(message, path)
}
