//! The cases that lie beside a description, for the engine to run.

use std::fs;
use std::path::{Path, PathBuf};

use formats::cases::Case;
use proto::fault::v1::Fault;

use crate::fault;

/// Every case in the folder `cases` beside the description.
pub(super) fn beside(description: &Path) -> Result<Vec<Case>, Fault> {
    let Ok(entries) = fs::read_dir(description.with_file_name("cases")) else {
        return Ok(Vec::new());
    };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|it| it.path()).collect();
    folders.retain(|it| it.is_dir());
    folders.sort();
    folders.iter().map(|it| case(it)).collect()
}

fn case(folder: &Path) -> Result<Case, Fault> {
    Ok(Case {
        name: name(folder),
        class: text(&folder.join("class"))?,
        native: load(&native(folder)?)?,
        canonical: fs::read_to_string(folder.join("canonical.json")).ok(),
        outcome: fs::read_to_string(folder.join("outcome")).unwrap_or_default(),
        files: files(&folder.join("files"))?,
    })
}

fn files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, Fault> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    entries.flatten().map(|it| it.path()).map(|it| Ok((name(&it), load(&it)?))).collect()
}

fn native(folder: &Path) -> Result<PathBuf, Fault> {
    let missing =
        || fault::unreadable(&folder.join("native.*"), &std::io::ErrorKind::NotFound.into());
    let entries = fs::read_dir(folder).map_err(|error| fault::unreadable(folder, &error))?;
    let mut found = entries.flatten().map(|it| it.path());
    found.find(|it| it.file_stem().is_some_and(|it| it == "native")).ok_or_else(missing)
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |it| it.to_string_lossy().into_owned())
}

fn load(path: &Path) -> Result<Vec<u8>, Fault> {
    fs::read(path).map_err(|error| fault::unreadable(path, &error))
}

fn text(path: &Path) -> Result<String, Fault> {
    Ok(String::from_utf8_lossy(&load(path)?).into_owned())
}
