//! The handler of the undeliverable channel: its messages are recorded and parked.

use bus::{
    Disposition as BusDisposition, FailureStore, FailureStoreError, Handle, Message, Verdict,
    Verdicts,
};
use journal_client::copy_digest;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::{Entry, Park, Refusal};
use proto::message::v1::{Fact, Step};

use crate::call::WriterHandle;
use crate::unit_of_work::COMPONENT;

/// Handles messages that can be decoded, and stores those that cannot.
#[derive(Clone, Debug)]
pub(crate) struct UndeliverableHandler {
    pub(crate) writer: WriterHandle,
    pub(crate) clock: chassis::Clock,
}

impl FailureStore for UndeliverableHandler {
    /// A message that cannot be decoded was never accepted, so a refusal is all that is recorded.
    /// Any other failure means that the journal cannot write, and then the channel keeps its
    /// messages.
    async fn store_failures(
        &self,
        failures: Vec<(Message, BusDisposition)>,
    ) -> Result<(), FailureStoreError> {
        let mut refusals = Vec::with_capacity(failures.len());
        for (message, disposition) in failures {
            match disposition {
                BusDisposition::Dead(fault) if fault.code == bus::code::UNREADABLE => {
                    refusals.push(self.refusal(message.id.to_string(), fault.detail));
                }
                BusDisposition::Parked(fault) | BusDisposition::Dead(fault) => {
                    return Err(FailureStoreError::new(fault.detail));
                }
            }
        }
        self.writer.record(Vec::new(), refusals).await.map(drop).map_err(FailureStoreError::new)
    }
}

impl UndeliverableHandler {
    fn entry(&self, message: &Message) -> Entry {
        let fault = Fault::new(&code::LT_JNL_007).param("id", message.id.to_string());
        let fact = Fact {
            step: Step::Unavailable.into(),
            at_us: self.clock.now_us(),
            component: COMPONENT.to_owned(),
            fault: Some(fault.clone()),
            ..Fact::default()
        };
        let application = message.attributes.get("application").map_or("", String::as_str);
        Entry {
            message_id: message.id.to_string(),
            facts: vec![fact],
            disposition: Some(Disposition::Parked(Park { fault: Some(fault) })),
            copy_digest: copy_digest(message, application).to_vec().into(),
            ..Entry::default()
        }
    }

    /// The refusal of a message that was never accepted: its sender published to the broker without
    /// the gateway.
    fn refusal(&self, id: String, why: String) -> Refusal {
        tracing::error!(messaging.message.id = id, why, "foreign message was undeliverable");
        Refusal {
            application: String::new(),
            at_us: self.clock.now_us(),
            fault: Some(Fault::new(&code::LT_JNL_007).param("id", &id).detail(why)),
            key: id,
            ..Refusal::default()
        }
    }

    async fn record(&self, window: &[Message]) -> Result<(), Fault> {
        let entries = window.iter().map(|it| self.entry(it)).collect();
        let unknown = self.writer.record(entries, Vec::new()).await?;
        if !unknown.is_empty() {
            let why = "the journal does not know it";
            let refusals = unknown.into_iter().map(|it| self.refusal(it, why.to_owned())).collect();
            self.writer.record(Vec::new(), refusals).await?;
        }
        Ok(())
    }
}

impl Handle for UndeliverableHandler {
    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        tracing::error!(count = window.len(), "messages were undeliverable");
        match self.record(&window).await {
            Ok(()) => Verdicts::all(window.len(), Verdict::Done),
            Err(error) => {
                tracing::warn!(%error, "undeliverable messages were not recorded");
                Verdicts::undecided(window.len())
            }
        }
    }
}
