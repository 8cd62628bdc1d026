//! The layers of a configuration, and the sections read from them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use config::{Config, File, FileFormat};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::environment::{check_underscores, key_of, select_variables};
use super::error::ConfigError;
use super::keys::{CONTEXTS, defaults_by_key, flatten, nearest};
use crate::secret::{self, Secret};
use crate::text_file;

/// Origin of values that are derived from the data folder.
const DATA_FOLDER: &str = "data folder";

/// Origin of values that no layer sets.
const DEFAULT: &str = "default";

/// The effective value of a setting, for `config show`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveSetting {
    /// `section.key`.
    pub key: String,
    /// The value as text, with passwords in URLs redacted. Other secrets are files, of which only
    /// the path is a setting.
    pub value: String,
    /// `default`, `data folder`, `flag`, or the name of the file or variable.
    pub origin: String,
}

/// The layers of the configuration, before any section is read.
///
/// `Debug` is written by hand because a URL in any layer may hold a password.
#[derive(Clone, Default)]
pub struct Layers {
    pub(super) base: Vec<(String, String)>,
    pub(super) user: Option<(PathBuf, Table)>,
    pub(super) file: Table,
    pub(super) file_path: Option<PathBuf>,
    pub(super) context: Option<String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) flags: Vec<(String, String)>,
}

impl fmt::Debug for Layers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Layers").field("file", &self.file_path).finish_non_exhaustive()
    }
}

impl Layers {
    /// Reads the file, if a path is given, and the environment of this process.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is not TOML, or one of the variables is not UTF-8.
    pub fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        Self::from_parts(path, select_variables(std::env::vars_os())?)
    }

    /// Reads the file, if a path is given, and uses `environment` in place of the process's own.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is not TOML.
    pub fn from_parts(
        path: Option<&Path>,
        environment: BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let file = path.map(read_file).transpose()?.unwrap_or_default();
        let file_path = path.map(Path::to_owned);
        Ok(Self { file, file_path, environment, ..Self::default() })
    }

    /// Sets the value of `section.key` that is derived from the data folder. Every other layer but
    /// the defaults overrides it.
    #[must_use]
    pub fn base(mut self, key: &str, value: impl Into<String>) -> Self {
        self.base.push((key.to_owned(), value.into()));
        self
    }

    /// Sets `section.key` from a command line flag, which overrides every other layer.
    #[must_use]
    pub fn flag(mut self, key: &str, value: impl Into<String>) -> Self {
        self.flags.push((key.to_owned(), value.into()));
        self
    }

    /// Checks the names of all sections, given as pairs of name and defaults.
    ///
    /// # Errors
    ///
    /// The file or the environment names an unknown section, a section is not a table, or a variable
    /// would name a setting if its underscores came in pairs.
    pub fn check(&self, sections: &[(&str, &str)]) -> Result<(), ConfigError> {
        let known = |name: &str| sections.iter().any(|(it, _)| *it == name);
        let unknown = |name: &str, origin: String| ConfigError::Unknown {
            key: name.to_owned(),
            origin,
            suggestion: nearest(name, sections.iter().map(|(it, _)| *it)),
        };
        self.check_contexts(sections)?;
        for (name, value) in self.file.iter().filter(|(it, _)| *it != CONTEXTS) {
            if !known(name) {
                return Err(unknown(name, self.file_name()));
            }
            if !value.is_table() {
                let reason = format!("a section is written [{name}], with its settings below");
                return Err(ConfigError::Value {
                    key: name.clone(),
                    origin: self.file_name(),
                    reason,
                });
            }
        }
        for variable in self.environment.keys() {
            match key_of(variable) {
                Some((section, _)) if known(&section) => {}
                Some((section, _)) => return Err(unknown(&section, variable.clone())),
                None => check_underscores(variable, sections)?,
            }
        }
        Ok(())
    }

    /// Reads the settings of one section.
    ///
    /// # Errors
    ///
    /// A key is unknown, or a value has the wrong type.
    pub fn section<T: DeserializeOwned>(
        &self,
        section: &str,
        defaults: &str,
    ) -> Result<T, ConfigError> {
        let value = |error: config::ConfigError| self.value_error(section, defaults, error);
        let mut builder = Config::builder().add_source(File::from_str(defaults, FileFormat::Toml));
        for (key, text, _) in self.overlay(section, defaults)? {
            builder = builder.set_override(key, text).map_err(value)?;
        }
        builder.build().map_err(value)?.try_deserialize().map_err(value)
    }

    /// Checks that a number is not below its minimum.
    ///
    /// # Errors
    ///
    /// It is below the minimum.
    pub fn at_least(
        &self,
        (section, defaults): (&str, &str),
        key: &str,
        (value, least): (u64, u64),
    ) -> Result<(), ConfigError> {
        if value >= least {
            return Ok(());
        }
        let origin = self.origin(section, defaults, key);
        Err(ConfigError::TooSmall { key: format!("{section}.{key}"), origin, value, least })
    }

    /// Reads the secret from the file that a setting names; `None` when the setting is empty.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is empty.
    pub fn secret(
        &self,
        (section, defaults): (&str, &str),
        key: &str,
        path: &Path,
    ) -> Result<Option<Secret>, ConfigError> {
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        secret::read(path).map(Some).map_err(|source| ConfigError::Secret {
            key: format!("{section}.{key}"),
            origin: self.origin(section, defaults, key),
            source,
        })
    }

    /// The origin of a setting's effective value.
    pub fn origin(&self, section: &str, defaults: &str, key: &str) -> String {
        let over = self.overlay(section, defaults).unwrap_or_default();
        let last = over.into_iter().rev().find(|(it, ..)| it == key);
        last.map_or_else(|| DEFAULT.to_owned(), |(_, _, origin)| origin)
    }

    /// The error about a value, with its key and origin.
    fn value_error(
        &self,
        section: &str,
        defaults: &str,
        error: config::ConfigError,
    ) -> ConfigError {
        let mut at = section.to_owned();
        let mut origin = self.file_name();
        if let config::ConfigError::Type { key: Some(key), .. }
        | config::ConfigError::At { key: Some(key), .. } = &error
        {
            at = format!("{section}.{key}");
            origin = self.origin(section, defaults, key);
        }
        let reason = if let config::ConfigError::Type { unexpected, expected, .. } = error {
            format!("{}, expected {expected}", redact_quoted(&unexpected.to_string()))
        } else if let config::ConfigError::At { error, .. } = error {
            error.to_string()
        } else {
            error.to_string()
        };
        ConfigError::Value { key: at, origin, reason }
    }

    /// The effective settings of one section with their origins.
    ///
    /// # Errors
    ///
    /// A key is unknown.
    pub fn effective_settings(
        &self,
        section: &str,
        defaults: &str,
    ) -> Result<Vec<EffectiveSetting>, ConfigError> {
        let mut values: BTreeMap<String, (String, String)> = defaults_by_key(defaults)
            .into_iter()
            .map(|(key, value)| (key, (unquoted(&value), DEFAULT.to_owned())))
            .collect();
        for (key, value, origin) in self.overlay(section, defaults)? {
            values.insert(key, (value.to_string(), origin));
        }
        Ok(values
            .into_iter()
            .map(|(key, (value, origin))| EffectiveSetting {
                key: format!("{section}.{key}"),
                value: secret::redact(&value),
                origin,
            })
            .collect())
    }

    /// The values of all layers above the defaults, lowest layer first: key, value, origin.
    fn overlay(
        &self,
        section: &str,
        defaults: &str,
    ) -> Result<Vec<(String, config::Value, String)>, ConfigError> {
        let known: Vec<String> = defaults_by_key(defaults).into_keys().collect();
        let check = |key: &str, origin: &str| {
            if known.iter().any(|it| it == key) {
                return Ok(());
            }
            let suggestion = nearest(key, known.iter().map(String::as_str));
            Err(ConfigError::Unknown {
                key: format!("{section}.{key}"),
                origin: origin.to_owned(),
                suggestion,
            })
        };
        let mut over = Vec::new();
        for (key, text) in keys_of_section(&self.base, section) {
            check(key, DATA_FOLDER)?;
            over.push((key.to_owned(), text.clone().into(), DATA_FOLDER.to_owned()));
        }
        for (origin, table) in self.tables_of(section) {
            for (key, value) in flatten(table) {
                check(&key, &origin)?;
                over.push((key, to_config_value(&value), origin.clone()));
            }
        }
        for (variable, text) in &self.environment {
            if let Some((_, key)) = key_of(variable).filter(|(it, _)| it == section) {
                check(&key, variable)?;
                over.push((key, text.clone().into(), variable.clone()));
            }
        }
        for (key, text) in keys_of_section(&self.flags, section) {
            check(key, "flag")?;
            over.push((key.to_owned(), text.clone().into(), "flag".to_owned()));
        }
        Ok(over)
    }

    fn file_name(&self) -> String {
        self.file_path.as_ref().map_or_else(String::new, |it| it.display().to_string())
    }
}

