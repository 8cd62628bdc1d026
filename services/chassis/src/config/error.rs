//! Why there is no configuration.

use std::path::PathBuf;

use crate::secret::SecretError;

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
    #[error("LT-CFG-003: {origin}: there is no setting `{key}`{}", nearest(suggestion.as_deref()))]
    Unknown {
        /// The key, with its section.
        key: String,
        /// The file or the variable it stands in.
        origin: String,
        /// The known key that is nearest.
        suggestion: Option<String>,
    },
    /// A value has the wrong form.
    #[error("LT-CFG-004: {origin}: `{key}` cannot be used: {reason}")]
    Value {
        /// The key, with its section; only the section when the key is not known.
        key: String,
        /// The file or the variable it stands in.
        origin: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// A number is too small.
    #[error("LT-CFG-005: {origin}: `{key}` is {value}, at least {least} is needed")]
    TooSmall {
        /// The key, with its section.
        key: String,
        /// The file or the variable it stands in.
        origin: String,
        /// What it is.
        value: u64,
        /// What it must be at least.
        least: u64,
    },
    /// A file that holds a secret is of no use.
    #[error("LT-CFG-006: {origin}: the secret that `{key}` names cannot be used")]
    Secret {
        /// The key, with its section.
        key: String,
        /// The file or the variable it stands in.
        origin: String,
        /// What is wrong with it.
        #[source]
        source: SecretError,
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
            Self::TooSmall { .. } => "LT-CFG-005",
            Self::Secret { .. } => "LT-CFG-006",
        }
    }
}

fn nearest(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |it| format!("; did you mean `{it}`?"))
}
