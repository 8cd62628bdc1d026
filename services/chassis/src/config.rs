//! Configuration: defaults, one file, the environment, flags; each knows where a value came from.
//!
//! A section is a table of the file and the settings of one service. Its defaults name every key,
//! so a key that is not among them is a mistake, and the nearest one is suggested.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use config::{Config, File, FileFormat};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// What names of the environment begin with: `LIENTHONG__<SECTION>__<KEY>`.
pub const PREFIX: &str = "LIENTHONG__";

/// Why there is no configuration. The codes are pages of the error catalogue.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("LT-CFG-001: the configuration file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("LT-CFG-002: {}:{line}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// Nobody knows this setting.
    #[error("LT-CFG-003: {origin}: there is no setting `{key}`{}", nearest(suggestion))]
    Unknown {
        /// The key, with its section.
        key: String,
        /// The file or the variable it stands in.
        origin: String,
        /// The known key that is nearest.
        suggestion: Option<String>,
    },
    /// A value has the wrong form.
    #[error("LT-CFG-004: [{section}] a value cannot be used")]
    Value {
        /// The section.
        section: String,
        /// Which key, and what was expected.
        #[source]
        source: config::ConfigError,
    },
}

impl ConfigError {
    /// The page of the error catalogue.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "LT-CFG-001",
            Self::Malformed { .. } => "LT-CFG-002",
            Self::Unknown { .. } => "LT-CFG-003",
            Self::Value { .. } => "LT-CFG-004",
        }
    }
}

fn nearest(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map_or_else(String::new, |it| format!("; did you mean `{it}`?"))
}

/// A value in force, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// `section.key`.
    pub key: String,
    /// As text; a secret is a path to a file, so nothing has to be hidden but passwords in addresses.
    pub value: String,
    /// `default`, the file, the variable, or `flag`.
    pub origin: String,
}

/// Everything that was said about the configuration, before any section is read.
#[derive(Clone, Debug, Default)]
pub struct Layers {
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
    /// The file cannot be read or is no TOML.
    pub fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        let environment = std::env::vars().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        Self::from_parts(path, environment)
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
        Ok(Self { file, file_path: path.map(Path::to_owned), environment, flags: Vec::new() })
    }

    /// Sets `section.key` from a flag; flags win over everything.
    #[must_use]
    pub fn flag(mut self, key: &str, value: impl Into<String>) -> Self {
        self.flags.push((key.to_owned(), value.into()));
        self
    }

    /// Refuses sections that no service has.
    ///
    /// # Errors
    ///
    /// The file or the environment names an unknown section.
    pub fn check(&self, sections: &[&str]) -> Result<(), ConfigError> {
        let known = |name: &str| sections.contains(&name);
        let unknown = |name: &str, origin: String| ConfigError::Unknown {
            key: name.to_owned(),
            origin,
            suggestion: closest(name, sections.iter().copied()),
        };
        if let Some(name) = self.file.keys().find(|it| !known(it)) {
            return Err(unknown(name, self.file_name()));
        }
        for variable in self.environment.keys() {
            let (section, _) = key_of(variable);
            if !known(&section) {
                return Err(unknown(&section, variable.clone()));
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
        let value = |source| ConfigError::Value { section: section.to_owned(), source };
        let mut builder = Config::builder().add_source(File::from_str(defaults, FileFormat::Toml));
        for (key, text, _) in self.overlay(section, defaults)? {
            builder = builder.set_override(key, text).map_err(value)?;
        }
        builder.build().map_err(value)?.try_deserialize().map_err(value)
    }

    /// Every value of one section and where it came from.
    ///
    /// # Errors
    ///
    /// A key is unknown.
    pub fn show(&self, section: &str, defaults: &str) -> Result<Vec<Shown>, ConfigError> {
        let mut shown: BTreeMap<String, (String, String)> = leaves(defaults)
            .into_iter()
            .map(|(key, value)| (key, (plain(&value), "default".to_owned())))
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
        if let Some(table) = self.file.get(section).and_then(Value::as_table) {
            let mut found = BTreeMap::new();
            collect(table, "", &mut found);
            for (key, value) in found {
                check(&key, &self.file_name())?;
                over.push((key, layered(&value), self.file_name()));
            }
        }
        for (variable, text) in &self.environment {
            let (of, key) = key_of(variable);
            if of == section {
                check(&key, variable)?;
                over.push((key, text.clone().into(), variable.clone()));
            }
        }
        for (name, text) in &self.flags {
            if let Some(key) = name.strip_prefix(&format!("{section}.")) {
                check(key, "flag")?;
                over.push((key.to_owned(), text.clone().into(), "flag".to_owned()));
            }
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

/// `LIENTHONG__GATEWAY__BODY_BYTES_MAX` is `gateway`, `body_bytes_max`.
fn key_of(variable: &str) -> (String, String) {
    let name = variable.trim_start_matches(PREFIX).to_ascii_lowercase();
    let (section, key) = name.split_once("__").unwrap_or((&name, ""));
    (section.to_owned(), key.replace("__", "."))
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

/// The known name that is nearest, if any is near.
fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    known
        .map(|it| (distance(name, it), it))
        .filter(|(distance, it)| *distance <= 2.max(it.len() / 3))
        .min()
        .map(|(_, it)| it.to_owned())
}

/// How many letters have to change (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.chars().enumerate() {
        let mut corner = row[0];
        row[0] = line + 1;
        for (column, to) in right.iter().enumerate() {
            let change = corner + usize::from(from != *to);
            corner = row[column + 1];
            row[column + 1] = change.min(corner + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}
