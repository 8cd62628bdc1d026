//! The net under every channel: what falls into it is written down and driven again.

use bus::{
    Disposition as BusFate, FailureStore, FailureStoreError, Handle, Message, Verdict, Verdicts,
};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::{Entry, Park, Refusal};
use proto::message::v1::{Fact, Step};

use crate::desk::COMPONENT;
use crate::server::Service;

/// Hands what is stranded to the writer: what the handler can read, and as a keeper what it cannot.
#[derive(Clone, Debug)]
pub(crate) struct Stranded {
    pub(crate) service: Service,
    pub(crate) clock: chassis::Clock,
}

impl FailureStore for Stranded {
    /// What cannot be read was never accepted, so all that is left of it is the refusal. Anything
    /// else comes here because the journal cannot write, and then the net holds what it has.
    async fn store_failures(&self, kept: Vec<(Message, BusFate)>) -> Result<(), FailureStoreError> {
        let mut refusals = Vec::with_capacity(kept.len());
        for (message, fate) in kept {
            match fate {
                BusFate::Dead(fault) if fault.code == bus::code::UNREADABLE => {
                    refusals.push(self.foreign(message.id.to_string(), fault.detail));
                }
                BusFate::Parked(fault) | BusFate::Dead(fault) => {
                    return Err(FailureStoreError::new(fault.detail));
                }
            }
        }
        self.service.write(Vec::new(), refusals).await.map(drop).map_err(FailureStoreError::new)
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
            disposition: Some(Disposition::Parked(Park { fault: Some(fault) })),
        }
    }

    /// A message that was never accepted came from somebody who went past the door.
    fn foreign(&self, id: String, why: String) -> Refusal {
        tracing::error!(messaging.message.id = id, why, "foreign message was stranded");
        Refusal {
            application: String::new(),
            at_us: self.clock.now_us(),
            fault: Some(Fault::new(&code::LT_JNL_007).param("id", &id).detail(why)),
            key: id,
        }
    }

    async fn write(&self, window: &[Message]) -> Result<(), tonic::Status> {
        let entries = window.iter().map(|it| self.entry(it)).collect();
        let unknown = self.service.write(entries, Vec::new()).await?;
        if !unknown.is_empty() {
            let why = "the journal does not know it";
            let refusals = unknown.into_iter().map(|it| self.foreign(it, why.to_owned())).collect();
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
