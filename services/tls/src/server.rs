//! The end of a link that accepts connections.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, SupportedProtocolVersion, version};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certificate::Certificate;
use crate::error::TlsError;
use crate::pem::{KeyPairFiles, provider, read_authorities};
use crate::reload::Reloaded;

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// A client may show one; one that is shown must be valid.
    Optional,
    /// A client without a valid one is refused in the handshake.
    Required,
}

/// The versions of the protocol that a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersions {
    /// TLS 1.3 only: between our own processes.
    Tls13,
    /// TLS 1.2 as well, which vendors' platforms of some years ago need.
    Tls12AndTls13,
}

/// How a server encrypts.
#[derive(Clone, Debug)]
pub struct ServerTlsSettings {
    /// The server's own certificate.
    pub key_pair: KeyPairFiles,
    /// PEM file of the authorities whose certificates clients show; none: clients show none.
    pub client_authorities: Option<(PathBuf, ClientCertificates)>,
    /// The versions that are spoken.
    pub versions: TlsVersions,
}

/// Accepts encrypted connections of HTTP/1.1 and HTTP/2. Clones share the files.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<Reloaded<ServerConfig>>,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or certificate and key do not belong together.
    pub fn new(settings: ServerTlsSettings) -> Result<Self, TlsError> {
        let mut paths = settings.key_pair.paths().to_vec();
        paths.extend(settings.client_authorities.as_ref().map(|(path, _)| path.clone()));
        let config = Reloaded::new(paths, move || make_config(&settings))?;
        Ok(Self { config: Arc::new(config) })
    }

    /// The handshake of a new connection. It has no time limit of its own.
    ///
    /// # Errors
    ///
    /// The peer speaks no TLS, none that is allowed, or shows no certificate where one is required.
    pub async fn accept<S>(&self, stream: S) -> std::io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        TlsAcceptor::from(self.config.current()).accept(stream).await
    }

    /// The certificate that the client of a connection showed and the handshake verified.
    pub fn client_certificate<S>(stream: &TlsStream<S>) -> Option<Certificate> {
        let (_, connection) = stream.get_ref();
        Certificate::parse(connection.peer_certificates()?.first()?)
    }
}

fn make_config(settings: &ServerTlsSettings) -> Result<ServerConfig, TlsError> {
    let versions: &[&SupportedProtocolVersion] = match settings.versions {
        TlsVersions::Tls13 => &[&version::TLS13],
        TlsVersions::Tls12AndTls13 => &[&version::TLS13, &version::TLS12],
    };
    let path = &settings.key_pair.certificates;
    let unusable = |source| TlsError::unusable(path, source);
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(unusable)?;
    let builder = match &settings.client_authorities {
        None => builder.with_no_client_auth(),
        Some((authorities, required)) => {
            let roots = Arc::new(read_authorities(authorities)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            let verifier = match required {
                ClientCertificates::Optional => verifier.allow_unauthenticated(),
                ClientCertificates::Required => verifier,
            };
            let verifier = verifier.build().map_err(|it| TlsError::unusable(authorities, it))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let (certificates, key) = settings.key_pair.read()?;
    let mut config = builder.with_single_cert(certificates, key).map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
