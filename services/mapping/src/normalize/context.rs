//! What a normalization depends on besides the item, and conversions that its checks share.

use proto::canonical::v1::{Canonical, Organisation, OrganisationId};
use proto::fault::Code;
use proto::fault::v1::Fault;
use proto::message::v1::Organisation as RegisteredOrganisation;
use registry_client::Directory;

/// The caller of a normalization, and the state it is decided by.
#[derive(Clone, Copy)]
pub(crate) struct NormalizeContext<'a> {
    /// Directory key of the organisation that the caller was authenticated as.
    pub(crate) sender: &'a str,
    /// Codes that replace the recipients in the message; empty: the message's own count.
    pub(crate) recipients: &'a [String],
    /// The registry's snapshot.
    pub(crate) directory: &'a Directory,
    /// Today in Vietnam, `yyyy-mm-dd`.
    pub(crate) day: &'a str,
    /// Converts a canonical path to the path in the sender's own format.
    pub(crate) native_path: &'a dyn Fn(&str) -> String,
    /// What a message lacks to be written in a format, with canonical paths.
    pub(crate) find_missing: &'a dyn Fn(&str, &Canonical) -> Option<Fault>,
}

/// A registered organisation as the canonical model writes it: by its first code, which the
/// registry lists first because it is the current one.
pub(super) fn to_canonical(registered: &RegisteredOrganisation) -> Organisation {
    Organisation {
        ids: registered
            .codes
            .iter()
            .take(1)
            .map(|it| OrganisationId {
                scheme: it.scheme.clone(),
                value: it.value.clone(),
                ..OrganisationId::default()
            })
            .collect(),
        name: registered.name.clone(),
        directory_key: registered.key.clone(),
        ..Organisation::default()
    }
}

/// The first code that is not empty.
pub(super) fn first_code(organisation: Option<&Organisation>) -> Option<String> {
    organisation?.ids.iter().map(|it| &it.value).find(|it| !it.is_empty()).cloned()
}

/// The fault of an organisation that is not in force, naming its successor.
pub(super) fn not_in_force(organisation: &RegisteredOrganisation, code: Code) -> Fault {
    let successor = match organisation.successor.as_str() {
        "" => "-",
        successor => successor,
    };
    Fault::new(code).param("organisation", &organisation.key).param("successor", successor)
}
