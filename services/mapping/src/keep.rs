//! What the bus cannot carry on goes to the journal.

use std::collections::HashMap;

use bus::{Disposition, FailureStore, FailureStoreError, Message};
use chassis::{Clock, Upstream};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::entry;
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::{DeadLetter, Entry, Park, RecordRequest, Refusal};

/// Keeps in the journal. Clones share its upstream.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    journal: JournalClient<Upstream>,
}

impl Keeper {
    /// A keeper over this way to the journal.
    pub(crate) fn new(journal: Upstream) -> Self {
        Self { journal: JournalClient::new(journal) }
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
                    let fault = Some(fault(it));
                    (fault.clone(), entry::Disposition::Parked(Park { fault }))
                }
                Disposition::Dead(it) => {
                    let fault = Some(fault(it));
                    (fault.clone(), entry::Disposition::Dead(DeadLetter { fault }))
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
        // Nothing of ours: the journal knows a message before it is ever published. So it is
        // somebody's who went past the door, and all that is left of it is the refusal.
        let refusals = unknown.into_iter().map(|id| {
            tracing::error!(messaging.message.id = id, "foreign message was refused");
            Refusal {
                application: String::new(),
                at_us: Clock::System.now_us(),
                fault: faults.remove(&id).flatten(),
                key: id,
            }
        });
        let refusals = refusals.collect();
        self.record(Vec::new(), refusals).await.map(drop)
    }
}

fn fault(from: bus::Fault) -> Fault {
    let page = proto::fault::find(&from.code).unwrap_or(&code::LT_SYS_001);
    Fault::new(page).param("id", &from.code).detail(from.detail)
}
