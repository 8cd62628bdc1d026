//! The lifetime of an adapter: hello, then collecting and receiving side by side, then the drain.

use std::sync::Arc;
use std::time::Duration;

use proto::exchange::v1::HelloRequest;
use tokio_util::sync::CancellationToken;

use crate::application::Application;
use crate::connection::Connection;
use crate::error::ServeError;
use crate::receive::receive;
use crate::submit_handle::SubmitHandle;

/// Protocol versions that this SDK supports.
const PROTOCOL_VERSIONS: [u32; 1] = [1];
/// Time limit for finishing deliveries and submits after the shutdown.
const DRAIN: Duration = Duration::from_secs(20);

/// Connects an application to the gateway until `shutdown`. In every case, also when it ends with
/// an error, deliveries in progress are finished first, for at most 20 seconds.
///
/// # Errors
///
/// The gateway refuses the adapter, the connection breaks, or collecting fails. Call it again then:
/// the bus delivers unanswered messages again under the same ids.
pub async fn serve<A: Application>(
    application: Arc<A>,
    connection: &Connection,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let mut client = connection.client()?;
    let response = client.hello(hello_request(&*application)).await;
    let hello = response.map_err(ServeError::from_status)?.into_inner();
    tracing::info!(
        application = hello.application,
        organisation = hello.organisation,
        "adapter connected"
    );
    // The first of the two tasks to end stops the other one.
    let stop = shutdown.child_token();
    let collecting = async {
        let submit_handle = SubmitHandle::new(client.clone());
        let outcome = tokio::select! {
            outcome = application.collect(submit_handle, stop.clone()) => outcome,
            () = drain_elapsed(&stop) => {
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
        let outcome = receive(application.clone(), client.clone(), hello, (&stop, DRAIN)).await;
        stop.cancel();
        outcome
    };
    let (collected, received) = tokio::join!(collecting, receiving);
    collected?;
    received
}

/// Returns when the time limit for the drain is over.
async fn drain_elapsed(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(DRAIN).await;
}

fn hello_request(application: &impl Application) -> HelloRequest {
    let it = application.describe();
    HelloRequest {
        protocol_versions: PROTOCOL_VERSIONS.to_vec(),
        adapter: it.adapter,
        adapter_version: it.version,
        application: it.application,
        application_version: String::new(),
        gives: it.gives,
        takes: it.takes,
        receiver_class: it.receiver_class.into(),
    }
}
