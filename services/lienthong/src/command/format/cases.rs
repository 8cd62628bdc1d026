//! Loads the cases of a format: beside its description, or those of a shipped format from the
//! program itself.

use std::fs;
use std::path::{Path, PathBuf};

use formats::cases::Case;
use proto::fault::v1::Fault;

use crate::fault::unreadable_path;

/// Files of a case, by their path in its folder.
type CaseFiles = [(&'static str, &'static [u8])];

/// The cases of the shipped formats: format, case, files.
static SHIPPED: &[(&str, &str, &CaseFiles)] =
    include!(concat!(env!("OUT_DIR"), "/shipped_cases.rs"));

/// The cases of a shipped format; none for another one.
pub(super) fn shipped_cases(format: &str) -> Vec<Case> {
    let own = SHIPPED.iter().filter(|(it, ..)| *it == format);
    own.map(|(_, name, files)| shipped_case(name, files)).collect()
}

fn shipped_case(name: &str, files: &CaseFiles) -> Case {
    let mut case = Case { name: name.to_owned(), ..Case::default() };
    for (path, bytes) in files {
        let text = || String::from_utf8_lossy(bytes).into_owned();
        match *path {
            "class" => case.class = text(),
            "outcome" => case.outcome = text(),
            "canonical.json" => case.canonical = Some(text()),
            _ => match path.strip_prefix("files/") {
                Some(file) => case.files.push((file.to_owned(), bytes.to_vec())),
                None if path.starts_with("native.") => case.native = bytes.to_vec(),
                None => {}
            },
        }
    }
    case
}

/// Loads every case in the folder `cases` beside the description. A new case has only its native
/// file; `format check --bless` writes the others.
pub(super) fn load_cases(description: &Path) -> Result<Vec<Case>, Fault> {
    let Ok(entries) = fs::read_dir(description.with_file_name("cases")) else {
        return Ok(Vec::new());
    };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|it| it.path()).collect();
    folders.retain(|it| it.is_dir());
    folders.sort();
    folders.iter().map(|it| load_case(it)).collect()
}

fn load_case(folder: &Path) -> Result<Case, Fault> {
    let expected = |name: &str| fs::read_to_string(folder.join(name));
    Ok(Case {
        name: file_name(folder),
        class: expected("class").unwrap_or_default(),
        native: load(&native_file(folder)?)?,
        canonical: expected("canonical.json").ok(),
        outcome: expected("outcome").unwrap_or_default(),
        files: load_files(&folder.join("files"))?,
    })
}

fn load_files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, Fault> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut paths: Vec<_> = entries.flatten().map(|it| it.path()).collect();
    paths.sort();
    paths.iter().map(|it| Ok((file_name(it), load(it)?))).collect()
}

fn native_file(folder: &Path) -> Result<PathBuf, Fault> {
    let missing =
        || unreadable_path(&folder.join("native.*"), &std::io::ErrorKind::NotFound.into());
    let entries = fs::read_dir(folder).map_err(|error| unreadable_path(folder, &error))?;
    let mut paths = entries.flatten().map(|it| it.path());
    paths.find(|it| it.file_stem().is_some_and(|it| it == "native")).ok_or_else(missing)
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |it| it.to_string_lossy().into_owned())
}

fn load(path: &Path) -> Result<Vec<u8>, Fault> {
    fs::read(path).map_err(|error| unreadable_path(path, &error))
}
