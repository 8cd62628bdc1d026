//! Unmapped native texts: no rule names their node, or no converter could read them. The message
//! carries them as the contract's leftovers, and the same format writes them back.
//!
//! A leftover is bound to the canonical item whose record it stands in, never to a native index:
//! empty records are dropped, records are joined, and lists are written in canonical order, so that
//! a native index names another record on the way back.

mod collect;
mod compare;
mod owner;
mod path;
mod restore;

use std::collections::HashSet;

use proto::canonical::v1::{Canonical, leftover::Why};

pub(crate) use collect::{CollectedRecord, check_outside, collect_leftovers};
pub(crate) use compare::lost_leftovers;
pub(crate) use owner::{FormatIdentity, leftovers_of};
pub(crate) use path::is_xml_name;
pub(crate) use restore::{WrittenTree, restore_leftovers};

/// Canonical paths of the values that no converter could read. They are not absent, so nothing else
/// may be written in their place. In a list only those of another format count: leftovers of this one
/// are written back to the items they belong to.
pub(crate) fn unread_paths<'c>(
    canonical: &'c Canonical,
    format: FormatIdentity<'_>,
) -> HashSet<&'c str> {
    let mut paths = HashSet::new();
    for leftovers in leftovers_of(canonical) {
        let is_own = leftovers.format == format.name && leftovers.version == format.version;
        let unread = leftovers.items.iter().filter(|it| it.why() == Why::Invalid);
        let is_other = |it: &&str| !(it.is_empty() || is_own && it.contains("[]"));
        paths.extend(unread.map(|it| it.of.as_str()).filter(is_other));
    }
    paths
}
