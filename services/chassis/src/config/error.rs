//! Errors of the configuration.

use std::path::PathBuf;

use crate::secret::SecretError;

/// An error of the configuration. Each variant has a code of the error catalogue.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("LT-CFG-001: the configuration file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("LT-CFG-002: {}:{line}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Message of the TOML parser.
        message: String,
    },
    /// The setting does not exist.
    #[error("LT-CFG-003: {origin}: there is no setting `{key}`{}", nearest(suggestion.as_deref()))]
    Unknown {
        /// The key, with its section.
        key: String,
        /// The file or the variable that sets it.
        origin: String,
        /// The nearest known key.
        suggestion: Option<String>,
    },
    /// A value has the wrong type.
    #[error("LT-CFG-004: {origin}: `{key}` cannot be used: {reason}")]
    Value {
        /// The key, with its section; only the section when the key is not known.
        key: String,
        /// The file or the variable that sets it.
        origin: String,
        /// The value that was found and the type that was expected.
        reason: String,
    },
    /// A number is too small.
    #[error("LT-CFG-005: {origin}: `{key}` is {value}, at least {least} is needed")]
    TooSmall {
        /// The key, with its section.
        key: String,
        /// The file or the variable that sets it.
        origin: String,
        /// The value.
        value: u64,
        /// The minimum.
        least: u64,
    },
    /// No file has the context.
    #[error("LT-CLI-014: there is no context `{name}`{}", nearest(suggestion.as_deref()))]
    Context {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
        /// The nearest known name.
        suggestion: Option<String>,
    },
    /// The file of a secret cannot be used.
    #[error("LT-CFG-006: {origin}: the secret that `{key}` names cannot be used")]
    Secret {
        /// The key, with its section.
        key: String,
        /// The file or the variable that sets it.
        origin: String,
        /// Why it cannot be used.
        #[source]
        source: SecretError,
    },
}

impl ConfigError {
    /// The code of the error catalogue.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "LT-CFG-001",
            Self::Malformed { .. } => "LT-CFG-002",
            Self::Unknown { .. } => "LT-CFG-003",
            Self::Value { .. } => "LT-CFG-004",
            Self::TooSmall { .. } => "LT-CFG-005",
            Self::Secret { .. } => "LT-CFG-006",
            Self::Context { .. } => "LT-CLI-014",
        }
    }
}

fn nearest(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |it| format!("; did you mean `{it}`?"))
}
