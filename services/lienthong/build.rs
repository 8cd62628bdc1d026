//! Embeds the cases of the shipped formats, so that `format test` runs them with nothing but the
//! program.

#![expect(clippy::disallowed_methods, reason = "cargo names its folders in the environment")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, error, fs, io};

fn main() -> Result<(), Box<dyn error::Error>> {
    let formats = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../mapping/formats");
    println!("cargo:rerun-if-changed={}", formats.display());
    let mut rows = String::new();
    for format in sorted_entries(&formats)? {
        for case in sorted_entries(&format.join("cases"))? {
            write_case(&mut rows, &format, &case)?;
        }
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("shipped_cases.rs"), format!("&[\n{rows}]\n"))?;
    Ok(())
}

/// One row: the format, the case, and its files by their path in the folder of the case.
fn write_case(rows: &mut String, format: &Path, case: &Path) -> Result<(), Box<dyn error::Error>> {
    let mut files = sorted_entries(case)?;
    files.extend(sorted_entries(&case.join("files"))?);
    let (format, name) = (file_name(format), file_name(case));
    writeln!(rows, "    ({format:?}, {name:?}, &[")?;
    for file in files.iter().filter(|it| it.is_file()) {
        let path = file.strip_prefix(case)?.to_string_lossy().into_owned();
        let source = file.canonicalize()?;
        writeln!(rows, "        ({path:?}, include_bytes!({source:?})),")?;
    }
    writeln!(rows, "    ]),")?;
    Ok(())
}

/// The entries of a folder by name; none where there is no folder.
fn sorted_entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let paths: io::Result<Vec<_>> = fs::read_dir(folder)?.map(|it| Ok(it?.path())).collect();
    let mut paths = paths?;
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default()
}
