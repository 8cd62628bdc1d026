//! Declares a delivery channel for each application of the registry.

use bus::Bus;
use registry_client::RegistryFollower;
use tokio_util::sync::CancellationToken;

/// Declares the channels of all applications, and again whenever the registry changes.
///
/// # Errors
///
/// The broker cannot be reached, or a channel differs from what is configured.
pub(super) async fn declare_application_channels(
    bus: Bus,
    registry: RegistryFollower,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let declaring = async {
        let mut snapshots = registry.subscribe();
        loop {
            let directory = snapshots.borrow_and_update().clone();
            for application in directory.applications() {
                bus.declare_delivery(&application.id).await?;
            }
            snapshots.changed().await?;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        outcome = declaring => outcome,
    }
}
