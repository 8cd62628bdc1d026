//! What the bus cannot carry on goes to the journal.

use bus::{Fate, Keep, KeepError, Message};
use chassis::Upstream;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::entry;
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::{Bury, Entry, Park, RecordRequest};

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
}

impl Keep for Keeper {
    async fn keep(&self, kept: Vec<(Message, Fate)>) -> Result<(), KeepError> {
        let entries = kept
            .into_iter()
            .map(|(message, fate)| Entry {
                message_id: message.id.to_string(),
                fate: Some(match fate {
                    Fate::Parked(it) => entry::Fate::Parked(Park { fault: Some(fault(it)) }),
                    Fate::Dead(it) => entry::Fate::Dead(Bury { fault: Some(fault(it)) }),
                }),
                ..Entry::default()
            })
            .collect();
        let request = RecordRequest { entries, refusals: Vec::new() };
        let answer = self.journal.clone().record(request).await.map_err(KeepError::new)?;
        for id in answer.into_inner().unknown {
            // Nothing of ours: the journal knows a message before it is ever published.
            tracing::error!(messaging.message.id = id, "message is not in the journal");
        }
        Ok(())
    }
}

fn fault(from: bus::Fault) -> Fault {
    let page = proto::fault::find(&from.code).unwrap_or(&code::LT_SYS_001);
    Fault::new(page).param("id", &from.code).detail(from.detail)
}
