//! From a folder to a snapshot, or to all of its mistakes.

use std::path::Path;

use prost::Message as _;
use proto::registry::v1::Snapshot;
use sha2::{Digest as _, Sha256};

use crate::consistency::check_consistency;
use crate::mistake::Mistake;
use crate::parse::{ParsedFolder, parse_file};
use crate::yaml_files::read_texts;

/// Reads every `.yaml` and `.yml` file of a folder and its subfolders. With `formats`, every format
/// that an application gives or takes must be one of them.
///
/// # Errors
///
/// Every mistake in every file, ordered by file and line.
pub fn check(folder: &Path, formats: Option<&[String]>) -> Result<Snapshot, Vec<Mistake>> {
    let mut parsed = ParsedFolder::default();
    for (name, text) in read_texts(folder, &mut parsed.mistakes) {
        parse_file(&name, &text, &mut parsed);
    }
    check_consistency(&mut parsed, formats);
    if parsed.mistakes.is_empty() {
        return Ok(to_snapshot(parsed));
    }
    parsed.mistakes.sort_by(|left, right| (&left.file, left.line).cmp(&(&right.file, right.line)));
    Err(parsed.mistakes)
}

/// The revision is the digest of the content, so that an unchanged folder has the same revision
/// after a restart, and watchers receive nothing.
fn to_snapshot(parsed: ParsedFolder) -> Snapshot {
    let mut snapshot = Snapshot {
        revision: String::new(),
        organisations: parsed.organisations.into_iter().map(|(_, it)| it).collect(),
        applications: parsed.applications.into_iter().map(|(_, it)| it).collect(),
        rights: parsed.rights.into_iter().map(|(_, it)| it).collect(),
        code_lists: parsed.code_lists.into_iter().map(|(_, it)| it).collect(),
    };
    snapshot.revision = hex::encode(Sha256::digest(snapshot.encode_to_vec()));
    snapshot
}
