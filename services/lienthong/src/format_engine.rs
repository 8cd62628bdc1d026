//! The format engine as the registry uses it, and the formats of a folder.

use std::collections::BTreeMap;
use std::path::Path;

use chassis::config::Layers;
use formats::{
    DescriptionFile, Format, FormatRegistry, FormatSource, description_fault, expand_profile,
};
use proto::fault::v1::Fault;
use proto::registry::v1::FormatDescription;
use registry::{CheckedFormats, FormatEngine, FormatFile, FormatsConfig};

/// Compiles descriptions beside those that are shipped with this program.
#[derive(Debug)]
pub(crate) struct ProductFormats(FormatRegistry);

impl ProductFormats {
    /// The engine with the shipped formats.
    ///
    /// # Errors
    ///
    /// A shipped description does not compile.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let shipped = FormatRegistry::shipped().map_err(|it| anyhow::anyhow!(it.join("; ")))?;
        Ok(Self(shipped))
    }
}

/// The formats of a folder of descriptions, with their mistakes.
///
/// # Errors
///
/// A shipped description does not compile.
pub(crate) fn check_formats_folder(config: &FormatsConfig) -> anyhow::Result<CheckedFormats> {
    Ok(registry::check_formats(config, &ProductFormats::new()?))
}

/// The bounds of the settings' defaults, with this folder.
///
/// # Errors
///
/// The defaults cannot be read.
pub(crate) fn formats_in(folder: &Path) -> anyhow::Result<FormatsConfig> {
    let layers = Layers::from_parts(None, BTreeMap::new())?;
    let defaults: FormatsConfig = layers.section("formats", registry::FORMATS_DEFAULTS)?;
    Ok(FormatsConfig { folder: folder.to_owned(), ..defaults })
}

impl FormatEngine for ProductFormats {
    fn shipped(&self) -> Vec<FormatDescription> {
        self.0.all().map(|it| describe(it, "", "")).collect()
    }

    fn load(&self, files: &[FormatFile]) -> Vec<Result<FormatDescription, Fault>> {
        // A profile is known everywhere else by the description that it stands for.
        let mut all: Vec<&str> = FormatRegistry::shipped_texts().collect();
        all.extend(files.iter().map(|it| it.text.as_str()));
        let text_of = |it: &FormatFile| match expand_profile(&it.text, all.iter().copied()) {
            Some(Ok(profile)) => Ok(profile.description),
            Some(Err(mistakes)) => Err(description_fault(&mistakes)),
            None => Ok(it.text.clone()),
        };
        let texts: Vec<_> = files.iter().map(text_of).collect();
        let descriptions = files.iter().zip(&texts).filter_map(|(it, text)| {
            let text = text.as_ref().ok()?.clone();
            Some(DescriptionFile { file: it.file.clone(), text })
        });
        let (loaded, mistakes) = self.0.with(&descriptions.collect::<Vec<_>>());
        let outcome = |(it, text): (&FormatFile, Result<String, Fault>)| {
            let text = text?;
            let is_file = |source: &FormatSource| *source == FormatSource::File(it.file.clone());
            match mistakes.iter().find(|mistake| mistake.file == it.file) {
                Some(mistake) => Err(mistake.fault.clone()),
                None => loaded
                    .sources()
                    .find(|(_, source)| is_file(source))
                    .map(|(format, _)| describe(format, &it.file, &text))
                    .ok_or_else(Fault::default),
            }
        };
        files.iter().zip(texts).map(outcome).collect()
    }
}

fn describe(format: &Format, file: &str, text: &str) -> FormatDescription {
    FormatDescription {
        name: format.name().to_owned(),
        version: format.version(),
        hash: format.hash().to_owned(),
        title: format.title().to_owned(),
        file: file.to_owned(),
        text: text.to_owned(),
    }
}
