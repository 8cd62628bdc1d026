//! Places a description does not name: kept as they were, and put back into the same format.

use std::borrow::Cow;
use std::collections::HashSet;

use proto::canonical::v1::{Canonical, Leftover, Leftovers, canonical::Body, leftover::Why};
use proto::message::v1::Finding;
use unicode_normalization::UnicodeNormalization as _;

use crate::limits::{DEPTH_MAX, FINDINGS_MAX, LEFTOVER_BYTES_MAX, LEFTOVERS_MAX};
use crate::tree::{Kind, Tree, plain};
use crate::write::writable;

/// A format as leftovers know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'f> {
    pub(crate) name: &'f str,
    pub(crate) version: u32,
    pub(crate) is_xml: bool,
    /// Native paths of repeated places; leftovers make no records of these.
    pub(crate) lists: &'f [String],
}

/// What no line read, or no converter could; `ignored` places are left out.
pub(crate) fn collect(
    tree: &Tree<'_>,
    record: usize,
    (invalid, ignored): (&[usize], &[String]),
    owner: Owner<'_>,
) -> (Option<Leftovers>, Vec<Finding>) {
    let is_hidden = |it: &usize| ignored.iter().any(|name| tree.nodes[*it].name == name.as_str());
    (0..tree.nodes.len()).filter(is_hidden).for_each(|it| tree.read_all(it));
    let invalid = invalid.iter().copied().collect();
    let mut kept =
        Kept { tree, record, invalid, items: Vec::new(), findings: Vec::new(), left: Vec::new() };
    kept.node(record);
    kept.children(record);
    kept.too_many();
    let leftovers =
        Leftovers { format: owner.name.to_owned(), version: owner.version, items: kept.items };
    ((!leftovers.items.is_empty()).then_some(leftovers), kept.findings)
}

struct Kept<'t, 'a> {
    tree: &'t Tree<'a>,
    record: usize,
    invalid: HashSet<usize>,
    items: Vec<Leftover>,
    findings: Vec<Finding>,
    /// Places that are not kept.
    left: Vec<usize>,
}

impl Kept<'_, '_> {
    fn children(&mut self, place: usize) {
        let tree = self.tree;
        // Names that were read before the place that is looked at.
        let mut read = None;
        for child in tree.children(place) {
            let node = &tree.nodes[child];
            let is_second = !node.read.get() && !node.seen.get() && {
                let read = read.get_or_insert_with(|| names_read(tree, place, child));
                read.contains(node.name.as_ref())
            };
            if let (true, Some(read)) = (node.read.get(), &mut read) {
                read.insert(node.name.as_ref());
            }
            if is_second {
                self.finding(
                    child,
                    "Chỉ giá trị đầu được đọc; giá trị này giữ nguyên văn.",
                    "Only the first value is read; this one is kept as it was.",
                );
            }
            self.node(child);
            self.children(child);
        }
    }

    fn node(&mut self, place: usize) {
        let node = &self.tree.nodes[place];
        let text = node.text.trim();
        let is_invalid = self.invalid.contains(&place);
        if text.is_empty() || (node.read.get() && !is_invalid) {
            return;
        }
        if node.seen.get() && !is_invalid {
            self.finding(
                place,
                "Ở đây không đọc chữ; giữ nguyên văn.",
                "No text is read here; it is kept as it was.",
            );
        }
        // Who looks for secrecy marks must see every place that may be one.
        let is_kept = (self.items.len() < LEFTOVERS_MAX && text.len() <= LEFTOVER_BYTES_MAX)
            || may_be_mark(&node.name);
        if !is_kept {
            self.left.push(place);
            return;
        }
        let raw = text.chars().scan(0, |size, it| {
            *size += it.len_utf8();
            (*size <= LEFTOVER_BYTES_MAX).then_some(it)
        });
        self.items.push(Leftover {
            at: self.tree.path_within(self.record, place),
            raw: raw.collect(),
            why: if is_invalid { Why::Invalid } else { Why::Unknown }.into(),
            of: String::new(),
        });
    }

    fn too_many(&mut self) {
        let Some(first) = self.left.first().copied() else { return };
        let count = self.left.len();
        let vi = format!("{count} chỗ không có trong mô tả và không giữ lại, từ chỗ này.");
        let en = format!("{count} places are not in the description and not kept, from this one.");
        self.finding(first, &vi, &en);
    }

    fn finding(&mut self, place: usize, vi: &str, en: &str) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding {
                code: "LT-MAP-022".to_owned(),
                field: self.tree.path(place),
                text_vi: vi.to_owned(),
                text_en: en.to_owned(),
            });
        }
    }
}

