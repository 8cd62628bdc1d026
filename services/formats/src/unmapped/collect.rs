//! Collects the unmapped texts of a record.

use std::collections::{HashMap, HashSet};

use proto::canonical::v1::{Leftover, Leftovers, leftover::Why};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::Finding;
use secrecy_marks::{SecrecyMark, find_in_field};

use crate::limits::{FINDINGS_MAX, LEFTOVER_BYTES_MAX, LEFTOVERS_MAX};
use crate::tree::{ItemBindings, Tree};
use crate::unmapped::owner::FormatIdentity;
use crate::unmapped::path::LeftoverPaths;

/// A record that was read, and what its reader noted of the nodes.
#[derive(Clone, Copy)]
pub(crate) struct CollectedRecord<'r> {
    pub(crate) record: usize,
    /// Nodes whose text no converter could read, with the canonical path.
    pub(crate) unreadable: &'r [(usize, &'r str)],
    /// Nodes with a second, differing value for a field.
    pub(crate) others: &'r [usize],
    /// Nodes whose text says more than the model holds of it, with the canonical path.
    pub(crate) spellings: &'r [(usize, &'r str)],
    pub(crate) bindings: &'r ItemBindings,
    /// Names of nodes that are not carried.
    pub(crate) ignored: &'r [String],
}

/// Collects the unmapped texts of a record. Ignored nodes are not carried: each leaves a note of its
/// place, so that their loss is reported.
pub(crate) fn collect_leftovers(
    tree: &Tree<'_>,
    read: CollectedRecord<'_>,
    format: FormatIdentity<'_>,
) -> (Option<Leftovers>, Vec<Finding>) {
    let is_ignored = |it: &usize| {
        let local = local_name(&tree.nodes[*it].name);
        read.ignored.iter().any(|name| name == local)
    };
    let ignored: Vec<usize> = match read.ignored {
        [] => Vec::new(),
        _ => (0..tree.nodes.len()).filter(is_ignored).collect(),
    };
    ignored.iter().for_each(|it| tree.mark_read(*it));
    let mut reasons: HashMap<usize, (Why, &str)> = HashMap::new();
    reasons.extend(read.unreadable.iter().map(|(it, of)| (*it, (Why::Invalid, *of))));
    reasons.extend(read.others.iter().map(|it| (*it, (Why::Other, ""))));
    reasons.extend(read.spellings.iter().map(|(it, of)| (*it, (Why::Spelling, *of))));
    let mut collector = Collector {
        tree,
        read,
        reasons,
        paths: None,
        items: Vec::new(),
        findings: Vec::new(),
        dropped: Vec::new(),
    };
    collector.collect_node(read.record);
    collector.collect_children(read.record);
    ignored.iter().for_each(|it| collector.collect_marks(*it));
    collector.note_not_carried(&ignored);
    collector.report_dropped();
    let leftovers = Leftovers {
        format: format.name.to_owned(),
        version: format.version,
        items: collector.items,
    };
    ((!leftovers.items.is_empty()).then_some(leftovers), collector.findings)
}

struct Collector<'t, 'a> {
    tree: &'t Tree<'a>,
    read: CollectedRecord<'t>,
    /// Why a node that a rule read is a leftover all the same.
    reasons: HashMap<usize, (Why, &'t str)>,
    /// Built for the first leftover.
    paths: Option<LeftoverPaths<'t, 'a>>,
    items: Vec<Leftover>,
    findings: Vec<Finding>,
    /// Nodes beyond the bounds.
    dropped: Vec<usize>,
}

impl Collector<'_, '_> {
    fn collect_children(&mut self, node_id: usize) {
        let tree = self.tree;
        // Names of siblings that a rule names; computed only when an unmapped node is found.
        let mut mapped_names = None;
        for child in tree.children(node_id) {
            let node = &tree.nodes[child];
            let is_unmapped = !node.is_read.get() && !node.is_mapped.get();
            let is_repeated = is_unmapped && {
                let names = mapped_names.get_or_insert_with(|| mapped_names_in(tree, node_id));
                names.contains(node.name.as_ref())
            };
            if is_repeated && tree.says_something(child) {
                self.report_finding(
                    child,
                    "Chỉ giá trị đầu được đọc; giá trị này giữ nguyên văn.",
                    "Only the first value is read; this one is kept as it was.",
                );
            }
            self.collect_node(child);
            self.collect_children(child);
        }
    }

    fn collect_node(&mut self, node_id: usize) {
        let node = &self.tree.nodes[node_id];
        let text = node.text.trim();
        let reason = self.reasons.get(&node_id).copied();
        if text.is_empty() || (node.is_read.get() && reason.is_none()) {
            return;
        }
        if node.is_mapped.get() && reason.is_none() {
            self.report_finding(
                node_id,
                "Ở đây không đọc chữ; giữ nguyên văn.",
                "No text is read here; it is kept as it was.",
            );
        }
        let reason = reason.unwrap_or((Why::Unknown, ""));
        // The bounds do not apply to secrecy marks: the mapping service refuses them all, wherever
        // they stand in the item.
        let is_within = self.items.len() < LEFTOVERS_MAX && text.len() <= LEFTOVER_BYTES_MAX;
        let is_known = reason.0 != Why::Unknown;
        if !is_within && find_mark(self.tree, node_id, is_known).is_none() {
            self.dropped.push(node_id);
            return;
        }
        self.push_item(node_id, reason);
    }

