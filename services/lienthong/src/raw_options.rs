//! The options for printing, read before the command line is parsed: help and usage errors need them.

use std::ffi::OsString;
use std::path::PathBuf;

use chassis::config::is_vietnamese;
use clap::ValueEnum as _;
use proto::fault::Lang;

use crate::cli::{Language, Link};
use crate::client_settings::{ClientSettings, read_layers};
use crate::output::Output;

/// The options for printing as they stand on the command line, in whatever place.
#[derive(Debug, Default)]
pub(crate) struct RawOptions {
    arguments: Vec<String>,
}

impl RawOptions {
    /// Reads the arguments of the process.
    pub(crate) fn read(arguments: impl Iterator<Item = OsString>) -> Self {
        let arguments = arguments.map(|it| it.to_string_lossy().into_owned());
        // Behind `--` everything is a value.
        Self { arguments: arguments.take_while(|it| it != "--").collect() }
    }

    /// Form and language of what is printed.
    pub(crate) fn output(&self) -> Output {
        Output {
            json: self.has("--json"),
            lang: self.language(),
            is_quiet: self.has("--quiet"),
            is_plain: self.has("--no-color") || chassis::terminal::is_plain(),
        }
    }

    /// The language of the option, else that of the client settings, else that of the locale.
    /// Settings with a mistake are reported by the command that needs them.
    fn language(&self) -> Lang {
        let option = self.value("--lang").and_then(|it| Language::from_str(&it, true).ok());
        if let Some(language) = option {
            return language.into();
        }
        let file = self.value("--config").map(PathBuf::from);
        let layers = read_layers(file.as_deref(), self.value("--context").as_deref());
        let client = layers.and_then(|it| ClientSettings::of_link(it, &Link::default()));
        let of_locale = || if is_vietnamese() { Lang::Vi } else { Lang::En };
        client.ok().and_then(|it| it.language()).unwrap_or_else(of_locale)
    }

    fn has(&self, option: &str) -> bool {
        self.arguments.iter().any(|it| it == option)
    }

    /// The value of an option, behind a space or an equals sign.
    fn value(&self, option: &str) -> Option<String> {
        let behind =
            |it: &String| it.strip_prefix(option)?.strip_prefix('=').map(ToOwned::to_owned);
        let place = self.arguments.iter().position(|it| it == option);
        let next = place.and_then(|it| self.arguments.get(it + 1).cloned());
        next.or_else(|| self.arguments.iter().find_map(behind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_known_although_the_command_line_has_a_mistake() {
        let language =
            |text: &str| RawOptions::read(text.split(' ').map(OsString::from)).output().lang;
        assert_eq!(language("lienthong fnd --lang vi"), Lang::Vi);
        assert_eq!(language("lienthong --lang=VI find --limt 3"), Lang::Vi);
        assert_eq!(language("lienthong --lang en find"), Lang::En);
        let quiet =
            RawOptions::read("lienthong find --quiet -- --json".split(' ').map(OsString::from));
        assert!(quiet.output().is_quiet && !quiet.output().json);
    }
}
