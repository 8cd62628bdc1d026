//! Certificates and keys in PEM files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::TlsError;

/// A certificate chain and its private key, each in a PEM file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPairFiles {
    /// The chain: the certificate itself first, then its intermediate authorities.
    pub certificates: PathBuf,
    /// The private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

impl KeyPairFiles {
    /// The pair of these files; none when neither is named.
    ///
    /// # Errors
    ///
    /// Only one of them is named.
    pub fn new(certificates: &Path, key: &Path) -> Result<Option<Self>, TlsError> {
        match (certificates.as_os_str().is_empty(), key.as_os_str().is_empty()) {
            (true, true) => Ok(None),
            (false, false) => {
                Ok(Some(Self { certificates: certificates.to_owned(), key: key.to_owned() }))
            }
            _ => Err(TlsError::Incomplete),
        }
    }

    pub(crate) fn read(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let bytes = read_file(&self.key)?;
        let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|_damaged| TlsError::Content {
            path: self.key.clone(),
            expected: "private key",
        })?;
        Ok((read_certificates(&self.certificates)?, key))
    }

    pub(crate) fn paths(&self) -> [PathBuf; 2] {
        [self.certificates.clone(), self.key.clone()]
    }
}

/// The certificates of a PEM file, in their order.
///
/// # Errors
///
/// The file cannot be read, or holds no certificate.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read_file(path)?;
    let without = || TlsError::Content { path: path.to_owned(), expected: "certificate" };
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    all.ok().filter(|it| !it.is_empty()).ok_or_else(without)
}

fn read_file(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

/// The authorities of a PEM file.
pub(crate) fn read_authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(path)? {
        roots.add(certificate).map_err(|source| TlsError::unusable(path, source))?;
    }
    Ok(roots)
}

/// The authorities that browsers trust.
pub(crate) fn public_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    roots
}

/// The cryptography of every link. It is named and not taken from the process's default, which a
/// library could change.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
