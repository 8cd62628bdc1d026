//! From a folder to a snapshot, or to all of its mistakes.

use std::path::Path;

use prost::Message as _;
use proto::registry::v1::{FileContent, Snapshot};
use sha2::{Digest as _, Sha256};

use crate::consistency::check_consistency;
use crate::format_engine::KnownFormats;
use crate::mistake::Mistake;
use crate::parse::{ParsedFolder, parse_file};
use crate::yaml_files::read_texts;

/// A folder without mistakes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CheckedFolder {
    pub(crate) snapshot: Snapshot,
    /// What each file holds, in the order of their paths.
    pub(crate) files: Vec<FileContent>,
}

/// Reads every `.yaml` and `.yml` file of a folder and its subfolders. With `formats`, every format
/// that an application gives or takes must be one of them.
///
/// # Errors
///
/// Every mistake in every file, ordered by file and line.
pub fn check(folder: &Path, formats: Option<&KnownFormats>) -> Result<Snapshot, Vec<Mistake>> {
    check_folder(folder, formats).map(|it| it.snapshot)
}

/// As [`check`], with what each file holds.
pub(crate) fn check_folder(
    folder: &Path,
    formats: Option<&KnownFormats>,
) -> Result<CheckedFolder, Vec<Mistake>> {
    let mut parsed = ParsedFolder::default();
    let mut names = Vec::new();
    for (name, text) in read_texts(folder, &mut parsed.mistakes) {
        parse_file(&name, &text, &mut parsed);
        names.push(name);
    }
    check_consistency(&mut parsed, formats);
    if parsed.mistakes.is_empty() {
        let files = names.into_iter().map(|it| content_of(it, &parsed)).collect();
        return Ok(CheckedFolder { snapshot: to_snapshot(parsed), files });
    }
    parsed.mistakes.sort_by(|left, right| (&left.file, left.line).cmp(&(&right.file, right.line)));
    Err(parsed.mistakes)
}

fn content_of(file: String, parsed: &ParsedFolder) -> FileContent {
    let organisations = parsed.organisations.iter().filter(|(at, _)| at.file() == file);
    let applications = parsed.applications.iter().filter(|(at, _)| at.file() == file);
    let rights = parsed.rights.iter().filter(|(at, _)| at.file() == file).count();
    let lists = parsed.code_lists.iter().filter(|(at, _)| at.file() == file).count();
    FileContent {
        organisations: organisations.map(|(_, it)| it.key.clone()).collect(),
        applications: applications.map(|(_, it)| it.id.clone()).collect(),
        others: u32::try_from(rights + lists).unwrap_or(u32::MAX),
        file,
    }
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
        formats: Vec::new(),
    };
    snapshot.revision = revision_of(&snapshot);
    snapshot
}

/// The digest of the content of a snapshot that has no revision yet.
pub(crate) fn revision_of(snapshot: &Snapshot) -> String {
    hex::encode(Sha256::digest(snapshot.encode_to_vec()))
}