    fn path_of(&mut self, node_id: usize) -> String {
        let (tree, read) = (self.tree, self.read);
        let paths = self.paths.get_or_insert_with(|| LeftoverPaths::new(tree, read.bindings));
        paths.path(read.record, node_id)
    }

    fn push_item(&mut self, node_id: usize, (why, of): (Why, &str)) {
        let at = self.path_of(node_id);
        let node = &self.tree.nodes[node_id];
        self.items.push(Leftover {
            at,
            raw: node.text.trim().to_owned(),
            why: why.into(),
            of: of.to_owned(),
            is_literal: node.is_literal,
        });
    }

    /// Notes the places of nodes whose content is not carried: ignored ones, and those beyond the
    /// bounds.
    fn note_not_carried(&mut self, ignored: &[usize]) {
        let tree = self.tree;
        let is_inside = |it: &usize| {
            let mut ancestor = tree.nodes[*it].parent;
            while ancestor != 0 && !ignored.contains(&ancestor) {
                ancestor = tree.nodes[ancestor].parent;
            }
            ancestor != 0
        };
        let outermost = ignored.iter().filter(|it| !is_inside(it) && tree.says_something(**it));
        let places: Vec<usize> =
            outermost.chain(&self.dropped).take(NOT_CARRIED_MAX).copied().collect();
        for node_id in places {
            let at = self.path_of(node_id);
            self.items.push(Leftover { at, why: Why::NotCarried.into(), ..Leftover::default() });
        }
    }

    /// Collects the secrecy marks inside a node that the description ignores, so that they are
    /// refused.
    fn collect_marks(&mut self, node_id: usize) {
        if find_mark(self.tree, node_id, false).is_some() {
            self.push_item(node_id, (Why::Unknown, ""));
        }
        let tree = self.tree;
        tree.children(node_id).for_each(|it| self.collect_marks(it));
    }

    fn report_dropped(&mut self) {
        let Some(first) = self.dropped.first().copied() else { return };
        let count = self.dropped.len();
        let vi = format!("{count} chỗ không có trong mô tả và không giữ lại, từ chỗ này.");
        let en = format!("{count} places are not in the description and not kept, from this one.");
        self.report_finding(first, &vi, &en);
    }

    fn report_finding(&mut self, node_id: usize, vi: &str, en: &str) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding {
                code: "LT-MAP-022".to_owned(),
                field: self.tree.path(node_id),
                text_vi: vi.to_owned(),
                text_en: en.to_owned(),
            });
        }
    }
}

/// Places of content that is not carried that a message notes.
const NOT_CARRIED_MAX: usize = 50;

/// Names of the children that a rule names.
fn mapped_names_in<'t>(tree: &'t Tree<'_>, node_id: usize) -> HashSet<&'t str> {
    let children = tree.children(node_id).map(|it| &tree.nodes[it]);
    let is_mapped = |it: &&crate::tree::Node<'_>| it.is_mapped.get() || it.is_read.get();
    children.filter(is_mapped).map(|it| it.name.as_ref()).collect()
}

/// A name without the namespace that it may be in.
fn local_name(name: &str) -> &str {
    match name.strip_prefix('{').and_then(|it| it.split_once('}')) {
        Some((_, local)) => local,
        None => name,
    }
}

/// The secrecy mark of a node, by its name, the names around it, and its text.
fn find_mark(tree: &Tree<'_>, node_id: usize, is_known: bool) -> Option<SecrecyMark> {
    let node = &tree.nodes[node_id];
    let text = node.text.trim();
    if text.is_empty() {
        return None;
    }
    let mut names = Vec::new();
    let mut ancestor = node_id;
    while ancestor != 0 {
        names.push(local_name(&tree.nodes[ancestor].name));
        ancestor = tree.nodes[ancestor].parent;
    }
    find_in_field(names, text, is_known)
}

/// Refuses an item with a secrecy mark outside its records, where nothing is read.
///
/// # Errors
///
/// There is a mark. The fault names its path and quotes nothing.
pub(crate) fn check_outside(tree: &Tree<'_>, records: &[usize]) -> Result<(), Fault> {
    let mut is_inside = vec![false; tree.nodes.len()];
    for node_id in 0..tree.nodes.len() {
        // A node's parent comes before it.
        let parent = tree.nodes[node_id].parent;
        is_inside[node_id] =
            records.binary_search(&node_id).is_ok() || node_id > 0 && is_inside[parent];
        if !is_inside[node_id] && find_mark(tree, node_id, false).is_some() {
            return Err(Fault::new(&code::LT_MAP_007).violation(
                tree.path(tree.nodes[node_id].parent),
                "bên trong có dấu chỉ độ mật, hoặc độ mật không rõ",
                "bears a secrecy mark inside, or an unclear one",
            ));
        }
    }
    Ok(())
}
