//! `config show`: the value of every setting and where it comes from.

use chassis::config::Layers;
use serde_json::json;

use crate::cli::Config;
use crate::exit_status::ExitStatus;
use crate::output::Output;
use crate::settings::{SECTIONS, Settings};

/// Shows the configuration.
pub(crate) fn run(output: Output, layers: &Layers, command: &Config) -> anyhow::Result<ExitStatus> {
    let Config::Show { origin } = command;
    Settings::read(layers)?;
    let mut values = Vec::new();
    for (section, defaults) in SECTIONS {
        values.extend(layers.effective_settings(section, defaults)?);
    }
    if output.json {
        let values: Vec<_> = values
            .iter()
            .map(|it| json!({ "key": it.key, "value": it.value, "origin": it.origin }))
            .collect();
        output.print_json(&values.into());
        return Ok(ExitStatus::Done);
    }
    for it in values {
        if *origin {
            output.print_line(&format!("{} = {}   ({})", it.key, it.value, it.origin));
        } else {
            output.print_line(&format!("{} = {}", it.key, it.value));
        }
    }
    Ok(ExitStatus::Done)
}
