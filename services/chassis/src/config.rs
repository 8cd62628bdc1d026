//! Configuration: defaults, one file, the environment, flags; each knows where a value came from.
//!
//! A section is a table of the file and the settings of one service. Its defaults name every key,
//! so a key that is not among them is a mistake, and the nearest one is suggested.

mod environment;
mod error;
mod nearest;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use config::{Config, File, FileFormat};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use self::environment::{key_of, near_miss, ours};
pub use self::error::ConfigError;
use self::nearest::closest;
use crate::secret::{self, Secret};

/// What names of the environment begin with: `LIENTHONG__<SECTION>__<KEY>`.
pub const PREFIX: &str = "LIENTHONG__";

/// Where values come from that follow from the data folder.
const DATA_FOLDER: &str = "data folder";

/// Where values come from that the program brings along.
const DEFAULT: &str = "default";

/// A value in force, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// `section.key`.
    pub key: String,
    /// As text; a secret is a path to a file, so nothing has to be hidden but passwords in addresses.
    pub value: String,
    /// `default`, `data folder`, the file, the variable, or `flag`.
    pub origin: String,
}

/// Everything that was said about the configuration, before any section is read.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    base: Vec<(String, String)>,
    file: Table,
    file_path: Option<PathBuf>,
    environment: BTreeMap<String, String>,
    flags: Vec<(String, String)>,
}

impl Layers {
    /// Reads the file, if there is one, and the environment of this process.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is no TOML, or a variable of ours is no text.
    pub fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        Self::from_parts(path, ours(std::env::vars_os())?)
    }

    /// Reads the file, and takes this for the environment.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is no TOML.
    pub fn from_parts(
        path: Option<&Path>,
        environment: BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let file = path.map(read_file).transpose()?.unwrap_or_default();
        let file_path = path.map(Path::to_owned);
        Ok(Self { file, file_path, environment, ..Self::default() })
    }

    /// Sets `section.key` to what follows from the data folder; weaker than anything said aloud.
    #[must_use]
    pub fn base(mut self, key: &str, value: impl Into<String>) -> Self {
        self.base.push((key.to_owned(), value.into()));
        self
    }

    /// Sets `section.key` from a flag; flags win over everything.
    #[must_use]
    pub fn flag(mut self, key: &str, value: impl Into<String>) -> Self {
        self.flags.push((key.to_owned(), value.into()));
        self
    }

    /// Refuses sections that no service has, and variables that miss a section by an underscore.
    /// Each section comes with its defaults.
    ///
    /// # Errors
    ///
    /// The file or the environment names an unknown section, or one that is no section.
    pub fn check(&self, sections: &[(&str, &str)]) -> Result<(), ConfigError> {
        let known = |name: &str| sections.iter().any(|(it, _)| *it == name);
        let unknown = |name: &str, origin: String| ConfigError::Unknown {
            key: name.to_owned(),
            origin,
            suggestion: closest(name, sections.iter().map(|(it, _)| *it)),
        };
        for (name, value) in &self.file {
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
                None => near_miss(variable, sections)?,
            }
        }
        Ok(())
    }

    /// The settings of one section.
    ///
    /// # Errors
    ///
    /// A key is unknown or a value has the wrong form.
    pub fn section<T: DeserializeOwned>(
        &self,
        section: &str,
        defaults: &str,
    ) -> Result<T, ConfigError> {
        let value = |error: config::ConfigError| self.wrong(section, defaults, error);
        let mut builder = Config::builder().add_source(File::from_str(defaults, FileFormat::Toml));
        for (key, text, _) in self.overlay(section, defaults)? {
            builder = builder.set_override(key, text).map_err(value)?;
        }
        builder.build().map_err(value)?.try_deserialize().map_err(value)
    }

    /// Refuses a number that is smaller than it may be.
    ///
    /// # Errors
    ///
    /// It is.
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

    /// The secret in the file that a setting names; none when it names no file.
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

    /// Where the value in force comes from.
    pub fn origin(&self, section: &str, defaults: &str, key: &str) -> String {
        let over = self.overlay(section, defaults).unwrap_or_default();
        let last = over.into_iter().rev().find(|(it, ..)| it == key);
        last.map_or_else(|| DEFAULT.to_owned(), |(_, _, origin)| origin)
    }

    /// The error about a value, with the key as people write it.
    fn wrong(&self, section: &str, defaults: &str, error: config::ConfigError) -> ConfigError {
        let mut at = section.to_owned();
        let mut origin = self.file_name();
        if let config::ConfigError::Type { key: Some(key), .. }
        | config::ConfigError::At { key: Some(key), .. } = &error
        {
            at = format!("{section}.{key}");
            origin = self.origin(section, defaults, key);
        }
        let reason = if let config::ConfigError::Type { unexpected, expected, .. } = error {
            format!("{unexpected}, expected {expected}")
        } else if let config::ConfigError::At { error, .. } = error {
            error.to_string()
        } else {
            error.to_string()
        };
        ConfigError::Value { key: at, origin, reason }
    }

    /// Every value of one section and where it came from.
    ///
    /// # Errors
    ///
    /// A key is unknown.
    pub fn show(&self, section: &str, defaults: &str) -> Result<Vec<Shown>, ConfigError> {
        let mut shown: BTreeMap<String, (String, String)> = leaves(defaults)
            .into_iter()
            .map(|(key, value)| (key, (plain(&value), DEFAULT.to_owned())))
            .collect();
        for (key, value, origin) in self.overlay(section, defaults)? {
            shown.insert(key, (value.to_string(), origin));
        }
        let masked = |value: String| mask(&value);
        Ok(shown
            .into_iter()
            .map(|(key, (value, origin))| Shown {
                key: format!("{section}.{key}"),
                value: masked(value),
                origin,
            })
            .collect())
    }

    /// What lies over the defaults, weakest first: key, value, origin.
    fn overlay(
        &self,
        section: &str,
        defaults: &str,
    ) -> Result<Vec<(String, config::Value, String)>, ConfigError> {
        let known: Vec<String> = leaves(defaults).into_keys().collect();
        let check = |key: &str, origin: &str| {
            if known.iter().any(|it| it == key) {
                return Ok(());
            }
            let suggestion = closest(key, known.iter().map(String::as_str));
            Err(ConfigError::Unknown {
                key: format!("{section}.{key}"),
                origin: origin.to_owned(),
                suggestion,
            })
        };
        let mut over = Vec::new();
        for (key, text) in of(&self.base, section) {
            check(key, DATA_FOLDER)?;
            over.push((key.to_owned(), text.clone().into(), DATA_FOLDER.to_owned()));
        }
        if let Some(table) = self.file.get(section).and_then(Value::as_table) {
            let mut found = BTreeMap::new();
            collect(table, "", &mut found);
            for (key, value) in found {
                check(&key, &self.file_name())?;
                over.push((key, layered(&value), self.file_name()));
            }
        }
        for (variable, text) in &self.environment {
            if let Some((_, key)) = key_of(variable).filter(|(it, _)| it == section) {
                check(&key, variable)?;
                over.push((key, text.clone().into(), variable.clone()));
            }
        }
        for (key, text) in of(&self.flags, section) {
            check(key, "flag")?;
            over.push((key.to_owned(), text.clone().into(), "flag".to_owned()));
        }
        Ok(over)
    }

    fn file_name(&self) -> String {
        self.file_path.as_ref().map_or_else(String::new, |it| it.display().to_string())
    }
}

