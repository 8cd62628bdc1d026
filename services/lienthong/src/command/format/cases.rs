//! Loads the cases of a format description.

use std::fs;
use std::path::{Path, PathBuf};

use formats::cases::Case;
use proto::fault::v1::Fault;

use crate::fault::unreadable_path;

/// Loads every case in the folder `cases` beside the description.
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
    Ok(Case {
        name: file_name(folder),
        class: load_text(&folder.join("class"))?,
        native: load(&native_file(folder)?)?,
        canonical: fs::read_to_string(folder.join("canonical.json")).ok(),
        outcome: fs::read_to_string(folder.join("outcome")).unwrap_or_default(),
        files: load_files(&folder.join("files"))?,
    })
}

fn load_files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, Fault> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    entries.flatten().map(|it| it.path()).map(|it| Ok((file_name(&it), load(&it)?))).collect()
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

fn load_text(path: &Path) -> Result<String, Fault> {
    Ok(String::from_utf8_lossy(&load(path)?).into_owned())
}
