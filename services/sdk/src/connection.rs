//! How to reach the gateway.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tls::{ClientTls, ClientTlsSettings, Connector, KeyPairFiles};
use tonic::metadata::errors::InvalidMetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Endpoint;

use crate::client::{Client, TokenInterceptor};
use crate::error::ServeError;
use crate::submit_handle::SubmitHandle;

/// Maximum size of a gRPC message in either direction, bytes: the largest chunk or batch of the
/// contract with room for its other fields.
const MESSAGE_BYTES_MAX: usize = 8 << 20;

/// Address of the gateway, token of the application and certificates of the link. `Debug` does not
/// print the token.
#[derive(Clone)]
pub struct Connection {
    gateway: String,
    token: String,
    authorities_file: PathBuf,
    certificates_file: PathBuf,
    key_file: PathBuf,
    is_plaintext_allowed: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connection").field("gateway", &self.gateway).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects to `https://host:port` with this token of the application. `http://` is accepted
    /// for addresses of this machine only.
    pub fn new(gateway: impl Into<String>, token: impl Into<String>) -> Self {
        Self {
            gateway: gateway.into(),
            token: token.into(),
            authorities_file: PathBuf::new(),
            certificates_file: PathBuf::new(),
            key_file: PathBuf::new(),
            is_plaintext_allowed: false,
        }
    }

    /// Trusts the authorities of this PEM file, and not those that browsers trust; an empty path
    /// changes nothing.
    #[must_use]
    pub fn authorities_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.authorities_file = path.into();
        self
    }

    /// Shows this certificate to the gateway (mutual TLS): PEM files of the chain and of its key.
    /// Empty paths: none.
    #[must_use]
    pub fn certificate(
        mut self,
        certificates: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        (self.certificates_file, self.key_file) = (certificates.into(), key.into());
        self
    }

    /// Allows `http://` to other machines, for a network that is itself protected: the token and
    /// every document can be read on the way.
    #[must_use]
    pub fn allow_plaintext(mut self, is_allowed: bool) -> Self {
        self.is_plaintext_allowed = is_allowed;
        self
    }

    fn tls(&self) -> Result<ClientTls, ServeError> {
        let authorities = Some(self.authorities_file.clone());
        let authorities = authorities.filter(|it| !it.as_os_str().is_empty());
        let key_pair = KeyPairFiles::new(&self.certificates_file, &self.key_file)?;
        Ok(ClientTls::new(ClientTlsSettings { authorities, key_pair })?)
    }

    /// A client of the gateway. The connection is opened by the first call.
    pub(crate) fn client(&self) -> Result<Client, ServeError> {
        if tls::is_exposed(&self.gateway) && !self.is_plaintext_allowed {
            return Err(ServeError::Plaintext { gateway: self.gateway.clone() });
        }
        let endpoint = Endpoint::from_shared(self.gateway.clone())
            .map_err(|error| ServeError::Address(error.into()))?
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .tcp_nodelay(true);
        let channel = if self.gateway.starts_with("https://") {
            endpoint.connect_with_connector_lazy(Connector::new(self.tls()?))
        } else {
            endpoint.connect_lazy()
        };
        let authorization = format!("Bearer {}", self.token)
            .parse()
            .map_err(|error: InvalidMetadataValue| ServeError::Address(error.into()))?;
        let token = TokenInterceptor::new(authorization);
        let client = Client::new(InterceptedService::new(channel, token));
        Ok(client
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX))
    }

    /// A handle for submitting items without receiving deliveries, e.g. for one-off submits.
    ///
    /// # Errors
    ///
    /// The address or the token is invalid.
    pub fn submit_handle(&self) -> Result<SubmitHandle, ServeError> {
        Ok(SubmitHandle::new(self.client()?))
    }
}
