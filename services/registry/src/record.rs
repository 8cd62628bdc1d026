//! Records operators' actions in the journal.

use std::time::Duration;

use chassis::Upstream;
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::{OperatorAction, RecordRequest};
use proto::registry::v1::ForcedChange;

use crate::server::Service;

/// How long a record may take; the registry's file has the action meanwhile.
const LIMIT: Duration = Duration::from_secs(2);

/// Records the changes that operators put in force and that the journal does not have yet. What
/// fails is tried again by the next call.
pub(crate) async fn record_forced(service: &Service) {
    let changes = service.in_force.lock().unrecorded();
    let Some(journal) = service.journal.clone().filter(|_| !changes.is_empty()) else { return };
    match tokio::time::timeout(LIMIT, record(journal, &changes)).await {
        Ok(Ok(())) => {
            let mut in_force = service.in_force.lock();
            in_force.note_recorded(&changes);
        }
        Ok(Err(status)) => {
            let error = status.message();
            tracing::warn!(error, "registry change is not in the journal yet");
        }
        Err(_elapsed) => tracing::warn!("registry change is not in the journal yet"),
    }
}

async fn record(journal: Upstream, changes: &[ForcedChange]) -> Result<(), tonic::Status> {
    let actions = changes.iter().map(to_action).collect();
    let request = RecordRequest { actions, ..RecordRequest::default() };
    JournalClient::new(journal).record(request).await.map(drop)
}

fn to_action(change: &ForcedChange) -> OperatorAction {
    let losses = change.losses.clone().unwrap_or_default();
    let detail = format!(
        "from {} to {}; lost organisations: {}; lost applications: {}; emptied files: {}",
        change.from_revision,
        change.to_revision,
        losses.organisations.join(", "),
        losses.applications.join(", "),
        losses.emptied_files.join(", ")
    );
    OperatorAction {
        id: change.id.clone(),
        at_us: change.at_us,
        actor: change.actor.clone(),
        action: "registry.apply".to_owned(),
        reason: change.reason.clone(),
        detail,
    }
}
