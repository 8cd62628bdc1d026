//! Why a TLS configuration cannot be used.

use std::path::{Path, PathBuf};

/// A file of a TLS configuration cannot be used. The texts name the file and never quote it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("the file {} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not PEM (RFC 7468), or holds nothing of the expected kind.
    #[error("the file {} holds no {expected} in PEM form", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it must hold: `certificate` or `private key`.
        expected: &'static str,
    },
    /// The certificate and the key cannot be used together, or an authority cannot be used.
    #[error("{} cannot be used", .path.display())]
    Unusable {
        /// The file with the certificates.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Callers are to show certificates, and nothing says whose certificates are valid.
    #[error("certificates of callers are required, and no file of their authorities is named")]
    WithoutAuthorities,
    /// A key was named without its certificate, or the other way round.
    #[error("a certificate and its key are needed together")]
    Incomplete,
}

impl TlsError {
    pub(crate) fn unusable(
        path: &Path,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Unusable { path: path.to_owned(), source: source.into() }
    }
}
