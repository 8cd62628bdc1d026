//! How operators' commands reach the journal.

use std::time::Duration;

use chassis::Upstream;
use chassis::upstream::Network;
use journal_client::JournalClient;
use proto::fault::v1::Fault;
use tonic::Status;

use crate::cli::Link;
use crate::fault::fault_from_status;

/// The longest that one call to the journal may take.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// A client of the journal behind the internal address.
pub(crate) fn connect_journal(link: &Link) -> anyhow::Result<JournalClient> {
    let file = link.internal_token_file.clone().unwrap_or_else(|| link.data.join("internal.token"));
    let token = chassis::secret::read(&file)?;
    let network = Network::new(&link.internal).token(token);
    Ok(JournalClient::new(Upstream::network(&network)?, CALL_LIMIT))
}

/// The fault of a call to the journal that failed.
pub(crate) fn journal_fault(status: &Status) -> Fault {
    fault_from_status(status, "journal")
}
