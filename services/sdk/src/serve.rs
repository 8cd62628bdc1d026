//! The life of an adapter: hello, collect and receive side by side, goodbye.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use proto::exchange::v1::HelloRequest;
use proto::fault::v1::Fault;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Endpoint;
use tonic::{Request, Status};

use crate::receive::receive;
use crate::{Application, Client, Outlet};

/// Protocol versions this SDK speaks.
const VERSIONS: [u32; 1] = [1];
/// How long what was begun may still take after the stop.
pub(crate) const DRAIN: Duration = Duration::from_secs(20);

/// How to connect to the gateway. `Debug` does not print the token.
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

/// Puts the token on every call.
#[derive(Clone, Debug)]
pub struct Token(MetadataValue<Ascii>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Why an adapter stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address or the token cannot be used.
    #[error("the gateway's address or the token cannot be used")]
    Address(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The gateway does not want this adapter as it is.
    #[error("the gateway refused the adapter")]
    Refused(#[source] Fault),
    /// The link broke.
    #[error("the link to the gateway broke")]
    Link(#[source] Status),
    /// The application cannot be collected from.
    #[error("collecting failed")]
    Collect(#[from] crate::CollectError),
    /// A delivery broke down.
    #[error("a delivery broke down")]
    Broken(#[from] tokio::task::JoinError),
}

pub(crate) fn link(status: Status) -> ServeError {
    match Fault::from_status(&status) {
        Some(fault) if !fault.is_retryable() => ServeError::Refused(fault),
        _ => ServeError::Link(status),
    }
}

impl Connection {
    /// A client of the gateway; the connection opens with the first call.
    fn client(&self) -> Result<Client, ServeError> {
        let endpoint = Endpoint::from_shared(self.gateway.clone())
            .map_err(|error| ServeError::Address(error.into()))?
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .tcp_nodelay(true);
        let mut token: MetadataValue<Ascii> = format!("Bearer {}", self.token).parse().map_err(
            |error: tonic::metadata::errors::InvalidMetadataValue| {
                ServeError::Address(error.into())
            },
        )?;
        token.set_sensitive(true);
        let client = Client::new(InterceptedService::new(endpoint.connect_lazy(), Token(token)));
        Ok(client.max_decoding_message_size(8 << 20).max_encoding_message_size(8 << 20))
    }

    /// A way out without receiving anything, for one-off submits.
    ///
    /// # Errors
    ///
    /// The address or the token cannot be used.
    pub fn outlet(&self) -> Result<Outlet, ServeError> {
        Ok(Outlet::new(self.client()?))
    }
}

/// Connects an application until `shutdown`. Also when it ends with an error, what was begun is
/// finished first, for at most 20 seconds.
///
/// # Errors
///
/// The gateway refuses the adapter, the link breaks, or collecting fails. Start it again: what was
/// in hand and could not be answered is brought again under the same ids.
pub async fn serve<A: Application>(
    application: Arc<A>,
    connection: &Connection,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let mut client = connection.client()?;
    let hello = client.hello(greeting(&*application)).await.map_err(link)?.into_inner();
    tracing::info!(
        application = hello.application,
        organisation = hello.organisation,
        "adapter connected"
    );
    // Whichever ends first tells the other to finish.
    let stop = shutdown.child_token();
    let collecting = async {
        let outcome = tokio::select! {
            outcome = application.collect(Outlet::new(client.clone()), stop.clone()) => outcome,
            () = overdue(&stop) => {
                tracing::warn!("collecting was cut off");
                Ok(())
            }
        };
        if outcome.is_err() {
            stop.cancel();
        }
        outcome
    };
    let receiving = async {
        let outcome = receive(application.clone(), client.clone(), hello, &stop).await;
        stop.cancel();
        outcome
    };
    let (collected, received) = tokio::join!(collecting, receiving);
    collected?;
    received
}

/// Returns when there is no time left after the stop.
async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(DRAIN).await;
}

fn greeting(application: &impl Application) -> HelloRequest {
    let it = application.describe();
    HelloRequest {
        protocol_versions: VERSIONS.to_vec(),
        adapter: it.adapter,
        adapter_version: it.version,
        application: it.application,
        application_version: String::new(),
        gives: it.gives,
        takes: it.takes,
        receiver_class: it.receiver_class.into(),
    }
}
