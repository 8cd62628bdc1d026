//! The end of a link that opens connections.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, version};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificate::Certificate;
use crate::error::TlsError;
use crate::pem::{KeyPairFiles, provider, public_authorities, read_authorities};
use crate::reload::Reloaded;

/// How a client encrypts. The server's certificate is always verified, its name too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTlsSettings {
    /// PEM file of the authorities that servers' certificates come from; none: those that browsers
    /// trust.
    pub authorities: Option<PathBuf>,
    /// The certificate that the client shows to servers that ask for one.
    pub key_pair: Option<KeyPairFiles>,
}

/// Opens encrypted connections. Clones share the files.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<Reloaded<ClientConfig>>,
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClientTls").finish_non_exhaustive()
    }
}

impl ClientTls {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or certificate and key do not belong together.
    pub fn new(settings: ClientTlsSettings) -> Result<Self, TlsError> {
        let mut paths: Vec<PathBuf> = settings.authorities.iter().cloned().collect();
        paths.extend(settings.key_pair.iter().flat_map(KeyPairFiles::paths));
        let config = Reloaded::new(paths, move || make_config(&settings))?;
        Ok(Self { config: Arc::new(config) })
    }

    /// The configuration of the files as they are now, for libraries that make the handshake
    /// themselves. It offers no application protocol.
    pub fn config(&self) -> Arc<ClientConfig> {
        self.config.current()
    }

    /// The handshake of a new connection that will carry HTTP/2. It has no time limit of its own.
    ///
    /// # Errors
    ///
    /// The server speaks no TLS, or its certificate is not valid for `host`.
    pub async fn connect<S>(&self, host: &str, stream: S) -> std::io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut config = ClientConfig::clone(&self.config());
        config.alpn_protocols = vec![b"h2".to_vec()];
        self.handshake(config, host, stream).await
    }

    /// The handshake of a new connection that will carry HTTP/1.1. It has no time limit of its own.
    ///
    /// # Errors
    ///
    /// As of [`connect`](Self::connect).
    pub async fn connect_http1<S>(&self, host: &str, stream: S) -> std::io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut config = ClientConfig::clone(&self.config());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        self.handshake(config, host, stream).await
    }

    /// The certificate that a server shows in the handshake, for any protocol that begins with it.
    ///
    /// # Errors
    ///
    /// As of [`connect`](Self::connect).
    pub async fn server_certificate<S>(
        &self,
        host: &str,
        stream: S,
    ) -> std::io::Result<Option<Certificate>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = ClientConfig::clone(&self.config());
        let stream = self.handshake(config, host, stream).await?;
        let (_, connection) = stream.get_ref();
        let shown = connection.peer_certificates().and_then(<[_]>::first);
        Ok(shown.and_then(|it| Certificate::parse(it)))
    }

    async fn handshake<S>(
        &self,
        config: ClientConfig,
        host: &str,
        stream: S,
    ) -> std::io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

fn make_config(settings: &ClientTlsSettings) -> Result<ClientConfig, TlsError> {
    let roots = match &settings.authorities {
        Some(path) => read_authorities(path)?,
        None => public_authorities(),
    };
    let path = settings.key_pair.as_ref().map(|it| it.certificates.clone()).unwrap_or_default();
    let unusable = |source| TlsError::unusable(&path, source);
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(unusable)?
        .with_root_certificates(roots);
    Ok(match &settings.key_pair {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let (certificates, key) = files.read()?;
            builder.with_client_auth_cert(certificates, key).map_err(unusable)?
        }
    })
}
