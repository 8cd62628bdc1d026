//! Places a description does not name: kept as they were, and put back into the same format.

use proto::canonical::v1::{Canonical, Leftover, Leftovers, canonical::Body, leftover::Why};

use crate::limits::{LEFTOVER_BYTES_MAX, LEFTOVERS_MAX};
use crate::tree::Tree;

/// A format as leftovers name it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'f> {
    pub(crate) name: &'f str,
    pub(crate) version: u32,
}

/// What no line named, or no converter could read; `ignored` places are left out.
pub(crate) fn collect(
    tree: &mut Tree<'_>,
    record: usize,
    (invalid, ignored): (&[usize], &[String]),
    owner: Owner<'_>,
) -> Option<Leftovers> {
    let hidden: Vec<usize> = (0..tree.nodes.len())
        .filter(|it| ignored.iter().any(|name| tree.nodes[*it].name == name.as_str()))
        .collect();
    for place in hidden {
        tree.see_all(place);
    }
    let mut items = Vec::new();
    unnamed(tree, record, invalid, &mut items);
    let leftovers = Leftovers { format: owner.name.to_owned(), version: owner.version, items };
    (!leftovers.items.is_empty()).then_some(leftovers)
}

/// Leftovers of this very format go back where they were, if the place is still free.
pub(crate) fn put_back(tree: &mut Tree<'static>, canonical: &Canonical, owner: Owner<'_>) {
    let all = match &canonical.body {
        Some(Body::Document(it)) => &it.leftovers,
        Some(Body::Status(it)) => &it.leftovers,
        Some(Body::Receipt(_)) | None => return,
    };
    let own = all.iter().filter(|it| it.format == owner.name && it.version == owner.version);
    for item in own.flat_map(|it| &it.items) {
        let Some((parent, name)) = item.at.rsplit_once('/') else {
            if tree.named(0, &item.at).next().is_none() && !item.at.contains('[') {
                let place = tree.add(0, item.at.clone());
                tree.nodes[place].text = item.raw.clone().into();
            }
            continue;
        };
        let Some(parent) = numbered(tree, parent) else { continue };
        let name = name.split('[').next().unwrap_or_default().to_owned();
        let found = tree.named(parent, &name).next();
        let is_free = found
            .is_none_or(|it| tree.nodes[it].text.is_empty() && tree.nodes[it].children.is_empty());
        if is_free {
            let place = found.unwrap_or_else(|| tree.add(parent, name));
            tree.nodes[place].text = item.raw.clone().into();
        }
    }
}

/// Places with a text that no line of the description named, or whose text could not be read.
fn unnamed(tree: &Tree<'_>, place: usize, invalid: &[usize], into: &mut Vec<Leftover>) {
    for child in &tree.nodes[place].children {
        if into.len() >= LEFTOVERS_MAX {
            return;
        }
        let node = &tree.nodes[*child];
        let is_invalid = invalid.contains(child);
        let has_text = !node.text.trim().is_empty() && node.children.is_empty();
        if has_text && (is_invalid || !node.seen) && node.text.len() <= LEFTOVER_BYTES_MAX {
            into.push(Leftover {
                at: tree.path(*child),
                raw: node.text.trim().to_owned(),
                why: if is_invalid { Why::Invalid } else { Why::Unknown }.into(),
                of: String::new(),
            });
        }
        unnamed(tree, *child, invalid, into);
    }
}

/// The place of a path with numbers; none when any part of it is missing.
fn numbered(tree: &Tree<'_>, path: &str) -> Option<usize> {
    let mut place = 0;
    for step in path.split('/') {
        let (name, number) = match step.split_once('[') {
            Some((name, rest)) => (name, rest.trim_end_matches(']').parse().ok()?),
            None => (step, 0),
        };
        place = tree.named(place, name).nth(number)?;
    }
    Some(place)
}
