//! Which leftovers a receiver will not see: those of another format, those that cannot be put back,
//! and those that are never carried.

use std::collections::HashMap;

use proto::canonical::v1::{Canonical, Leftover, Leftovers, leftover::Why};
use proto::message::v1::{Loss, loss};

use crate::unmapped::owner::{FormatIdentity, leftovers_of};

/// The losses among the leftovers of a message. `written` has the leftovers of what was written.
///
/// Their paths are `leftovers[FORMAT].NATIVE PATH`, because no canonical field has the value.
pub(crate) fn lost_leftovers(
    canonical: &Canonical,
    written: Option<&Leftovers>,
    format: FormatIdentity<'_>,
) -> Vec<Loss> {
    let mut kept: HashMap<(&str, &str), usize> = HashMap::new();
    for it in written.iter().flat_map(|it| &it.items).filter(|it| is_carried(it)) {
        *kept.entry((&it.at, &it.raw)).or_default() += 1;
    }
    let mut lost = Vec::new();
    for leftovers in leftovers_of(canonical) {
        let is_own = leftovers.format == format.name && leftovers.version == format.version;
        for it in &leftovers.items {
            let copies = kept.get_mut(&(it.at.as_str(), it.raw.as_str()));
            match copies.filter(|it| is_own && **it > 0) {
                Some(copies) if is_carried(it) => *copies -= 1,
                _ => lost.push(new_loss(&leftovers.format, it)),
            }
        }
    }
    lost
}

fn is_carried(item: &Leftover) -> bool {
    item.why() != Why::NotCarried
}

fn new_loss(format: &str, item: &Leftover) -> Loss {
    let reason = match item.why() {
        Why::Unknown | Why::Unspecified => "unmapped",
        Why::Invalid => "unreadable",
        Why::Spelling => "as-written",
        Why::Other => "second-value",
        Why::NotCarried => "not-carried",
    };
    Loss {
        kind: loss::Kind::Lost.into(),
        path: format!("leftovers[{format}].{}", item.at),
        reason: reason.to_owned(),
        value: String::new(),
    }
}
