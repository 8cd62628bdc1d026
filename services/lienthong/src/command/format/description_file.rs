//! A description file: a format's own, or a partner's profile with its base.

use std::fs;
use std::path::{Path, PathBuf};

use formats::cases::Case;
use formats::{Format, FormatRegistry, SourceMistake, description_fault, expand_profile};
use proto::fault::v1::Fault;

use crate::command::format::cases::{load_cases, shipped_cases};
use crate::command::format::input_file::load;
use crate::output::Output;

/// A description file with what it stands for.
pub(super) struct DescriptionText {
    pub(super) path: PathBuf,
    /// The file as it is.
    pub(super) text: String,
    /// The description to compile, or the mistakes of a profile.
    pub(super) description: Result<String, Vec<SourceMistake>>,
    /// The base of a profile.
    pub(super) base: Option<BaseFormat>,
}

/// The base of a profile, with its cases.
pub(super) struct BaseFormat {
    pub(super) format: Format,
    pub(super) cases: Vec<Case>,
}

impl DescriptionText {
    /// The fault of a description with mistakes; each names the file.
    pub(super) fn fault(&self, mistakes: &[SourceMistake]) -> Fault {
        let mut fault = description_fault(mistakes);
        for it in &mut fault.violations {
            it.field = format!("{}:{}", self.path.display(), it.field);
        }
        fault
    }

    /// The compiled format.
    ///
    /// # Errors
    ///
    /// Every mistake of the description.
    pub(super) fn compile(&self) -> Result<Format, Fault> {
        let description = self.description.as_ref().map_err(|it| self.fault(it))?;
        Format::compile(description).map_err(|it| self.fault(&it))
    }
}

/// Reads a description file, or `description.yaml` in a folder. The base of a profile is a shipped
/// format, or one whose folder lies beside that of the profile.
///
/// # Errors
///
/// A file cannot be read.
pub(super) fn load_description(output: Output, path: &Path) -> Result<DescriptionText, Fault> {
    let path = if path.is_dir() { path.join("description.yaml") } else { path.to_owned() };
    let text = String::from_utf8_lossy(&load(output, &path)?).into_owned();
    let beside = descriptions_beside(&path);
    let mut descriptions: Vec<&str> = FormatRegistry::shipped_texts().collect();
    descriptions.extend(beside.iter().map(|(_, text)| text.as_str()));
    let expanded = expand_profile(&text, descriptions.into_iter());
    let (description, base) = match expanded {
        None => (Ok(text.clone()), None),
        Some(Err(mistakes)) => (Err(mistakes), None),
        Some(Ok(profile)) => {
            let base = find_base(&profile.base, &beside)?;
            (Ok(profile.description), base)
        }
    };
    Ok(DescriptionText { path, text, description, base })
}

fn find_base(name: &str, beside: &[(PathBuf, String)]) -> Result<Option<BaseFormat>, Fault> {
    let is_named = |text: &&str| Format::compile(text).is_ok_and(|it| it.name() == name);
    if let Some(text) = FormatRegistry::shipped_texts().find(is_named) {
        let format = Format::compile(text).ok();
        return Ok(format.map(|format| BaseFormat { format, cases: shipped_cases(name) }));
    }
    let Some((path, text)) = beside.iter().find(|(_, it)| is_named(&it.as_str())) else {
        return Ok(None);
    };
    let cases = load_cases(path)?;
    Ok(Format::compile(text).ok().map(|format| BaseFormat { format, cases }))
}

/// The descriptions in the folders beside that of a description.
fn descriptions_beside(path: &Path) -> Vec<(PathBuf, String)> {
    let own = path.canonicalize().unwrap_or_default();
    let Some(all) = own.parent().and_then(Path::parent) else { return Vec::new() };
    let folders = fs::read_dir(all).into_iter().flatten().flatten();
    let paths = folders.map(|it| it.path().join("description.yaml")).filter(|it| *it != own);
    paths.filter_map(|it| fs::read_to_string(&it).ok().map(|text| (it, text))).collect()
}
