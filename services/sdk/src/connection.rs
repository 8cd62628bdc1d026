//! How to reach the gateway.

use std::fmt;
use std::time::Duration;

use tonic::metadata::errors::InvalidMetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Endpoint;

use crate::client::{Client, TokenInterceptor};
use crate::error::ServeError;
use crate::submit_handle::SubmitHandle;

/// Maximum size of a gRPC message in either direction, bytes: the largest chunk or batch of the
/// contract with room for its other fields.
const MESSAGE_BYTES_MAX: usize = 8 << 20;

/// Address of the gateway and token of the application. `Debug` does not print the token.
#[derive(Clone)]
pub struct Connection {
    /// `http://host:port`.
    pub gateway: String,
    /// The application's token.
    pub token: String,
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connection").field("gateway", &self.gateway).finish_non_exhaustive()
    }
}

impl Connection {
    /// A client of the gateway. The connection is opened by the first call.
    pub(crate) fn client(&self) -> Result<Client, ServeError> {
        let endpoint = Endpoint::from_shared(self.gateway.clone())
            .map_err(|error| ServeError::Address(error.into()))?
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .tcp_nodelay(true);
        let authorization = format!("Bearer {}", self.token)
            .parse()
            .map_err(|error: InvalidMetadataValue| ServeError::Address(error.into()))?;
        let token = TokenInterceptor::new(authorization);
        let client = Client::new(InterceptedService::new(endpoint.connect_lazy(), token));
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