/// Names of parts that were read and stand before one of them.
fn names_read<'t>(tree: &'t Tree<'_>, place: usize, before: usize) -> HashSet<&'t str> {
    let parts = tree.children(place).take_while(|it| *it != before).map(|it| &tree.nodes[it]);
    parts.filter(|it| it.read.get()).map(|it| it.name.as_ref()).collect()
}

/// True for names that formats give to secrecy marks.
fn may_be_mark(name: &str) -> bool {
    let folded: String = name
        .nfd()
        .flat_map(char::to_lowercase)
        .map(|it| if it == 'đ' { 'd' } else { it })
        .filter(char::is_ascii_alphanumeric)
        .collect();
    ["secre", "domat", "intmat", "mucmat", "securitylevel", "classif"]
        .iter()
        .any(|it| folded.contains(it))
}

/// Leftovers of this very format go back where they were, if the place is still free.
pub(crate) fn put_back<'w>(tree: &mut Tree<'w>, canonical: &'w Canonical, owner: Owner<'_>) {
    let all = match &canonical.body {
        Some(Body::Document(it)) => &it.leftovers,
        Some(Body::Status(it)) => &it.leftovers,
        Some(Body::Receipt(_)) | None => return,
    };
    let own = all.iter().filter(|it| it.format == owner.name && it.version == owner.version);
    for item in own.flat_map(|it| &it.items) {
        let Some(text) = writable(Cow::Borrowed(item.raw.as_str())) else { continue };
        let Some(place) = steps(&item.at, owner).and_then(|it| reach(tree, &it, owner)) else {
            continue;
        };
        if is_free(tree, place) {
            tree.nodes[place].text = text;
        }
    }
}

/// A step of a leftover's path: a name, and which of several.
struct Step {
    name: String,
    number: Option<usize>,
}

/// The steps of a path; none when it is not one of this syntax.
fn steps(path: &str, owner: Owner<'_>) -> Option<Vec<Step>> {
    let steps: Option<Vec<Step>> = path
        .split('/')
        .map(|step| {
            let (name, number) = match step.split_once('[') {
                Some((name, rest)) => (name, Some(rest.strip_suffix(']')?.parse().ok()?)),
                None => (step, None),
            };
            Some(Step { name: plain(name), number })
        })
        .collect();
    let steps = steps.filter(|it| it.len() < DEPTH_MAX)?;
    let (last, way) = steps.split_last()?;
    let is_name = |it: &str| if owner.is_xml { is_xml_name(it) } else { !it.is_empty() };
    let last = last.name.strip_prefix('@').filter(|_| owner.is_xml).unwrap_or(&last.name);
    (is_name(last) && way.iter().all(|it| is_name(&it.name))).then_some(steps)
}

/// A name without a prefix that needs no escaping.
pub(crate) fn is_xml_name(name: &str) -> bool {
    let is_first = |it: char| it.is_alphabetic() || it == '_';
    name.starts_with(is_first)
        && name.chars().all(|it| is_first(it) || it.is_numeric() || it == '-' || it == '.')
        && !name.to_ascii_lowercase().starts_with("xml")
}

/// The place of a path. What is missing of it is made, but for records of lists, and never inside
/// what has a text.
fn reach(tree: &mut Tree<'_>, steps: &[Step], owner: Owner<'_>) -> Option<usize> {
    let (mut place, mut native) = (0, String::new());
    for step in steps {
        if !native.is_empty() {
            native.push('/');
        }
        native.push_str(&step.name);
        let found = tree.named(place, &step.name).nth(step.number.unwrap_or_default());
        if let Some(found) = found {
            place = found;
            continue;
        }
        let holder = &tree.nodes[place];
        let is_attribute = step.name.starts_with('@') && owner.is_xml;
        let is_closed = holder.file.is_some()
            || holder.kind == Kind::NoItems
            || (!holder.text.is_empty() && !is_attribute);
        if is_closed || owner.lists.contains(&native) {
            return None;
        }
        place = tree.add(place, step.name.clone());
        if step.number.is_some() {
            tree.nodes[place].kind = Kind::Item;
        }
    }
    Some(place)
}

fn is_free(tree: &Tree<'_>, place: usize) -> bool {
    let node = &tree.nodes[place];
    let is_attribute = |it: usize| tree.nodes[it].name.starts_with('@');
    node.text.is_empty()
        && node.file.is_none()
        && node.kind != Kind::NoItems
        && tree.children(place).all(is_attribute)
}
