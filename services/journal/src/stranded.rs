//! The net under every channel: what falls into it is written down and driven again.

use bus::{Fate as BusFate, Handle, Keep, KeepError, Message, Verdict, Verdicts};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::entry::Fate;
use proto::journal::v1::{Entry, Fact, Park, Refusal, Step};

use crate::desk::COMPONENT;
use crate::server::Service;

/// Hands what is stranded to the writer.
#[derive(Debug)]
pub(crate) struct Stranded {
    pub(crate) service: Service,
    pub(crate) clock: chassis::Clock,
}

/// Keeps nothing: while the journal cannot write, the net holds what it has.
#[derive(Clone, Debug)]
pub(crate) struct Unkept;

impl Keep for Unkept {
    async fn keep(&self, _kept: Vec<(Message, BusFate)>) -> Result<(), KeepError> {
        Err(KeepError::new("the journal does not write for the moment"))
    }
}

impl Stranded {
    fn entry(&self, message: &Message) -> Entry {
        let fault = Fault::new(&code::LT_JNL_007).param("id", message.id.to_string());
        let fact = Fact {
            step: Step::Unavailable.into(),
            at_us: self.clock.now_us(),
            component: COMPONENT.to_owned(),
            fault: Some(fault.clone()),
            ..Fact::default()
        };
        Entry {
            message_id: message.id.to_string(),
            facts: vec![fact],
            derived: Vec::new(),
            fate: Some(Fate::Parked(Park { fault: Some(fault) })),
        }
    }

    /// A message that was never accepted came from somebody who went past the door.
    fn foreign(&self, id: String) -> Refusal {
        tracing::error!(messaging.message.id = id, "unknown message was stranded");
        Refusal {
            application: String::new(),
            at_us: self.clock.now_us(),
            fault: Some(Fault::new(&code::LT_JNL_007).param("id", &id)),
            key: id,
        }
    }

    async fn write(&self, window: &[Message]) -> Result<(), tonic::Status> {
        let entries = window.iter().map(|it| self.entry(it)).collect();
        let unknown = self.service.write(entries, Vec::new()).await?;
        if !unknown.is_empty() {
            let refusals = unknown.into_iter().map(|it| self.foreign(it)).collect();
            self.service.write(Vec::new(), refusals).await?;
        }
        Ok(())
    }
}

impl Handle for Stranded {
    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        tracing::error!(count = window.len(), "messages were stranded");
        match self.write(&window).await {
            Ok(()) => Verdicts::all(window.len(), Verdict::Done),
            Err(error) => {
                tracing::warn!(%error, "stranded messages were not recorded");
                Verdicts::undecided(window.len())
            }
        }
    }
}
