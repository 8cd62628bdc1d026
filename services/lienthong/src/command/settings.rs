//! `config show`: every value in force, and where it came from.

use chassis::config::Layers;
use serde_json::json;

use crate::cli::Config;
use crate::screen::{Ending, Screen};
use crate::settings::{SECTIONS, Settings};

/// Shows the configuration.
pub(crate) fn run(screen: Screen, layers: &Layers, command: &Config) -> anyhow::Result<Ending> {
    let Config::Show { origin } = command;
    Settings::read(layers)?;
    let mut shown = Vec::new();
    for (section, defaults) in SECTIONS {
        shown.extend(layers.show(section, defaults)?);
    }
    if screen.json {
        let values: Vec<_> = shown
            .iter()
            .map(|it| json!({ "key": it.key, "value": it.value, "origin": it.origin }))
            .collect();
        screen.value(&values.into());
        return Ok(Ending::Done);
    }
    for it in shown {
        if *origin {
            screen.line(&format!("{} = {}   ({})", it.key, it.value, it.origin));
        } else {
            screen.line(&format!("{} = {}", it.key, it.value));
        }
    }
    Ok(Ending::Done)
}
