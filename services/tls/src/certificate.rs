//! What a certificate (RFC 5280) says.

use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::identity::Identity;

/// The parts of a certificate that operators and access rules need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its distinguished name, as RFC 4514 writes it.
    pub subject: String,
    /// The end of its validity.
    pub not_after: SystemTime,
    /// The URIs among its alternative names.
    pub uris: Vec<String>,
}

impl Certificate {
    /// Reads a certificate; none when it is damaged.
    pub fn parse(der: &CertificateDer<'_>) -> Option<Self> {
        let parsed = x509_cert::Certificate::from_der(der.as_ref()).ok()?.tbs_certificate;
        let names = parsed.get::<SubjectAltName>().ok().flatten();
        let names = names.map(|(_, names)| names.0).unwrap_or_default();
        let uri = |name: GeneralName| {
            let GeneralName::UniformResourceIdentifier(uri) = name else { return None };
            Some(uri.as_str().to_owned())
        };
        Some(Self {
            subject: parsed.subject.to_string(),
            not_after: parsed.validity.not_after.to_system_time(),
            uris: names.into_iter().filter_map(uri).collect(),
        })
    }

    /// Who the certificate names; none when it names nobody of the system.
    pub fn identity(&self) -> Option<Identity> {
        self.uris.iter().find_map(|it| Identity::parse(it))
    }
}
