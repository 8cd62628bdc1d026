//! Has the journal keep every format that this process uses.

use std::time::Duration;

use chassis::Upstream;
use chassis::health::Health;
use proto::journal::v1::StoreFormatsRequest;
use proto::journal::v1::format_store_client::FormatStoreClient;

use crate::server::Service;

/// The condition in health.
const CONDITION: &str = "mapping.formats";

/// How long after a failure the journal is asked again.
const INTERVAL: Duration = Duration::from_secs(2);

/// Time limit of a call.
const LIMIT: Duration = Duration::from_secs(10);

/// Stores the shipped formats, and those of every snapshot of the registry. The registry has stored
/// those that it sends; this covers a process whose shipped formats are of another version.
///
/// # Errors
///
/// None: it never ends.
pub(crate) async fn keep_formats(
    service: Service,
    store: Upstream,
    health: Health,
) -> anyhow::Result<()> {
    let mut snapshots = service.registry.subscribe();
    let mut kept = None;
    loop {
        let directory = snapshots.borrow_and_update().clone();
        // Compiles what is new before a message needs it.
        drop(service.formats.of(&directory));
        let digest = directory.formats_digest();
        while kept != Some(digest) {
            let formats = service.formats.versions(&directory);
            let mut client = FormatStoreClient::new(store.clone());
            let storing = client.store_formats(StoreFormatsRequest { formats, in_use: true });
            match tokio::time::timeout(LIMIT, storing).await {
                Ok(Ok(_stored)) => {
                    kept = Some(digest);
                    health.well(CONDITION);
                }
                Ok(Err(_)) | Err(_) => {
                    health.warn(CONDITION, "the journal does not keep the formats yet");
                    tokio::time::sleep(INTERVAL).await;
                }
            }
        }
        if snapshots.changed().await.is_err() {
            // Cannot happen: the service holds the sender.
            std::future::pending::<()>().await;
        }
    }
}
