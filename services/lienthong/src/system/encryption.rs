//! The certificates of a process: what its listeners show, and what it shows to other roles.

use std::path::{Path, PathBuf};

use tls::{
    ClientCertificates, ClientTls, ClientTlsSettings, KeyPairFiles, ServerTls, ServerTlsSettings,
    TlsError, TlsVersions,
};

use crate::settings::TlsSection;

/// The ends of encrypted links. Without certificates in the settings every link is plain text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encryption {
    /// For vendors: TLS 1.2 as well, a certificate of the caller when the settings ask for one.
    pub(crate) vendors: Option<ServerTls>,
    /// For roles and operators: TLS 1.3, each caller shows a certificate.
    pub(crate) internal: Option<ServerTls>,
    /// For health and metrics: whoever reads them shows no certificate.
    pub(crate) ops: Option<ServerTls>,
    /// For calls to other roles.
    pub(crate) client: Option<ClientTls>,
}

impl Encryption {
    /// Reads the files that the section names.
    ///
    /// # Errors
    ///
    /// A file cannot be read, a certificate has no key, or callers need certificates and no
    /// authorities are named.
    pub(crate) fn new(section: &TlsSection) -> Result<Self, TlsError> {
        let own = KeyPairFiles::new(&section.certificates_file, &section.key_file)?;
        let for_vendors =
            KeyPairFiles::new(&section.vendors_certificates_file, &section.vendors_key_file)?;
        let server = |key_pair, client_authorities, versions| {
            ServerTls::new(ServerTlsSettings { key_pair, client_authorities, versions })
        };
        let vendor_certificates = vendor_certificates(section)?;
        let vendors = for_vendors
            .or_else(|| own.clone())
            .map(|key_pair| server(key_pair, vendor_certificates, TlsVersions::Tls12AndTls13));
        let authorities = named(&section.authorities_file);
        let internal = own.clone().map(|key_pair| {
            let authorities = authorities.clone().ok_or(TlsError::WithoutAuthorities)?;
            let clients = Some((authorities, ClientCertificates::Required));
            server(key_pair, clients, TlsVersions::Tls13)
        });
        let ops = own.clone().map(|it| server(it, None, TlsVersions::Tls12AndTls13));
        let client = authorities.map(|authorities| {
            ClientTls::new(ClientTlsSettings { authorities: Some(authorities), key_pair: own })
        });
        Ok(Self {
            vendors: vendors.transpose()?,
            internal: internal.transpose()?,
            ops: ops.transpose()?,
            client: client.transpose()?,
        })
    }
}

/// Whose certificates vendors show, and whether they must. A requirement without authorities is an
/// error, because it would not hold.
fn vendor_certificates(
    section: &TlsSection,
) -> Result<Option<(PathBuf, ClientCertificates)>, TlsError> {
    let authorities = named(&section.vendors_authorities_file);
    if !section.vendors_certificates_required {
        return Ok(authorities.map(|it| (it, ClientCertificates::Optional)));
    }
    let authorities = authorities.ok_or(TlsError::WithoutAuthorities)?;
    Ok(Some((authorities, ClientCertificates::Required)))
}

/// A path that a setting names; none when it is empty.
pub(crate) fn named(path: &Path) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chassis::config::Layers;
    use tls::authority::{Authority, CertificateRequest};

    use super::*;

    #[test]
    fn a_requirement_of_certificates_without_authorities_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(folder.path(), "test").unwrap();
        let request = CertificateRequest { file: "up".to_owned(), days: 1, ..Default::default() };
        let pair = authority.issue(&request).unwrap();
        let layers = Layers::from_parts(None, BTreeMap::new()).unwrap();
        let defaults = include_str!("../../config/tls.toml");
        let empty: TlsSection = layers.section("tls", defaults).unwrap();
        let own = TlsSection {
            certificates_file: pair.certificates,
            key_file: pair.key,
            authorities_file: authority.certificate_file(),
            ..empty.clone()
        };
        Encryption::new(&empty).unwrap();
        Encryption::new(&own).unwrap();
        for section in [
            TlsSection { authorities_file: PathBuf::new(), ..own.clone() },
            TlsSection { vendors_certificates_required: true, ..own.clone() },
            TlsSection { vendors_certificates_required: true, ..empty },
        ] {
            let error = Encryption::new(&section).unwrap_err();
            assert!(matches!(error, TlsError::WithoutAuthorities), "{error}");
        }
        let without_key = TlsSection { key_file: PathBuf::new(), ..own };
        assert!(matches!(Encryption::new(&without_key), Err(TlsError::Incomplete)));
    }
}
