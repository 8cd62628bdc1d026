//! Secrets: texts and URLs that are never printed, and the files they are read from.

use std::convert::Infallible;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use url::Url;

use crate::text_file;

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
    /// The file is neither UTF-8 nor UTF-16.
    #[error("the secret file {} is not a text", path.display())]
    NotText {
        /// Path of the file.
        path: PathBuf,
    },
    /// The file holds no secret.
    #[error("the secret file {} is empty", path.display())]
    Empty {
        /// Path of the file.
        path: PathBuf,
    },
}

/// What may stand before a token where a line of a request was copied.
const HEADER: &str = "authorization:";
const SCHEME: &str = "bearer";

/// Quotation marks in pairs, as scripts and word processors put them around a token.
const QUOTES: [(char, char); 4] = [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”')];

/// Reads a password: the first line of a file in UTF-8 or UTF-16. Byte order mark, line end and blanks
/// around it are no part of it; quotation marks and everything inside are.
///
/// # Errors
///
/// The file cannot be read or is not a text, or its first line is empty.
pub fn read(path: &Path) -> Result<Secret, SecretError> {
    let text = read_text(path)?;
    secret_of(text.lines().next().unwrap_or_default().trim(), path)
}

/// Reads a token: the first line of a file that is not blank. A token has no blanks and no quotation
/// marks, so that the whole header line (`Authorization: Bearer …`) and quotation marks around it are
/// taken for what surrounds it.
///
/// # Errors
///
/// The file cannot be read or is not a text, or holds no token.
pub fn read_token(path: &Path) -> Result<Secret, SecretError> {
    let text = read_text(path)?;
    let line = text.lines().map(str::trim).find(|it| !it.is_empty()).unwrap_or_default();
    let line = unquoted(line);
    let line = without_prefix(line, HEADER).unwrap_or(line);
    let token = match without_prefix(line, SCHEME) {
        Some(rest) if rest.is_empty() || rest.starts_with(char::is_whitespace) => rest.trim(),
        Some(_) | None => line,
    };
    secret_of(unquoted(token), path)
}

fn read_text(path: &Path) -> Result<String, SecretError> {
    let bytes = fs::read(path)
        .map_err(|source| SecretError::Unreadable { path: path.to_owned(), source })?;
    text_file::decode(&bytes).ok_or_else(|| SecretError::NotText { path: path.to_owned() })
}

fn secret_of(text: &str, path: &Path) -> Result<Secret, SecretError> {
    if text.is_empty() {
        return Err(SecretError::Empty { path: path.to_owned() });
    }
    Ok(Secret::new(text))
}

/// The rest of a text behind a prefix of ASCII letters in either case, which is not trimmed at its
/// beginning when the prefix is a whole word only.
fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    let rest = text.get(prefix.len()..)?;
    let rest = if prefix.ends_with(':') { rest.trim() } else { rest };
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn unquoted(text: &str) -> &str {
    let inner = |(open, close): &(char, char)| text.strip_prefix(*open)?.strip_suffix(*close);
    QUOTES.iter().find_map(inner).map_or(text, str::trim)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn a_token_is_found_in_every_file_that_a_tool_writes() {
        let little = utf16("\u{feff}abc123\r\n", u16::to_le_bytes);
        let big = utf16("\u{feff}abc123\r\n", u16::to_be_bytes);
        let quoted_little = utf16("\u{feff}\"abc123\"\r\n", u16::to_le_bytes);
        for bytes in [
            b"abc123".as_slice(),
            b"abc123\n",
            b"abc123\r\n",
            b"\xEF\xBB\xBFabc123\r\n",
            b"\r\n  abc123 \t \r\n\r\n",
            b"\"abc123\"\n",
            b"'abc123'\n",
            "“abc123”\n".as_bytes(),
            b"Bearer abc123\n",
            b"bearer   abc123  \r\n",
            b"Authorization: Bearer abc123\r\n",
            b"authorization:abc123\n",
            b"\"Authorization: Bearer abc123\"\n",
            b"Bearer \"abc123\"\n",
            &little,
            &big,
            &little[2..],
            &quoted_little,
        ] {
            let read = read_token(file(bytes).path()).unwrap();
            assert_eq!(read.reveal(), "abc123", "{bytes:02x?}");
        }
        let begins_alike = read_token(file(b"bearerabc\n").path()).unwrap();
        assert_eq!(begins_alike.reveal(), "bearerabc");
    }

    #[test]
    fn a_password_keeps_what_is_inside() {
        for (bytes, password) in [
            (b"p\xC3\xA2ss w\"ord\r\n".as_slice(), "pâss w\"ord"),
            (b"\xEF\xBB\xBF\"quoted\"\n", "\"quoted\""),
            (b"Bearer of news\nsecond line\n", "Bearer of news"),
            (b"trailing \r\n", "trailing"),
        ] {
            assert_eq!(read(file(bytes).path()).unwrap().reveal(), password, "{bytes:02x?}");
        }
    }

    #[test]
    fn a_file_without_a_secret_is_named() {
        let blank = utf16("\u{feff}\r\n", u16::to_le_bytes);
        for bytes in [
            b"".as_slice(),
            b"\n\n",
            b"\xEF\xBB\xBF\r\n",
            b"\"\"\n",
            b"Bearer\n",
            b"Authorization:\n",
            &blank,
        ] {
            let file = file(bytes);
            let error = read_token(file.path()).unwrap_err();
            assert!(matches!(error, SecretError::Empty { .. }), "{bytes:02x?}: {error}");
            assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
        }
        let error = read_token(file(b"\xFF\xD8\xFF\xE0").path()).unwrap_err();
        assert!(matches!(error, SecretError::NotText { .. }), "{error}");
    }

    /// The shared cases K01, where they lie beside the project.
    #[test]
    fn the_shared_token_files_hold_one_token() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../../shared/cases/K01-token-file-forms");
        let Ok(entries) = fs::read_dir(&folder) else {
            std::io::stderr()
                .write_all(b"no cases beside the project, so none were read\n")
                .unwrap();
            return;
        };
        let mut tokens = Vec::new();
        for path in entries.map(|it| it.unwrap().path()) {
            if path.file_name().is_some_and(|it| it == "empty.token") {
                assert!(matches!(read_token(&path), Err(SecretError::Empty { .. })));
            } else {
                tokens.push(read_token(&path).unwrap().reveal().to_owned());
            }
        }
        assert!(tokens.len() >= 6 && tokens.iter().all(|it| it.len() == 64), "{tokens:?}");
        assert!(tokens.windows(2).all(|it| it[0] == it[1]), "{tokens:?}");
    }
}
