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
    /// A file cannot be read, or a certificate has no key.
    pub(crate) fn new(section: &TlsSection) -> Result<Self, TlsError> {
        let own = KeyPairFiles::new(&section.certificates_file, &section.key_file)?;
        let for_vendors =
            KeyPairFiles::new(&section.vendors_certificates_file, &section.vendors_key_file)?;
        let server = |key_pair, client_authorities, versions| {
            ServerTls::new(ServerTlsSettings { key_pair, client_authorities, versions })
        };
        let required = if section.vendors_certificates_required {
            ClientCertificates::Required
        } else {
            ClientCertificates::Optional
        };
        let vendors = for_vendors.or_else(|| own.clone()).map(|key_pair| {
            let authorities = named(&section.vendors_authorities_file);
            server(key_pair, authorities.map(|it| (it, required)), TlsVersions::Tls12AndTls13)
        });
        let authorities = named(&section.authorities_file);
        let internal = own.clone().map(|key_pair| {
            let authorities = authorities.clone().ok_or(TlsError::Incomplete)?;
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

/// A path that a setting names; none when it is empty.
pub(crate) fn named(path: &Path) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then(|| path.to_owned())
}
