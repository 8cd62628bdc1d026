//! Paths of leftovers: the native names from a record to a node.
//!
//! A step is a name, followed by `[list.index]` where the node stands for an item of a canonical
//! list (`TraceHeader[trace.1]`), or by `[position]` among the siblings of that name that stand for
//! none.

use std::collections::HashMap;

use crate::limits::DEPTH_MAX;
use crate::tree::{CanonicalItem, ItemBindings, NodeKind, Tree, escape_name, unescape_name};
use crate::unmapped::owner::FormatIdentity;

/// Where a node stands among the siblings of its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StepPosition {
    /// Among those that stand for no canonical item.
    Plain(Option<usize>),
    /// The record of this item of this canonical list.
    Item(String, usize),
}

/// A step of a leftover's path.
#[derive(Debug)]
pub(super) struct PathStep {
    pub(super) name: String,
    pub(super) position: StepPosition,
}

/// The paths of the leftovers of a tree.
pub(super) struct LeftoverPaths<'t, 'a> {
    tree: &'t Tree<'a>,
    items: HashMap<usize, CanonicalItem>,
    /// Positions of nodes that stand for no item; computed for all siblings of a name at once.
    positions: HashMap<usize, Option<usize>>,
}

impl<'t, 'a> LeftoverPaths<'t, 'a> {
    pub(super) fn new(tree: &'t Tree<'a>, bindings: &ItemBindings) -> Self {
        Self { tree, items: bindings.by_node(), positions: HashMap::new() }
    }

    /// The path of a node from the node of its record.
    pub(super) fn path(&mut self, record: usize, mut node_id: usize) -> String {
        let tree = self.tree;
        let mut steps = Vec::new();
        while node_id != 0 && node_id != record {
            let node = &tree.nodes[node_id];
            let name = escape_name(&node.name);
            let item = self.items.get(&node_id).copied();
            steps.push(match item {
                Some((list, index)) => format!("{name}[{list}.{index}]"),
                None => match self.position(node_id) {
                    Some(position) => format!("{name}[{position}]"),
                    None => name.into_owned(),
                },
            });
            node_id = node.parent;
        }
        steps.reverse();
        steps.join("/")
    }

    /// The position of a node that stands for no item; none where there is no other of its name. A
    /// node that a rule names is first, because the writer puts it there.
    fn position(&mut self, node_id: usize) -> Option<usize> {
        if let Some(known) = self.positions.get(&node_id) {
            return *known;
        }
        let node = &self.tree.nodes[node_id];
        let siblings = self.tree.children_named(node.parent, &node.name);
        let plain: Vec<usize> = siblings.filter(|it| !self.items.contains_key(it)).collect();
        let is_mapped = |it: &usize| self.tree.nodes[*it].is_mapped.get();
        let (mapped, other): (Vec<usize>, Vec<usize>) = plain.into_iter().partition(is_mapped);
        let is_single = mapped.len() + other.len() == 1;
        for (position, it) in mapped.into_iter().chain(other).enumerate() {
            let is_item = self.tree.nodes[it].kind == NodeKind::Item;
            self.positions.insert(it, (is_item || !is_single).then_some(position));
        }
        self.positions.get(&node_id).copied().flatten()
    }
}

/// Parses a leftover's path; none when it is malformed or has names that the syntax forbids,
/// because a sender may write any text there.
pub(super) fn parse_path(path: &str, format: FormatIdentity<'_>) -> Option<Vec<PathStep>> {
    let steps: Option<Vec<PathStep>> = path.split('/').map(parse_step).collect();
    let steps = steps.filter(|it| it.len() < DEPTH_MAX)?;
    let (last, parents) = steps.split_last()?;
    let is_name = |it: &str| if format.is_xml { is_qualified_name(it) } else { !it.is_empty() };
    let last = last.name.strip_prefix('@').filter(|_| format.is_xml).unwrap_or(&last.name);
    (is_name(last) && parents.iter().all(|it| is_name(&it.name))).then_some(steps)
}

fn parse_step(step: &str) -> Option<PathStep> {
    let Some((name, rest)) = step.split_once('[') else {
        return Some(PathStep { name: unescape_name(step), position: StepPosition::Plain(None) });
    };
    let position = rest.strip_suffix(']')?;
    let position = match position.split_once('.') {
        Some((list, index)) => StepPosition::Item(list.to_owned(), index.parse().ok()?),
        None => StepPosition::Plain(Some(position.parse().ok()?)),
    };
    Some(PathStep { name: unescape_name(name), position })
}

/// True for the name of an element or attribute, in the format's namespace or, as `{namespace}name`,
/// in another one.
fn is_qualified_name(name: &str) -> bool {
    match name.strip_prefix('{').and_then(|it| it.split_once('}')) {
        Some((namespace, local)) => !namespace.is_empty() && is_xml_name(local),
        None => is_xml_name(name),
    }
}

/// True for an XML name without a prefix. Names that begin with `xml` are reserved (XML 1.0, section
/// 2.3).
pub(crate) fn is_xml_name(name: &str) -> bool {
    let is_first = |it: char| it.is_alphabetic() || it == '_';
    name.starts_with(is_first)
        && name.chars().all(|it| is_first(it) || it.is_numeric() || it == '-' || it == '.')
        && !name.to_ascii_lowercase().starts_with("xml")
}
