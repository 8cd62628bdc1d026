//! Stores formats in the journal before they come into force.

use std::time::Duration;

use chassis::Upstream;
use proto::journal::v1::format_store_client::FormatStoreClient;
use proto::journal::v1::{StoreFormatsRequest, StoredFormat};
use proto::registry::v1::FormatDescription;
use tonic::Status;

/// How long a store may take; the formats wait for it, and what is in force stays meanwhile.
const LIMIT: Duration = Duration::from_secs(2);

/// Stores formats: the stored versions that contradict one of them.
///
/// # Errors
///
/// The journal cannot be called now.
pub(crate) async fn store_formats(
    store: Upstream,
    formats: &[FormatDescription],
) -> Result<Vec<StoredFormat>, Status> {
    let formats = formats.iter().map(to_stored).collect();
    let mut client = FormatStoreClient::new(store);
    let storing = client.store_formats(StoreFormatsRequest { formats, in_use: false });
    match tokio::time::timeout(LIMIT, storing).await {
        Ok(stored) => Ok(stored?.into_inner().conflicts),
        Err(_elapsed) => Err(Status::deadline_exceeded("no answer in time")),
    }
}

fn to_stored(format: &FormatDescription) -> StoredFormat {
    StoredFormat {
        hash: format.hash.clone(),
        name: format.name.clone(),
        version: format.version,
        text: format.text.clone(),
        ..StoredFormat::default()
    }
}
