//! Unmapped native texts: no rule names their node, or no converter could read them. The message
//! carries them as the contract's leftovers, and the same format writes them back.
//!
//! A leftover is bound to the canonical item whose record it stands in, never to a native index:
//! empty records are dropped, records are joined, and lists are written in canonical order, so that
//! a native index names another record on the way back.

mod collect;
mod compare;
mod path;
mod restore;

use std::collections::HashSet;

use proto::canonical::v1::{Canonical, Leftovers, canonical::Body, leftover::Why};

pub(crate) use collect::{CollectedRecord, check_outside, collect_leftovers};
pub(crate) use compare::lost_leftovers;
pub(crate) use path::is_xml_name;
pub(crate) use restore::{WrittenTree, restore_leftovers};

/// The format that leftovers belong to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FormatIdentity<'f> {
    pub(crate) name: &'f str,
    pub(crate) version: u32,
    pub(crate) is_xml: bool,
    /// Native paths of repeated nodes. Leftovers create no further record of them.
    pub(crate) lists: &'f [String],
    /// Those among them whose records complete the items of another list rule.
    pub(crate) second_records: &'f [String],
}

/// The leftovers of a message, by format.
pub(crate) fn leftovers_of(canonical: &Canonical) -> &[Leftovers] {
    match &canonical.body {
        Some(Body::Document(it)) => &it.leftovers,
        Some(Body::Status(it)) => &it.leftovers,
        Some(Body::DeliveryReport(it)) => &it.leftovers,
        Some(Body::Receipt(_)) | None => &[],
    }
}

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
