//! Which formats are in force, by the files as they are now, those in force before, and those that
//! applications use.

use std::collections::BTreeMap;

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::registry::v1::{FormatDescription, Snapshot};

use crate::format_engine::{FormatEngine, FormatFile, KnownFormats};
use crate::format_folder::{FormatsConfig, FoundDescription, read_descriptions};
use crate::mistake::{Mistake, Position};

/// Formats that applications use, each with one of them.
pub(crate) type UsedFormats = BTreeMap<String, String>;

/// The formats that the applications of a snapshot name.
pub(crate) fn used_formats(snapshot: &Snapshot) -> UsedFormats {
    let mut used = UsedFormats::new();
    for application in &snapshot.applications {
        let takes = application.takes.iter().map(|it| &it.format);
        for format in application.gives.iter().chain(takes) {
            used.entry(format.clone()).or_insert_with(|| application.id.clone());
        }
    }
    used
}

/// The formats beside the shipped ones, and what is wrong with their files.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LoadedFormats {
    /// In force, or to be put in force; ordered by name.
    pub(crate) formats: Vec<FormatDescription>,
    pub(crate) mistakes: Vec<Mistake>,
    /// Names and files of descriptions that no version is in force of.
    pub(crate) unloaded: Vec<(String, String)>,
}

impl LoadedFormats {
    /// The formats that applications may name.
    pub(crate) fn known(&self, engine: &dyn FormatEngine) -> KnownFormats {
        let shipped = engine.shipped().into_iter().map(|it| it.name);
        let names = shipped.chain(self.formats.iter().map(|it| it.name.clone())).collect();
        KnownFormats { names, unloaded: self.unloaded.clone() }
    }
}

/// The formats of a folder that would come into force where none was before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckedFormats {
    /// The formats, with their texts.
    pub formats: Vec<FormatDescription>,
    /// The mistakes of the files.
    pub mistakes: Vec<Mistake>,
    /// What applications may name.
    pub known: KnownFormats,
}

/// Checks every description of a folder.
pub fn check_formats(config: &FormatsConfig, engine: &dyn FormatEngine) -> CheckedFormats {
    let files = read_descriptions(config);
    let (used, refused) = (UsedFormats::new(), BTreeMap::new());
    let context = ResolveContext { engine, in_force: &[], used: &used, refused: &refused };
    let loaded = resolve(&files, &context);
    let known = loaded.known(engine);
    CheckedFormats { formats: loaded.formats, mistakes: loaded.mistakes, known }
}

/// What decides about a description beside its text.
pub(crate) struct ResolveContext<'a> {
    pub(crate) engine: &'a dyn FormatEngine,
    /// The loaded formats in force before.
    pub(crate) in_force: &'a [FormatDescription],
    pub(crate) used: &'a UsedFormats,
    /// Hashes that may not come into force, and why.
    pub(crate) refused: &'a BTreeMap<String, Fault>,
}

/// Decides which formats are in force. What a mistake concerns stays as it was in force before; a
/// format whose file is gone stays while an application uses it.
pub(crate) fn resolve(files: &[FoundDescription], context: &ResolveContext<'_>) -> LoadedFormats {
    let mut resolution =
        Resolution { context, kept: Vec::new(), new: Vec::new(), mistakes: Vec::new() };
    resolution.check_files(files);
    resolution.keep_missing(files);
    resolution.drop_contradictions();
    let Resolution { kept, new, mistakes, .. } = resolution;
    let mut formats: Vec<_> = kept.into_iter().chain(new).collect();
    formats.sort_by(|left, right| left.name.cmp(&right.name));
    let is_loaded = |name: &str| formats.iter().any(|it| it.name == name);
    let unloaded = files
        .iter()
        .filter(|it| !it.name.is_empty() && !is_loaded(&it.name))
        .map(|it| (it.name.clone(), it.file.file.clone()))
        .collect();
    LoadedFormats { formats, mistakes, unloaded }
}

