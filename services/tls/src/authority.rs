//! A certificate authority in a folder, for development and tests. In production the certificates
//! come from the organisation's own authority.

use std::fs;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};

use crate::identity::Identity;
use crate::pem::KeyPairFiles;

/// The name of the authority's files, without their extension.
const NAME: &str = "authority";

/// How long the authority's own certificate is valid.
const AUTHORITY_DAYS: u32 = 3_650;

/// A day before now, for peers whose clock is behind.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(24 * 3_600);

/// The certificates cannot be made or written.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file cannot be read or written.
    #[error("the file {} cannot be read or written", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A name has characters that a certificate cannot hold, or the authority's files are damaged.
    #[error("the certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
}

/// What a certificate is made for.
#[derive(Clone, Debug, Default)]
pub struct CertificateRequest {
    /// The name of its files, without their extension.
    pub file: String,
    /// Who it names; none for servers that are not ours, such as a broker.
    pub identity: Option<Identity>,
    /// Host names and IP addresses under which it serves.
    pub hosts: Vec<String>,
    /// How long it is valid.
    pub days: u32,
}

/// An authority whose certificate and key stand in a folder.
pub struct Authority {
    folder: PathBuf,
    installation: String,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Authority").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Authority {
    /// Opens the authority of a folder, or makes one there. `installation` stands in the identities
    /// of its certificates.
    ///
    /// # Errors
    ///
    /// The folder cannot be written, or holds a damaged authority.
    pub fn open_or_create(folder: &Path, installation: &str) -> Result<Self, AuthorityError> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        let files = files(folder, NAME);
        if !files.certificates.exists() {
            let key = KeyPair::generate()?;
            let certificate = authority_params()?.self_signed(&key)?;
            write(&files, &certificate.pem(), &key)?;
        }
        let read = |path: &Path| fs::read_to_string(path).map_err(at(path));
        let key = KeyPair::from_pem(&read(&files.key)?)?;
        // The parameters are the same for each authority; only the key differs.
        let issuer = Issuer::new(authority_params()?, key);
        Ok(Self { folder: folder.to_owned(), installation: installation.to_owned(), issuer })
    }

    /// PEM file with the authority's certificate, which the peers trust.
    pub fn certificate_file(&self) -> PathBuf {
        files(&self.folder, NAME).certificates
    }

    /// Makes a certificate and its key, and writes both into the folder; older ones of the same
    /// name are replaced.
    ///
    /// # Errors
    ///
    /// A name cannot stand in a certificate, or a file cannot be written.
    pub fn issue(&self, request: &CertificateRequest) -> Result<KeyPairFiles, AuthorityError> {
        let mut params = params(&request.file, request.days)?;
        for host in &request.hosts {
            params.subject_alt_names.push(match host.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(host.as_str().try_into()?),
            });
        }
        if let Some(identity) = &request.identity {
            let uri = identity.to_uri(&self.installation);
            params.subject_alt_names.push(SanType::URI(uri.as_str().try_into()?));
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let files = files(&self.folder, &request.file);
        write(&files, &certificate.pem(), &key)?;
        Ok(files)
    }
}

fn authority_params() -> Result<CertificateParams, rcgen::Error> {
    let mut params = params("Lien Thong development authority", AUTHORITY_DAYS)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn params(name: &str, days: u32) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    #[expect(clippy::disallowed_methods, reason = "the validity begins by the machine's clock")]
    let now = SystemTime::now();
    params.not_before = (now - CLOCK_TOLERANCE).into();
    params.not_after = (now + Duration::from_secs(u64::from(days) * 24 * 3_600)).into();
    Ok(params)
}

fn files(folder: &Path, name: &str) -> KeyPairFiles {
    KeyPairFiles {
        certificates: folder.join(format!("{name}.crt")),
        key: folder.join(format!("{name}.key")),
    }
}

/// Writes the key first, readable by its owner only. Each file appears whole.
fn write(files: &KeyPairFiles, certificate: &str, key: &KeyPair) -> Result<(), AuthorityError> {
    replace(&files.key, &key.serialize_pem(), 0o600)?;
    replace(&files.certificates, certificate, 0o644)
}

fn replace(path: &Path, text: &str, mode: u32) -> Result<(), AuthorityError> {
    let new = path.with_extension("new");
    let written = (|| {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(mode).open(&new)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&new, path)
    })();
    written.map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> AuthorityError {
    let path = path.to_owned();
    move |source| AuthorityError::File { path, source }
}
