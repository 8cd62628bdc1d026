//! The YAML files of a folder and its subfolders.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto::fault::code;

use crate::mistake::{Mistake, Position};

/// A file's path in the folder, and its text.
pub(crate) type NamedText = (String, String);

/// The text of every `.yaml` and `.yml` file, ordered by path. A file or folder that cannot be read
/// is a mistake and does not stop the others from being read.
pub(crate) fn read_texts(folder: &Path, mistakes: &mut Vec<Mistake>) -> Vec<NamedText> {
    let mut texts = Vec::new();
    read_folder(folder, "", &mut texts, mistakes);
    texts.sort();
    texts
}

fn read_folder(
    folder: &Path,
    prefix: &str,
    texts: &mut Vec<NamedText>,
    mistakes: &mut Vec<Mistake>,
) {
    let mut unreadable = |name: &str, code, error: std::io::Error| {
        let file = if name.is_empty() { folder.display().to_string() } else { name.to_owned() };
        let position = Position { file, line: 0 };
        mistakes.push(Mistake::new(&position, code).param("message", error.to_string()));
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return unreadable(prefix, &code::LT_REG_012, error),
    };
    let mut subfolders = Vec::new();
    for entry in entries {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                unreadable(prefix, &code::LT_REG_012, error);
                continue;
            }
        };
        let name =
            path.file_name().map_or_else(String::new, |it| it.to_string_lossy().into_owned());
        if name.starts_with('.') {
            continue;
        }
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            subfolders.push((path, format!("{name}/")));
        } else if path.extension().is_some_and(|it| it == "yaml" || it == "yml") {
            match fs::read_to_string(&path) {
                Ok(text) => texts.push((name, text)),
                Err(error) => unreadable(&name, &code::LT_REG_015, error),
            }
        }
    }
    for (path, prefix) in subfolders {
        read_folder(&path, &prefix, texts, mistakes);
    }
}

/// Path, size and modification time of every file of a folder.
pub(crate) type FolderState = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// The state of a folder, by which a change of its files is noticed. Files and folders that cannot
/// be read have no time; [`read_texts`] reports them.
pub(crate) fn folder_state(folder: &Path) -> FolderState {
    let mut state = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            state.push((folder, 0, None));
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => folders.push(path),
                Ok(_) | Err(_) => state.push(file_state(path)),
            }
        }
    }
    state.sort();
    state
}

/// The state of one file.
pub(crate) fn file_state(path: PathBuf) -> (PathBuf, u64, Option<SystemTime>) {
    match fs::metadata(&path) {
        Ok(metadata) => (path, metadata.len(), metadata.modified().ok()),
        Err(_unreadable) => (path, 0, None),
    }
}
