//! The encoding that an XML declaration names.

use encoding_rs::{Encoding, UTF_8};
use legacy_text::Charset;

/// A declared encoding that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeclaredEncoding {
    /// One of the WHATWG standard.
    Known(&'static Encoding),
    /// A Vietnamese charset that the standard does not have.
    Legacy(Charset),
}

impl DeclaredEncoding {
    /// The encoding of a name; none for an unknown one.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let known = Encoding::for_label(name.as_bytes()).map(Self::Known);
        known.or_else(|| Charset::from_name(name).map(Self::Legacy))
    }

    /// Its name.
    pub(crate) fn name(self) -> String {
        match self {
            // The standard reads Latin-1 as windows-1252, and people know the former name.
            Self::Known(it) if it == encoding_rs::WINDOWS_1252 => "ISO-8859-1/windows-1252".into(),
            Self::Known(it) => it.name().to_owned(),
            Self::Legacy(it) => it.name().to_owned(),
        }
    }

    /// True for UTF-8 and UTF-16. .NET writes `utf-16` in front of a text that it then sends as UTF-8.
    pub(crate) fn is_unicode(self) -> bool {
        let Self::Known(it) = self else { return false };
        it == UTF_8 || it == encoding_rs::UTF_16LE || it == encoding_rs::UTF_16BE
    }
}

/// Bytes of the longest declaration that is looked at.
const DECLARATION_BYTES_MAX: usize = 200;

/// The encoding that the XML declaration at the beginning names; none without one, or with an unknown
/// name, which the scanner refuses.
pub(crate) fn declared_encoding(bytes: &[u8]) -> Option<DeclaredEncoding> {
    let begin = bytes.iter().position(|it| !it.is_ascii_whitespace())?;
    let rest = bytes.get(begin..)?.strip_prefix(b"<?xml")?;
    let rest = rest.get(..rest.len().min(DECLARATION_BYTES_MAX))?;
    let end = rest.windows(2).position(|it| it == b"?>")?;
    let text = std::str::from_utf8(rest.get(..end)?).ok()?;
    let (_, value) = text.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|it| ['"', '\''].contains(it))?;
    let (name, _) = value.get(1..)?.split_once(quote)?;
    DeclaredEncoding::from_name(name)
}
