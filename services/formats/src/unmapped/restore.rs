//! Writes leftovers back to the nodes they came from.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use proto::canonical::v1::{Canonical, Leftover, leftover::Why};

use crate::content::says_packed;
use crate::convert::writable_text;
use crate::limits::{LEFTOVERS_MAX, NODES_MAX};
use crate::read::unicode_of;
use crate::scan;
use crate::tree::{CanonicalItem, ItemBindings, NodeKind, Tree};
use crate::unmapped::owner::{FormatIdentity, leftovers_of};
use crate::unmapped::path::{PathStep, StepPosition, parse_path};

/// A tree that the rules of a format wrote, and what is known of its nodes.
pub(crate) struct WrittenTree<'t, 'w> {
    pub(crate) tree: &'t mut Tree<'w>,
    pub(crate) bindings: &'t ItemBindings,
    /// Nodes whose text is the default for an absent value.
    pub(crate) defaulted: &'t [usize],
    /// Native paths of the lists whose condition did not hold.
    pub(crate) inactive_lists: &'t [String],
}

/// Writes the leftovers of this format and version back to their nodes. A node that has content by
/// now stays as it is, unless that content is a default for the text that was not understood, or the
/// first of two values for one thing. What finds no place is not written: the loss report compares
/// the leftovers of what was written with those of the message.
pub(crate) fn restore_leftovers<'w>(
    written: WrittenTree<'_, 'w>,
    canonical: &'w Canonical,
    format: FormatIdentity<'_>,
) {
    let is_own = |name: &str, version: u32| name == format.name && version == format.version;
    let own = leftovers_of(canonical).iter().filter(|it| is_own(&it.format, it.version));
    let items = written.bindings.by_node();
    let mut restorer = Restorer { written, items, restored: HashSet::new(), format };
    for item in own.flat_map(|it| &it.items).filter(|it| it.why() != Why::NotCarried) {
        restorer.restore(item);
    }
}

struct Restorer<'t, 'w, 'f> {
    written: WrittenTree<'t, 'w>,
    items: HashMap<usize, CanonicalItem>,
    /// Nodes whose text is a leftover.
    restored: HashSet<usize>,
    format: FormatIdentity<'f>,
}

impl<'w> Restorer<'_, 'w, '_> {
    fn restore(&mut self, item: &'w Leftover) {
        let Some(text) = writable_text(Cow::Borrowed(item.raw.as_str())) else { return };
        let Some(steps) = parse_path(&item.at, self.format) else { return };
        let Some(node_id) = self.find_or_create(&steps, item.why()) else { return };
        let replaces = match item.why() {
            Why::Invalid => self.written.defaulted.contains(&node_id),
            Why::Other => {
                let written = &self.written.tree.nodes[node_id].text;
                !says_packed(written) && !says_packed(&text) && self.is_in_second_record(&steps)
            }
            // The value is still the one that this spelling was read as.
            Why::Spelling => {
                let node = &self.written.tree.nodes[node_id];
                unicode_of(&text).is_some_and(|it| it == node.text)
            }
            Why::Unspecified | Why::Unknown | Why::NotCarried => false,
        };
        let is_free = self.is_unused(node_id);
        let node = &mut self.written.tree.nodes[node_id];
        if is_free || (replaces && node.file_index.is_none()) {
            node.is_literal = item.is_literal && scan::json::is_literal(&text);
            node.text = text;
            self.restored.insert(node_id);
        }
    }

    /// The node of a path; missing nodes are created, but no record of a list, and no child inside a
    /// text or file.
    fn find_or_create(&mut self, steps: &[PathStep], why: Why) -> Option<usize> {
        let (mut node_id, mut native) = (0, String::new());
        for step in steps {
            if !native.is_empty() {
                native.push('/');
            }
            native.push_str(&step.name);
            node_id = match &step.position {
                StepPosition::Item(list, index) => {
                    self.find_record(node_id, &step.name, (list, *index))?
                }
                StepPosition::Plain(position) => {
                    let plain = self.plain_nodes(node_id, &step.name);
                    match plain.get(position.unwrap_or_default()) {
                        Some(found) => *found,
                        None if why == Why::Other => return None,
                        None if !self.may_create(node_id, (&native, &step.name)) => return None,
                        None => self.create(node_id, step, (&plain, *position))?,
                    }
                }
            };
        }
        Some(node_id)
    }

    /// The record of a canonical item.
    fn find_record(&self, parent: usize, name: &str, item: (&str, usize)) -> Option<usize> {
        let mut records = self.written.tree.children_named(parent, name);
        records.find(|it| self.items.get(it).is_some_and(|it| (it.0, it.1) == item))
    }

    /// The children of a name that stand for no canonical item.
    fn plain_nodes(&self, parent: usize, name: &str) -> Vec<usize> {
        let children = self.written.tree.children_named(parent, name);
        children.filter(|it| !self.items.contains_key(it)).collect()
    }

    fn may_create(&self, parent: usize, (native, name): (&str, &str)) -> bool {
        let node = &self.written.tree.nodes[parent];
        let is_attribute = name.starts_with('@');
        // In XML, elements may stand beside a text; none is added to the text of a rule.
        let is_foreign = is_attribute || self.restored.contains(&parent);
        let is_text = !(node.text.is_empty() || self.format.is_xml && is_foreign);
        let has_content = is_text || node.file_index.is_some() || node.kind == NodeKind::EmptyList;
        let is_record = self.format.lists.iter().any(|it| it == native)
            && !self.written.inactive_lists.iter().any(|it| it == native);
        !has_content && !is_record
    }

    /// Creates the node at a position, and empty ones before it, so that it is not the first one,
    /// which a rule may read.
    fn create(
        &mut self,
        parent: usize,
        step: &PathStep,
        (existing, position): (&[usize], Option<usize>),
    ) -> Option<usize> {
        let tree = &mut *self.written.tree;
        let is_list = position.is_some();
        let missing = position.unwrap_or_default().checked_sub(existing.len())? + 1;
        if missing > LEFTOVERS_MAX || tree.nodes.len() + missing > NODES_MAX {
            return None;
        }
        if existing.iter().any(|it| tree.nodes[*it].kind == NodeKind::EmptyList) {
            return None;
        }
        existing.iter().filter(|_| is_list).for_each(|it| tree.nodes[*it].kind = NodeKind::Item);
        let mut node_id = None;
        for _ in 0..missing {
            let created = tree.add_child(parent, step.name.clone());
            if is_list {
                tree.nodes[created].kind = NodeKind::Item;
            }
            node_id = Some(created);
        }
        node_id
    }

    /// True for a path inside a record that only completes the item of another one.
    fn is_in_second_record(&self, steps: &[PathStep]) -> bool {
        let mut native = String::new();
        steps.iter().any(|step| {
            if !native.is_empty() {
                native.push('/');
            }
            native.push_str(&step.name);
            matches!(step.position, StepPosition::Item(..))
                && self.format.second_records.contains(&native)
        })
    }

    /// True for a node without text, file or child elements. In XML a text may stand before child
    /// elements.
    fn is_unused(&self, node_id: usize) -> bool {
        let tree = &*self.written.tree;
        let node = &tree.nodes[node_id];
        let is_attribute = |it: usize| tree.nodes[it].name.starts_with('@');
        node.text.is_empty()
            && node.file_index.is_none()
            && node.kind != NodeKind::EmptyList
            && (self.format.is_xml || tree.children(node_id).all(is_attribute))
    }
}
