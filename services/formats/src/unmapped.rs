//! Unmapped native texts: no rule names their node, or no converter could read them. The message
//! carries them as the contract's leftovers, and the same format writes them back.

use std::borrow::Cow;
use std::collections::HashSet;

use proto::canonical::v1::{Canonical, Leftover, Leftovers, canonical::Body, leftover::Why};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::Finding;
use secrecy_marks::{SecrecyMark, find_in_field};

use crate::convert::writable_text;
use crate::limits::{DEPTH_MAX, FINDINGS_MAX, LEFTOVER_BYTES_MAX, LEFTOVERS_MAX};
use crate::tree::{NodeKind, Tree, unescape_name};

/// The format that leftovers belong to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FormatIdentity<'f> {
    pub(crate) name: &'f str,
    pub(crate) version: u32,
    pub(crate) is_xml: bool,
    /// Native paths of repeated nodes. Leftovers create no further record of them.
    pub(crate) lists: &'f [String],
}

/// Collects the unmapped texts of a record, except those in `ignored` nodes.
pub(crate) fn collect_leftovers(
    tree: &Tree<'_>,
    record: usize,
    (unreadable, ignored): (&[usize], &[String]),
    format: FormatIdentity<'_>,
) -> (Option<Leftovers>, Vec<Finding>) {
    let is_ignored = |it: &usize| ignored.iter().any(|name| tree.nodes[*it].name == name.as_str());
    // Without ignored names, no record pays for the nodes of the others.
    let nodes = if ignored.is_empty() { 0..0 } else { 0..tree.nodes.len() };
    nodes.clone().filter(is_ignored).for_each(|it| tree.mark_read(it));
    let mut collector = Collector {
        tree,
        record,
        unreadable: unreadable.iter().copied().collect(),
        items: Vec::new(),
        findings: Vec::new(),
        dropped: Vec::new(),
    };
    collector.collect_node(record);
    collector.collect_children(record);
    nodes.filter(is_ignored).for_each(|it| collector.collect_marks(it));
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
    record: usize,
    unreadable: HashSet<usize>,
    items: Vec<Leftover>,
    findings: Vec<Finding>,
    /// Nodes beyond the bounds.
    dropped: Vec<usize>,
}

