//! Whose leftovers they are: the format, and the leftovers of a message by format.

use proto::canonical::v1::{Canonical, Leftovers, canonical::Body};

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
