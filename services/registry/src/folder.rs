//! The files of a folder, its folders included, and what tells that they changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto::fault::code;

use crate::mistake::{Mistake, Place};

/// A file's name in the folder, and its text.
pub(crate) type Text = (String, String);

/// The text of every `.yaml` file, by name. What cannot be read is a mistake of its own, and hides
/// nothing else.
pub(crate) fn texts(folder: &Path, mistakes: &mut Vec<Mistake>) -> Vec<Text> {
    let mut texts = Vec::new();
    collect(folder, "", &mut texts, mistakes);
    texts.sort();
    texts
}

fn collect(folder: &Path, within: &str, texts: &mut Vec<Text>, mistakes: &mut Vec<Mistake>) {
    let mut unreadable = |name: &str, page, error: std::io::Error| {
        let file = if name.is_empty() { folder.display().to_string() } else { name.to_owned() };
        let place = Place { file, line: 0 };
        mistakes.push(Mistake::new(&place, page).param("message", error.to_string()));
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return unreadable(within, &code::LT_REG_012, error),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                unreadable(within, &code::LT_REG_012, error);
                continue;
            }
        };
        let name =
            path.file_name().map_or_else(String::new, |it| it.to_string_lossy().into_owned());
        if name.starts_with('.') {
            continue;
        }
        let name = format!("{within}{name}");
        if path.is_dir() {
            folders.push((path, format!("{name}/")));
        } else if path.extension().is_some_and(|it| it == "yaml" || it == "yml") {
            match fs::read_to_string(&path) {
                Ok(text) => texts.push((name, text)),
                Err(error) => unreadable(&name, &code::LT_REG_015, error),
            }
        }
    }
    for (path, within) in folders {
        collect(&path, &within, texts, mistakes);
    }
}

/// What tells that a folder changed: each file's name, size and time of change. Unreadable
/// places are passed over; [`crate::check`] tells about them.
pub(crate) fn stamp(folder: &Path) -> Vec<(PathBuf, u64, Option<SystemTime>)> {
    let mut stamps = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match fs::metadata(&path) {
                Ok(found) if found.is_dir() => folders.push(path),
                Ok(found) => stamps.push((path, found.len(), found.modified().ok())),
                Err(_unreadable) => stamps.push((path, 0, None)),
            }
        }
    }
    stamps.sort();
    stamps
}
