//! Secrets: texts and URLs that are never printed, and the files they are read from.

use std::convert::Infallible;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use url::Url;

/// What is printed in place of a secret.
const REDACTED: &str = "***";

/// Parameters of a URL's query that hold a secret.
const SECRET_PARAMETERS: [&str; 4] = ["password", "token", "secret", "sslpassword"];

/// A text that `Debug` does not print, such as a token or a password.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Call it only where the secret is sent or compared.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(***)")
    }
}

/// A URL whose password `Debug` and `Display` do not print. Any text is accepted, such as the path
/// of an SQLite file: whether it is a URL is decided by the component that connects to it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// Wraps a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The URL with its password. Call it only where the connection is made.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// True for the empty text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same URL with this password for its user. `None` for a URL without a user, because the
    /// password would then be sent for no account.
    #[must_use]
    pub fn with_password(&self, password: &Secret) -> Option<Self> {
        let (scheme, rest) = self.0.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, hosts) = authority.rsplit_once('@')?;
        let user = user.split(':').next().filter(|it| !it.is_empty())?;
        // PostgreSQL URLs may name several hosts or none, which `Url` rejects: it only encodes.
        let mut encoder = Url::parse(&format!("{scheme}://{user}@host")).ok()?;
        encoder.set_password(Some(&password.0.replace('%', "%25"))).ok()?;
        Some(Self(format!("{scheme}://{user}:{}@{hosts}{path}", encoder.password()?)))
    }
}

impl FromStr for SecretUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text))
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&redact(&self.0))
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretUrl({self})")
    }
}

/// Replaces the passwords in a text that may be a URL. A URL that cannot be parsed is replaced
/// whole after its scheme, because nothing says where its password ends.
pub fn redact(text: &str) -> String {
    let Some((scheme, _)) = text.split_once("://") else { return text.to_owned() };
    let unparsed = || format!("{scheme}://{REDACTED}");
    let Ok(mut url) = Url::parse(text) else { return unparsed() };
    // An unencoded `/`, `?` or `#` in a password ends the authority too early.
    if [Some(url.path()), url.query(), url.fragment()].iter().flatten().any(|it| it.contains('@')) {
        return unparsed();
    }
    let is_secret = |name: &str| SECRET_PARAMETERS.contains(&name.to_ascii_lowercase().as_str());
    let has_secret_parameter = url.query_pairs().any(|(name, _)| is_secret(&name));
    if url.password().is_none() && !has_secret_parameter {
        return text.to_owned();
    }
    if url.password().is_some() && url.set_password(Some(REDACTED)).is_err() {
        return unparsed();
    }
    if has_secret_parameter {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let redacted = pairs.iter().map(|(name, value)| {
            (name.as_str(), if is_secret(name) { REDACTED } else { value.as_str() })
        });
        url.query_pairs_mut().clear().extend_pairs(redacted);
    }
    url.into()
}

/// A secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("the secret file {} cannot be read", path.display())]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// The first line of the file is empty.
    #[error("the secret file {} is empty", path.display())]
    Empty {
        /// Path of the file.
        path: PathBuf,
    },
}

/// Reads a secret: the first line of a file, trimmed.
///
/// # Errors
///
/// The file cannot be read, or its first line is empty.
pub fn read(path: &Path) -> Result<Secret, SecretError> {
    let text = fs::read_to_string(path)
        .map_err(|source| SecretError::Unreadable { path: path.to_owned(), source })?;
    match text.lines().next().map(str::trim) {
        Some(line) if !line.is_empty() => Ok(Secret::new(line)),
        _ => Err(SecretError::Empty { path: path.to_owned() }),
    }
}