/// True when this machine's user reads Vietnamese.
pub fn is_vietnamese() -> bool {
    ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .filter_map(std::env::var_os)
        .find(|it| !it.is_empty())
        .is_some_and(|it| it.to_string_lossy().starts_with("vi"))
}

fn read_file(path: &Path) -> Result<Table, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    text.parse().map_err(|error: toml::de::Error| ConfigError::Malformed {
        path: path.to_owned(),
        line: error
            .span()
            .map_or(1, |span| 1 + text.bytes().take(span.start).filter(|it| *it == b'\n').count()),
        message: error.message().to_owned(),
    })
}

/// The keys of one section among `section.key` pairs.
fn of<'a>(
    pairs: &'a [(String, String)],
    section: &'a str,
) -> impl Iterator<Item = (&'a str, &'a String)> {
    pairs.iter().filter_map(move |(name, text)| {
        let key = name.strip_prefix(section)?.strip_prefix('.')?;
        Some((key, text))
    })
}

fn leaves(defaults: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    collect(&defaults.parse::<Table>().unwrap_or_default(), "", &mut found);
    found
}

fn collect(table: &Table, within: &str, into: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = if within.is_empty() { name.clone() } else { format!("{within}.{name}") };
        match value {
            Value::Table(inner) => collect(inner, &key, into),
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => drop(into.insert(key, value.clone())),
        }
    }
}

fn layered(value: &Value) -> config::Value {
    match value {
        Value::String(text) => text.clone().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Boolean(yes) => (*yes).into(),
        Value::Array(items) => items.iter().map(layered).collect::<Vec<_>>().into(),
        Value::Table(_) | Value::Datetime(_) => value.to_string().into(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// Hides the password of an address.
fn mask(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let Some((user, host)) = rest.rsplit_once('@') else { return value.to_owned() };
    let name = user.split(':').next().unwrap_or_default();
    format!("{scheme}://{name}:***@{host}")
}
