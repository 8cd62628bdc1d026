//! The way to another service: over the network, or directly on it in the same process.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use tonic::body::Body;
use tonic::transport::Endpoint;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

type BoxError = Box<dyn Error + Send + Sync>;
type Boxed = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;

/// How an upstream on the network is reached.
#[derive(Clone, Debug)]
pub struct Network {
    /// `http://host:port`.
    pub uri: String,
    /// Sent as `authorization: Bearer …` with every call.
    pub token: Option<String>,
    /// The longest a connection may take to open, milliseconds.
    pub connect_ms_max: u64,
}

impl Network {
    /// An address with the usual bounds.
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), token: None, connect_ms_max: 5_000 }
    }

    /// The same with a token.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }
}

/// Why there is no way to a service.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The address is none.
    #[error("`{uri}` is not an address of the form http://host:port")]
    Address {
        /// The address.
        uri: String,
        /// What is wrong with it.
        #[source]
        source: tonic::transport::Error,
    },
    /// The token has characters that a header cannot hold.
    #[error("the token cannot be sent")]
    Token(#[from] http::header::InvalidHeaderValue),
}

/// A transport that every generated client takes. Whoever holds it cannot tell whether the
/// service is here or elsewhere; clones share it.
#[derive(Clone)]
pub struct Upstream {
    inner: Boxed,
    token: Option<HeaderValue>,
}

impl Upstream {
    /// A service somewhere else. The connection opens with the first call and again when it broke.
    ///
    /// # Errors
    ///
    /// The address or the token is unusable.
    pub fn network(network: &Network) -> Result<Self, UpstreamError> {
        let address = |source| UpstreamError::Address { uri: network.uri.clone(), source };
        let endpoint = Endpoint::from_shared(network.uri.clone())
            .map_err(address)?
            .connect_timeout(Duration::from_millis(network.connect_ms_max))
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true)
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(16 << 20)
            .tcp_nodelay(true);
        let token = match &network.token {
            Some(token) => {
                let mut value = HeaderValue::from_str(&format!("Bearer {token}"))?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        let inner = BoxCloneSyncService::new(endpoint.connect_lazy().map_err(Into::into));
        Ok(Self { inner, token })
    }

    /// A service in this process: encoding and decoding, no socket.
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
