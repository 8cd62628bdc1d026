//! Declares a delivery channel for each application of the registry.

use std::time::Duration;

use bus::{Bus, ConnectError};
use registry_client::RegistryFollower;
use tokio_util::sync::CancellationToken;

/// How often the queues and exchanges are looked at, because somebody may have deleted one.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Declares every queue and exchange that is missing, and the channels of all applications, whenever
/// the registry changes and at intervals.
///
/// # Errors
///
/// The broker cannot be reached, or a channel differs from what is configured.
pub(super) async fn declare_application_channels(
    bus: Bus,
    registry: RegistryFollower,
    shutdown: CancellationToken,
) -> Result<(), ConnectError> {
    let declaring = async {
        let mut snapshots = registry.subscribe();
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        loop {
            let directory = snapshots.borrow_and_update().clone();
            for application in directory.applications() {
                bus.declare_delivery(&application.id).await?;
            }
            tokio::select! {
                Ok(()) = snapshots.changed() => {}
                _ = looks.tick() => bus.declare_topology().await?,
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        outcome = declaring => outcome,
    }
}