struct Resolution<'a> {
    context: &'a ResolveContext<'a>,
    /// Versions in force that stay although their file has a mistake or is gone.
    kept: Vec<FormatDescription>,
    /// What the files hold.
    new: Vec<FormatDescription>,
    mistakes: Vec<Mistake>,
}

impl Resolution<'_> {
    /// Sorts the files into formats and mistakes.
    fn check_files(&mut self, files: &[FoundDescription]) {
        for found in files {
            match self.check(found) {
                Ok(format) => self.new.push(format),
                Err(fault) => {
                    self.report(&found.file.file, fault);
                    self.keep(&found.name);
                }
            }
        }
    }

    /// Compiles a description by itself, and checks it against its path and its other versions.
    fn check(&self, found: &FoundDescription) -> Result<FormatDescription, Fault> {
        if let Some(fault) = &found.fault {
            return Err(fault.clone());
        }
        let loaded = self.context.engine.load(std::slice::from_ref(&found.file));
        let format = loaded.into_iter().next().unwrap_or_else(|| Err(Fault::default()))?;
        if format.name != found.name {
            let fault = Fault::new(&code::LT_FMT_030).param("format", &format.name);
            return Err(fault.param("expected", &found.name));
        }
        if let Some(fault) = self.context.refused.get(&format.hash) {
            return Err(fault.clone());
        }
        let is_other_content = |it: &&FormatDescription| {
            it.name == format.name && it.version == format.version && it.hash != format.hash
        };
        match self.context.in_force.iter().find(is_other_content) {
            Some(other) => Err(version_fault(&format, &other.hash)),
            None => Ok(format),
        }
    }

    /// Keeps the version in force of this name.
    fn keep(&mut self, name: &str) {
        let in_force = self.context.in_force.iter().find(|it| it.name == name);
        if let Some(format) = in_force.filter(|it| !self.kept.contains(it)) {
            self.kept.push(format.clone());
        }
    }

    /// Keeps formats without a file that applications use.
    fn keep_missing(&mut self, files: &[FoundDescription]) {
        let has_file = |name: &str| files.iter().any(|it| it.name == name);
        for format in self.context.in_force.iter().filter(|it| !has_file(&it.name)) {
            let Some(application) = self.context.used.get(&format.name) else { continue };
            let fault = Fault::new(&code::LT_FMT_028).param("format", &format.name);
            self.report(&format.file, fault.param("application", application));
            self.keep(&format.name);
        }
    }

    /// Leaves out what cannot be loaded beside the others: what is new before what is in force.
    fn drop_contradictions(&mut self) {
        let is_new = |it: &FormatDescription| {
            !self.context.in_force.iter().any(|known| known.hash == it.hash)
        };
        self.new.sort_by_key(is_new);
        loop {
            let all = self.kept.iter().chain(&self.new);
            let texts: Vec<_> = all.map(to_file).collect();
            let loaded = self.context.engine.load(&texts);
            let failed = loaded.into_iter().enumerate().find_map(|(at, it)| Some((at, it.err()?)));
            let Some((at, fault)) = failed else { return };
            if at < self.kept.len() {
                let format = self.kept.remove(at);
                self.report(&format.file, fault);
            } else if at - self.kept.len() < self.new.len() {
                let format = self.new.remove(at - self.kept.len());
                self.report(&format.file, fault);
                self.keep(&format.name);
            } else {
                return;
            }
        }
    }

    fn report(&mut self, file: &str, fault: Fault) {
        let position = Position { file: file.to_owned(), line: 0 };
        self.mistakes.push(Mistake::of_fault(&position, fault));
    }
}

fn to_file(format: &FormatDescription) -> FormatFile {
    FormatFile { file: format.file.clone(), text: format.text.clone() }
}

/// The fault of a version number that other content has.
pub(crate) fn version_fault(format: &FormatDescription, other_hash: &str) -> Fault {
    Fault::new(&code::LT_FMT_027)
        .param("format", &format.name)
        .param("version", format.version.to_string())
        .param("hash", other_hash.chars().take(12).collect::<String>())
        .param("next", format.version.saturating_add(1).to_string())
}

#[cfg(test)]
mod tests;
