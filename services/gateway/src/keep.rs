//! What cannot go on from here is the journal's.

use bus::{Fate, Keep, KeepError, Message};
use proto::fault::v1::Fault;
use proto::fault::{code, find};
use proto::journal::v1::entry::Fate as Recorded;
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::{Bury, Entry, Park, RecordRequest};

/// Parks and buries through the journal.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    journal: JournalClient<chassis::Upstream>,
    component: String,
}

impl Keeper {
    pub(crate) fn new(journal: JournalClient<chassis::Upstream>, component: String) -> Self {
        Self { journal, component }
    }
}

impl Keep for Keeper {
    async fn keep(&self, kept: Vec<(Message, Fate)>) -> Result<(), KeepError> {
        let entries = kept.into_iter().map(|(message, fate)| Entry {
            message_id: message.id.to_string(),
            fate: Some(match fate {
                Fate::Parked(fault) => Recorded::Parked(Park { fault: Some(coded(&fault)) }),
                Fate::Dead(fault) => Recorded::Dead(Bury { fault: Some(coded(&fault)) }),
            }),
            ..Entry::default()
        });
        let request = RecordRequest { entries: entries.collect(), refusals: Vec::new() };
        let mut journal = self.journal.clone();
        let answer = journal.record(request).await.map_err(KeepError::new)?.into_inner();
        if !answer.unknown.is_empty() {
            let component = self.component.as_str();
            let count = answer.unknown.len();
            tracing::error!(
                component,
                count,
                "messages that the journal does not know were dropped"
            );
        }
        Ok(())
    }
}

fn coded(fault: &bus::Fault) -> Fault {
    Fault::new(find(&fault.code).unwrap_or(&code::LT_SYS_002))
        .param("part", "gateway")
        .detail(fault.detail.clone())
}
