//! The files of the folder of format descriptions: `NAME.yaml` or `NAME/description.yaml`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use proto::fault::code;
use proto::fault::v1::Fault;
use serde::Deserialize;

use crate::format_engine::FormatFile;
use crate::yaml_files::{FolderState, file_state};

/// Default values and descriptions of the configuration section `formats`.
pub const FORMATS_DEFAULTS: &str = include_str!("../formats.default.toml");

/// The file of a description that has a folder of its own.
const DESCRIPTION: &str = "description.yaml";

/// The configuration section `formats`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormatsConfig {
    /// The folder of descriptions; empty: none is loaded.
    pub folder: PathBuf,
    /// Largest description, bytes.
    pub description_bytes_max: u64,
    /// Most descriptions.
    pub descriptions_max: usize,
    /// Most bytes of all descriptions together.
    pub total_bytes_max: u64,
}

/// A description as its file is now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FoundDescription {
    /// The name that the path gives.
    pub(crate) name: String,
    /// The file; without a text when it cannot be read.
    pub(crate) file: FormatFile,
    /// Why it cannot be read.
    pub(crate) fault: Option<Fault>,
}

/// Path on disk, path in the folder, and the name that it gives.
type DescriptionPath = (PathBuf, String, String);

/// The state of the descriptions, by which a change is noticed. Cases beside them do not count.
pub(crate) fn formats_state(config: &FormatsConfig) -> FolderState {
    let (paths, unreadable) = description_paths(config);
    let mut state: FolderState = paths.into_iter().map(|(path, _, _)| file_state(path)).collect();
    if unreadable.is_some() {
        state.push((config.folder.clone(), 0, None));
    }
    state
}

/// Reads every description, ordered by its path. What cannot be read, or goes beyond a bound, has a
/// fault and does not stop the others.
pub(crate) fn read_descriptions(config: &FormatsConfig) -> Vec<FoundDescription> {
    let (paths, unreadable) = description_paths(config);
    let mut total = 0;
    let mut found: Vec<_> = paths
        .into_iter()
        .enumerate()
        .map(|(index, path)| read_description(path, (config, index), &mut total))
        .collect();
    if let Some(error) = unreadable {
        let file =
            FormatFile { file: config.folder.display().to_string(), ..FormatFile::default() };
        let fault = Some(unreadable_fault(&error));
        found.push(FoundDescription { name: String::new(), file, fault });
    }
    found
}

fn read_description(
    (path, file, name): DescriptionPath,
    (config, index): (&FormatsConfig, usize),
    total: &mut u64,
) -> FoundDescription {
    let text = if name_has_other_ending(&file) {
        let expected = file.replace(".yml", ".yaml");
        Err(Fault::new(&code::LT_FMT_029).param("file", &file).param("expected", expected))
    } else if index >= config.descriptions_max {
        Err(bound_fault("formats.descriptions_max", &config.descriptions_max))
    } else {
        read_text(&path, config, total)
    };
    let (text, fault) = match text {
        Ok(text) => (text, None),
        Err(fault) => (String::new(), Some(fault)),
    };
    FoundDescription { name, file: FormatFile { file, text }, fault }
}

fn read_text(path: &Path, config: &FormatsConfig, total: &mut u64) -> Result<String, Fault> {
    let size = fs::metadata(path).map_err(|error| unreadable_fault(&error))?.len();
    if size > config.description_bytes_max {
        return Err(bound_fault("formats.description_bytes_max", &config.description_bytes_max));
    }
    if *total + size > config.total_bytes_max {
        return Err(bound_fault("formats.total_bytes_max", &config.total_bytes_max));
    }
    let text = fs::read_to_string(path).map_err(|error| unreadable_fault(&error))?;
    *total += size;
    Ok(text)
}

fn bound_fault(setting: &str, limit: &impl ToString) -> Fault {
    Fault::new(&code::LT_FMT_025).param("setting", setting).param("limit", limit.to_string())
}

fn unreadable_fault(error: &io::Error) -> Fault {
    Fault::new(&code::LT_FMT_031).param("message", error.to_string())
}

/// The paths of all descriptions, ordered. A folder that does not exist has none.
fn description_paths(config: &FormatsConfig) -> (Vec<DescriptionPath>, Option<io::Error>) {
    let folder = &config.folder;
    if folder.as_os_str().is_empty() {
        return (Vec::new(), None);
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return (Vec::new(), None),
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut paths: Vec<_> =
        entries.flatten().filter_map(|entry| description_path(&entry.path())).collect();
    paths.sort();
    (paths, None)
}

fn description_path(path: &Path) -> Option<DescriptionPath> {
    let entry = path.file_name()?.to_str()?;
    if entry.starts_with('.') {
        return None;
    }
    if path.is_dir() {
        let description = path.join(DESCRIPTION);
        let file = format!("{entry}/{DESCRIPTION}");
        return description.is_file().then(|| (description, file, entry.to_owned()));
    }
    let name = entry.strip_suffix(".yaml").or_else(|| entry.strip_suffix(".yml"))?;
    Some((path.to_owned(), entry.to_owned(), name.to_owned()))
}

fn name_has_other_ending(file: &str) -> bool {
    file.ends_with(".yml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_files_or_folders_and_anything_beside_them_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("letter.yaml", "letter");
        write("vp.form/description.yaml", "form");
        write("vp.form/cases/one/native.json", "{}");
        write("vp.form/cases/two.yaml", "no description");
        write("README.md", "about");
        write(".letter.yaml.swp", "an editor's");
        write("unfinished/cases/one/class", "exact");
        write("other.yml", "other");
        write("large.yaml", "0123456789");
        let config = FormatsConfig {
            folder: folder.path().to_owned(),
            description_bytes_max: 9,
            descriptions_max: 9,
            total_bytes_max: 10,
        };
        let found = read_descriptions(&config);
        let seen: Vec<_> = found
            .iter()
            .map(|it| {
                let code = it.fault.as_ref().map_or("", |it| it.code.as_str());
                (it.name.as_str(), it.file.file.as_str(), it.file.text.as_str(), code)
            })
            .collect();
        let expected = [
            ("large", "large.yaml", "", "LT-FMT-025"),
            ("letter", "letter.yaml", "letter", ""),
            ("other", "other.yml", "", "LT-FMT-029"),
            ("vp.form", "vp.form/description.yaml", "form", ""),
        ];
        assert_eq!(seen, expected);
        assert_eq!(formats_state(&config).len(), 4);
        let few = FormatsConfig { descriptions_max: 1, total_bytes_max: 3, ..config.clone() };
        let codes = |of: &FormatsConfig| {
            let found = read_descriptions(of);
            found.into_iter().filter_map(|it| it.fault).map(|it| it.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(&few).len(), 4);
        let missing = FormatsConfig { folder: folder.path().join("none"), ..config };
        assert_eq!(read_descriptions(&missing), []);
        assert_eq!(read_descriptions(&FormatsConfig::default()), []);
    }
}