impl Collector<'_, '_> {
    fn collect_children(&mut self, node_id: usize) {
        let tree = self.tree;
        // Names of earlier siblings that a rule read; computed only when an unmapped node is found.
        let mut read_names = None;
        for child in tree.children(node_id) {
            let node = &tree.nodes[child];
            let is_repeated = !node.is_read.get() && !node.is_mapped.get() && {
                let names =
                    read_names.get_or_insert_with(|| names_read_before(tree, node_id, child));
                names.contains(node.name.as_ref())
            };
            if let (true, Some(names)) = (node.is_read.get(), &mut read_names) {
                names.insert(node.name.as_ref());
            }
            if is_repeated {
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
        let is_unreadable = self.unreadable.contains(&node_id);
        if text.is_empty() || (node.is_read.get() && !is_unreadable) {
            return;
        }
        if node.is_mapped.get() && !is_unreadable {
            self.report_finding(
                node_id,
                "Ở đây không đọc chữ; giữ nguyên văn.",
                "No text is read here; it is kept as it was.",
            );
        }
        // The bounds do not apply to secrecy marks: the mapping service refuses them all, wherever
        // they stand in the item.
        let is_within = self.items.len() < LEFTOVERS_MAX && text.len() <= LEFTOVER_BYTES_MAX;
        if !is_within && find_mark(self.tree, node_id, is_unreadable).is_none() {
            self.dropped.push(node_id);
            return;
        }
        self.push_item(node_id, is_unreadable);
    }

    fn push_item(&mut self, node_id: usize, is_unreadable: bool) {
        self.items.push(Leftover {
            at: self.tree.path_from(self.record, node_id),
            raw: self.tree.nodes[node_id].text.trim().to_owned(),
            why: if is_unreadable { Why::Invalid } else { Why::Unknown }.into(),
            of: String::new(),
        });
    }

    /// Collects the secrecy marks inside a node that the description ignores, so that they are
    /// refused.
    fn collect_marks(&mut self, node_id: usize) {
        if find_mark(self.tree, node_id, false).is_some() {
            self.push_item(node_id, false);
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

/// Names of children before `before` that a rule read.
fn names_read_before<'t>(tree: &'t Tree<'_>, node_id: usize, before: usize) -> HashSet<&'t str> {
    let siblings = tree.children(node_id).take_while(|it| *it != before).map(|it| &tree.nodes[it]);
    siblings.filter(|it| it.is_read.get()).map(|it| it.name.as_ref()).collect()
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
        names.push(tree.nodes[ancestor].name.as_ref());
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

/// Writes the leftovers of this format and version back to their nodes; a node that has content by
/// now stays as it is.
pub(crate) fn restore_leftovers<'w>(
    tree: &mut Tree<'w>,
    canonical: &'w Canonical,
    format: FormatIdentity<'_>,
) {
    let leftovers = match &canonical.body {
        Some(Body::Document(it)) => &it.leftovers,
        Some(Body::Status(it)) => &it.leftovers,
        Some(Body::DeliveryReport(it)) => &it.leftovers,
        Some(Body::Receipt(_)) | None => return,
    };
    let own =
        leftovers.iter().filter(|it| it.format == format.name && it.version == format.version);
    for item in own.flat_map(|it| &it.items) {
        let Some(text) = writable_text(Cow::Borrowed(item.raw.as_str())) else { continue };
        let path = parse_path(&item.at, format);
        let Some(node_id) = path.and_then(|it| create_node(tree, &it, format)) else { continue };
        if is_unused(tree, node_id) {
            tree.nodes[node_id].text = text;
        }
    }
}

/// A step of a leftover's path: a name, and its index among the siblings of that name.
struct PathStep {
    name: String,
    index: Option<usize>,
}

/// Parses a leftover's path; none when it is malformed or has names that the syntax forbids,
/// because a sender may write any text there.
fn parse_path(path: &str, format: FormatIdentity<'_>) -> Option<Vec<PathStep>> {
    let steps: Option<Vec<PathStep>> = path
        .split('/')
        .map(|step| {
            let (name, index) = match step.split_once('[') {
                Some((name, rest)) => (name, Some(rest.strip_suffix(']')?.parse().ok()?)),
                None => (step, None),
            };
            Some(PathStep { name: unescape_name(name), index })
        })
        .collect();
    let steps = steps.filter(|it| it.len() < DEPTH_MAX)?;
    let (last, parents) = steps.split_last()?;
    let is_name = |it: &str| if format.is_xml { is_xml_name(it) } else { !it.is_empty() };
    let last = last.name.strip_prefix('@').filter(|_| format.is_xml).unwrap_or(&last.name);
    (is_name(last) && parents.iter().all(|it| is_name(&it.name))).then_some(steps)
}

/// True for an XML name without a prefix. Names that begin with `xml` are reserved (XML 1.0, section
/// 2.3).
pub(crate) fn is_xml_name(name: &str) -> bool {
    let is_first = |it: char| it.is_alphabetic() || it == '_';
    name.starts_with(is_first)
        && name.chars().all(|it| is_first(it) || it.is_numeric() || it == '-' || it == '.')
        && !name.to_ascii_lowercase().starts_with("xml")
}

/// The node of a path; missing nodes are created. None when that would create a record of a list,
/// or a child inside a text or file.
fn create_node(
    tree: &mut Tree<'_>,
    steps: &[PathStep],
    format: FormatIdentity<'_>,
) -> Option<usize> {
    let (mut node_id, mut native) = (0, String::new());
    for step in steps {
        if !native.is_empty() {
            native.push('/');
        }
        native.push_str(&step.name);
        let found = tree.children_named(node_id, &step.name).nth(step.index.unwrap_or_default());
        if let Some(found) = found {
            node_id = found;
            continue;
        }
        let parent = &tree.nodes[node_id];
        let is_attribute = step.name.starts_with('@') && format.is_xml;
        let has_content = parent.file_index.is_some()
            || parent.kind == NodeKind::EmptyList
            || (!parent.text.is_empty() && !is_attribute);
        if has_content || format.lists.contains(&native) {
            return None;
        }
        node_id = tree.add_child(node_id, step.name.clone());
        if step.index.is_some() {
            tree.nodes[node_id].kind = NodeKind::Item;
        }
    }
    Some(node_id)
}

/// True for a node without text, file or child elements.
fn is_unused(tree: &Tree<'_>, node_id: usize) -> bool {
    let node = &tree.nodes[node_id];
    let is_attribute = |it: usize| tree.nodes[it].name.starts_with('@');
    node.text.is_empty()
        && node.file_index.is_none()
        && node.kind != NodeKind::EmptyList
        && tree.children(node_id).all(is_attribute)
}
