//! The format that an argument names: one that is shipped, or a description file.

use std::path::Path;

use formats::{DescriptionFile, Format, FormatRegistry};
use proto::fault::v1::Fault;

use crate::command::format::description_file::load_description;
use crate::output::Output;

/// The formats with those of the description files among the arguments, and the name of each
/// argument's format.
///
/// # Errors
///
/// A description cannot be read, or has a mistake.
pub(super) fn with_descriptions(
    output: Output,
    formats: &FormatRegistry,
    arguments: &[&str],
) -> Result<(FormatRegistry, Vec<String>), Fault> {
    let mut files = Vec::new();
    let mut names: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
    for (name, argument) in names.iter_mut().zip(arguments) {
        if !is_description(formats, argument) {
            continue;
        }
        let loaded = load_description(output, Path::new(argument))?;
        let text = loaded.description.clone().map_err(|it| loaded.fault(&it))?;
        // A description with mistakes is refused below, with each of them.
        if let Ok(format) = Format::compile(&text) {
            format.name().clone_into(name);
            if formats.get(format.name()).is_some_and(|it| it.hash() == format.hash()) {
                continue;
            }
        }
        let file = DescriptionFile { file: loaded.path.display().to_string(), text };
        if !files.contains(&file) {
            files.push(file);
        }
    }
    let (formats, mut mistakes) = formats.with(&files);
    if mistakes.is_empty() {
        return Ok((formats, names));
    }
    let mistake = mistakes.remove(0);
    let mut fault = mistake.fault;
    for it in &mut fault.violations {
        it.field = format!("{}:{}", mistake.file, it.field);
    }
    Err(fault)
}

/// True for an argument that is a file, or the folder of one, and no name of a format.
fn is_description(formats: &FormatRegistry, argument: &str) -> bool {
    let path = Path::new(argument);
    let in_folder = path.join("description.yaml");
    let is_yaml = [".yaml", ".yml"].iter().any(|it| argument.ends_with(it));
    argument != "auto"
        && formats.get(argument).is_none()
        && (is_yaml || argument.contains('/') || path.is_file() || in_folder.is_file())
}
