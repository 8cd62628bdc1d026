//! Records refused submits in the journal, where operators look for them.

use journal_client::JournalClient;
use proto::journal::v1::Refusal;

/// Records a batch of refusals. A refusal that cannot be recorded is only logged: its sender has
/// the code already.
pub(crate) async fn record_refusals(journal: JournalClient, refusals: Vec<Refusal>) {
    let count = refusals.len();
    if let Err(status) = journal.record(Vec::new(), refusals).await {
        tracing::warn!(count, error = status.message(), "refusals were not recorded");
    }
}
