//! What cannot go on from here is the journal's.

use std::collections::HashMap;

use bus::{Disposition, FailureStore, FailureStoreError, Message};
use chassis::Clock;
use proto::fault::v1::Fault;
use proto::fault::{code, find};
use proto::journal::v1::entry::Disposition as Recorded;
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::{DeadLetter, Entry, Park, RecordRequest, Refusal};

/// Parks and buries through the journal.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    journal: JournalClient<chassis::Upstream>,
    clock: Clock,
    /// Whose channel it is.
    application: String,
}

impl Keeper {
    pub(crate) fn new(
        journal: JournalClient<chassis::Upstream>,
        clock: Clock,
        application: String,
    ) -> Self {
        Self { journal, clock, application }
    }

    /// Records, and names what the journal does not know.
    async fn record(
        &self,
        entries: Vec<Entry>,
        refusals: Vec<Refusal>,
    ) -> Result<Vec<String>, FailureStoreError> {
        let request = RecordRequest { entries, refusals };
        let answer = self.journal.clone().record(request).await.map_err(FailureStoreError::new)?;
        Ok(answer.into_inner().unknown)
    }
}

impl FailureStore for Keeper {
    async fn store_failures(
        &self,
        kept: Vec<(Message, Disposition)>,
    ) -> Result<(), FailureStoreError> {
        let mut faults = HashMap::with_capacity(kept.len());
        let entries = kept.into_iter().map(|(message, fate)| {
            let id = message.id.to_string();
            let (fault, fate) = match fate {
                Disposition::Parked(it) => {
                    let fault = Some(coded(it));
                    (fault.clone(), Recorded::Parked(Park { fault }))
                }
                Disposition::Dead(it) => {
                    let fault = Some(coded(it));
                    (fault.clone(), Recorded::Dead(DeadLetter { fault }))
                }
            };
            faults.insert(id.clone(), fault);
            Entry { message_id: id, disposition: Some(fate), ..Entry::default() }
        });
        let entries = entries.collect();
        let unknown = self.record(entries, Vec::new()).await?;
        if unknown.is_empty() {
            return Ok(());
        }
        // Somebody put it there past the door, or its row is gone; all that is left is the refusal.
        let refusals = unknown.into_iter().map(|id| {
            let application = self.application.as_str();
            tracing::error!(messaging.message.id = id, application, "foreign message was refused");
            Refusal {
                application: application.to_owned(),
                at_us: self.clock.now_us(),
                fault: faults.remove(&id).flatten(),
                key: id,
            }
        });
        let refusals = refusals.collect();
        self.record(Vec::new(), refusals).await.map(drop)
    }
}

fn coded(fault: bus::Fault) -> Fault {
    Fault::new(find(&fault.code).unwrap_or(&code::LT_SYS_002))
        .param("part", "gateway")
        .detail(fault.detail)
}
