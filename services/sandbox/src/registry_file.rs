//! The registry file of the simulated agencies.

use crate::profile::AgencyProfile;

/// The text of a registry file with these agencies, each with the hash of its token
/// (`token_sha256`), and with a right that lets every agency send documents and statuses to every
/// other.
pub fn registry_yaml<'a>(
    agencies: impl IntoIterator<Item = (&'a AgencyProfile, String)> + Clone,
    name_suffix: &str,
) -> String {
    let mut text = String::from("organisations:\n");
    for (it, _) in agencies.clone() {
        text.push_str(&format!(
            "  - {{key: {}{name_suffix}, name: \"{}\", codes: [\"{}\", \"{}\"]}}\n",
            it.key, it.name, it.code, it.old_code
        ));
    }
    text.push_str(
        "rights:\n  - {from: \"*\", to: \"*\", types: [document, status]}\napplications:\n",
    );
    for (it, token_sha256) in agencies {
        let (documents, statuses) = (it.software.document_format(), it.software.status_format());
        text.push_str(&format!(
            "  - id: {}{name_suffix}\n    organisation: {}{name_suffix}\n    \
             gives: [{documents}, {statuses}]\n    \
             takes: {{document: {documents}, status: {statuses}, \
             delivery_report: delivery.report}}\n    \
             token_sha256: [\"{token_sha256}\"]\n",
            it.application, it.key
        ));
    }
    text
}