/// True when the locale of this process is Vietnamese (`LC_ALL`, `LC_MESSAGES`, `LANG`).
pub fn is_vietnamese() -> bool {
    ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .filter_map(std::env::var_os)
        .find(|it| !it.is_empty())
        .is_some_and(|it| it.to_string_lossy().starts_with("vi"))
}

pub(super) fn read_file(path: &Path) -> Result<Table, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let bytes = fs::read(path).map_err(unreadable)?;
    let not_text = || unreadable(std::io::ErrorKind::InvalidData.into());
    let text = text_file::decode(&bytes).ok_or_else(not_text)?;
    text.parse().map_err(|error: toml::de::Error| ConfigError::Malformed {
        path: path.to_owned(),
        line: error
            .span()
            .map_or(1, |span| 1 + text.bytes().take(span.start).filter(|it| *it == b'\n').count()),
        message: error.message().to_owned(),
    })
}

/// The pairs of one section among those named `section.key`.
fn keys_of_section<'a>(
    pairs: &'a [(String, String)],
    section: &'a str,
) -> impl Iterator<Item = (&'a str, &'a String)> {
    pairs.iter().filter_map(move |(name, text)| {
        let key = name.strip_prefix(section)?.strip_prefix('.')?;
        Some((key, text))
    })
}

fn to_config_value(value: &Value) -> config::Value {
    match value {
        Value::String(text) => text.clone().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Boolean(yes) => (*yes).into(),
        Value::Array(items) => items.iter().map(to_config_value).collect::<Vec<_>>().into(),
        Value::Table(_) | Value::Datetime(_) => value.to_string().into(),
    }
}

/// A string without its quotes, any other value as TOML.
fn unquoted(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// Redacts the value that an error quotes: a URL with a password may stand in the wrong setting.
fn redact_quoted(unexpected: &str) -> String {
    let parts = unexpected.split_once('"').and_then(|(before, rest)| {
        let (quoted, after) = rest.rsplit_once('"')?;
        Some(format!("{before}\"{}\"{after}", secret::redact(quoted)))
    });
    parts.unwrap_or_else(|| unexpected.to_owned())
}
