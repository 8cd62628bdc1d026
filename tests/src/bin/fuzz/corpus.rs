//! Inputs to begin with: the kept ones of `tests/fuzz`, and the cases of the shipped formats.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::target::Target;

/// The kept inputs of a target.
fn folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(target.name)
}

/// What a target begins with, in the order of file names.
pub(crate) fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let mut files = files_below(&folder(target));
    let formats = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services/mapping/formats");
    let is_case = |it: &PathBuf| {
        let name = it.file_name().map(|it| it.to_string_lossy().into_owned());
        name.is_some_and(|it| target.cases.contains(&it.as_str()))
    };
    files.extend(files_below(&formats).into_iter().filter(is_case));
    let seeds: Vec<Vec<u8>> = files.iter().map(|it| fs::read(it).unwrap()).collect();
    if seeds.is_empty() { vec![Vec::new()] } else { seeds }
}

/// Keeps an input with a new outcome.
pub(crate) fn keep(target: &Target, input: &[u8]) {
    let folder = folder(target);
    fs::create_dir_all(&folder).unwrap();
    let name = hex::encode(Sha256::digest(input));
    fs::write(folder.join(name.get(..12).unwrap_or_default()), input).unwrap();
}

/// Every file below a folder; none where it is missing.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|it| it.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().flat_map(|it| if it.is_dir() { files_below(&it) } else { vec![it] }).collect()
}
