//! Connections to other services: over the network, or in the same process.

use std::convert::Infallible;
use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use tls::{ClientTls, ClientTlsSettings, Connector, TlsError};
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

pub use crate::failover::STANDBY_HEADER;
use crate::failover::{BoxError, Failover};
use crate::secret::{Secret, SecretUrl};

type Boxed = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;

/// How to connect to a service over the network.
#[derive(Clone, Debug)]
pub struct Network {
    /// `https://host:port`, `http://` on this machine, or several of them separated by commas when one of several processes
    /// serves and the others are its standbys.
    pub url: SecretUrl,
    /// Sent as `authorization: Bearer …` with every call.
    pub token: Option<Secret>,
    /// Time limit for opening a connection, milliseconds.
    pub connect_ms_max: u64,
    /// The certificates of `https` addresses; none: the authorities that browsers trust.
    pub tls: Option<ClientTls>,
    /// Allows `http` to other machines, where the network itself is protected.
    pub is_plaintext_allowed: bool,
}

impl Network {
    /// Connects to this URL without a token, within 5 seconds.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: SecretUrl::new(url),
            token: None,
            connect_ms_max: 5_000,
            tls: None,
            is_plaintext_allowed: false,
        }
    }

    /// Sets the token.
    #[must_use]
    pub fn token(mut self, token: Secret) -> Self {
        self.token = Some(token);
        self
    }

    /// Sets the certificates of `https` addresses.
    #[must_use]
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Allows `http` to other machines.
    #[must_use]
    pub fn allow_plaintext(mut self, is_allowed: bool) -> Self {
        self.is_plaintext_allowed = is_allowed;
        self
    }
}

/// The settings of a connection cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The URL is invalid.
    #[error("`{url}` is not an address of the form http://host:port")]
    Address {
        /// The URL, printed without its password.
        url: SecretUrl,
        /// Error of the transport.
        #[source]
        source: tonic::transport::Error,
    },
    /// The address is neither encrypted nor on this machine.
    #[error("the link to `{url}` would not be encrypted; use https://, or allow plain text")]
    Plaintext {
        /// The URL, printed without its password.
        url: SecretUrl,
    },
    /// A certificate or key cannot be used.
    #[error("the certificates of the link cannot be used")]
    Certificates(#[from] TlsError),
    /// The token has characters that are not allowed in a header.
    #[error("the token cannot be sent")]
    Token(#[from] http::header::InvalidHeaderValue),
}

/// A transport for generated clients. Its type is the same for a remote service and for one in this
/// process, so that callers have a single code path. Clones share the connection.
#[derive(Clone)]
pub struct Upstream {
    inner: Boxed,
    token: Option<HeaderValue>,
}

impl Upstream {
    /// A remote service. The connection is opened by the first call, and reopened by the first call
    /// after it broke.
    ///
    /// # Errors
    ///
    /// The URL, the token or a certificate is invalid, or the link would be plain text.
    pub fn network(network: &Network) -> Result<Self, UpstreamError> {
        let urls: Vec<&str> = network.url.reveal().split(',').map(str::trim).collect();
        let is_alone = urls.len() == 1;
        let mut addresses = Vec::with_capacity(urls.len());
        for url in urls.into_iter().map(SecretUrl::new) {
            let channel = channel(network, &url, is_alone)?;
            addresses.push((url, channel));
        }
        let token = match &network.token {
            Some(token) => {
                let mut value = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        let inner = match addresses.pop_if(|_| is_alone) {
            Some((_, channel)) => BoxCloneSyncService::new(channel.map_err(Into::into)),
            None => BoxCloneSyncService::new(Failover::new(addresses)),
        };
        Ok(Self { inner, token })
    }

    /// A service in this process: calls are encoded and decoded, and need no socket.
    pub fn local<S>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let inner = BoxCloneSyncService::new(service.map_err(|never: Infallible| match never {}));
        Self { inner, token: None }
    }
}

/// A channel to one address, encrypted when the URL says so.
fn channel(network: &Network, url: &SecretUrl, is_alone: bool) -> Result<Channel, UpstreamError> {
    if tls::is_exposed(url.reveal()) && !network.is_plaintext_allowed {
        return Err(UpstreamError::Plaintext { url: url.clone() });
    }
    Ok(connect_lazy(&endpoint(network, url, is_alone)?, network.tls.as_ref())?)
}

/// A channel that connects with its first call, encrypted when the endpoint's scheme is `https`.
pub(crate) fn connect_lazy(
    endpoint: &Endpoint,
    tls: Option<&ClientTls>,
) -> Result<Channel, TlsError> {
    if endpoint.uri().scheme_str() != Some("https") {
        return Ok(endpoint.connect_lazy());
    }
    let tls = match tls {
        Some(tls) => tls.clone(),
        None => ClientTls::new(ClientTlsSettings::default())?,
    };
    Ok(endpoint.connect_with_connector_lazy(Connector::new(tls)))
}

/// How one address is connected to. With several addresses the limits are short: a connection whose
/// other end is gone without a word fails within 3 s, so that calls go on to the standby that took
/// over. A single address has none to go on to, and a busy process must not be cut off.
fn endpoint(network: &Network, url: &SecretUrl, is_alone: bool) -> Result<Endpoint, UpstreamError> {
    let address = |source| UpstreamError::Address { url: url.clone(), source };
    let (connect_ms, interval_ms, timeout_ms) = if is_alone {
        (network.connect_ms_max, 20_000, 10_000)
    } else {
        (network.connect_ms_max.min(1_000), 1_000, 2_000)
    };
    Ok(Endpoint::from_shared(url.reveal().to_owned())
        .map_err(address)?
        .connect_timeout(Duration::from_millis(connect_ms))
        .http2_keep_alive_interval(Duration::from_millis(interval_ms))
        .keep_alive_timeout(Duration::from_millis(timeout_ms))
        .keep_alive_while_idle(true)
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(16 << 20)
        .tcp_nodelay(true))
}

impl fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Upstream").finish_non_exhaustive()
    }
}

impl Service<Request<Body>> for Upstream {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = <Boxed as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(token) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        crate::trace::inject(request.headers_mut());
        self.inner.call(request)
    }
}
