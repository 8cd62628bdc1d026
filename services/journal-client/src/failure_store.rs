//! The journal as the failure store of a receiver: messages that a handler could not finish are
//! parked or become dead letters there.

use std::collections::HashMap;

use bus::{Disposition, FailureStore, FailureStoreError, Message};
use chassis::Clock;
use chassis::metrics::Count;
use proto::fault::v1::Fault;
use proto::fault::{code, find};
use proto::journal::v1::entry::Disposition as Recorded;
use proto::journal::v1::{DeadLetter, Entry, Park, Refusal};

use crate::client::JournalClient;
use crate::copy_digest::copy_digest;

/// Records failures in the journal. Clones share its client.
///
/// A message that the journal does not know was published by something other than Liên Thông, because
/// the journal stores every message before it is published. Such a message has no row that could
/// wait, so only its refusal is recorded.
///
/// Each failure names the digest of its copy: a copy that somebody changed on its channel fails by
/// itself, and must neither park the stored message nor make it a dead letter.
#[derive(Clone, Debug)]
pub struct JournalFailureStore {
    journal: JournalClient,
    clock: Clock,
    /// The service that reports, for texts that name a part of the system.
    part: &'static str,
    /// The application whose channel is read; empty when the channel is not an application's.
    application: String,
    foreign: Count,
}

impl JournalFailureStore {
    /// A failure store for a receiver of the service `part`. `application` is the one whose channel
    /// it reads, or empty.
    pub fn new(
        journal: JournalClient,
        clock: Clock,
        part: &'static str,
        application: impl Into<String>,
    ) -> Self {
        let foreign = Count::new(
            "lienthong.messages.foreign",
            "messages on a channel that the journal does not know, by the part that refused them",
        );
        Self { journal, clock, part, application: application.into(), foreign }
    }

    /// A fault of the bus as one of the catalogue. A code that the catalogue does not have becomes
    /// an internal error that names it, so that the texts are complete.
    fn catalogued(&self, message_id: &str, fault: bus::Fault) -> Fault {
        let known = find(&fault.code);
        let id = if known.is_some() { message_id } else { &fault.code };
        Fault::new(known.unwrap_or(&code::LT_SYS_001))
            .param("part", self.part)
            .param("id", id)
            .detail(fault.detail)
    }

    async fn record_refusals(
        &self,
        unknown: Vec<String>,
        mut faults: HashMap<String, Fault>,
    ) -> Result<(), FailureStoreError> {
        let application = self.application.as_str();
        let refusals = unknown.into_iter().map(|id| {
            tracing::error!(messaging.message.id = id, application, "foreign message was refused");
            self.foreign.add(1, "part", self.part);
            Refusal {
                application: application.to_owned(),
                at_us: self.clock.now_us(),
                fault: faults.remove(&id),
                key: id,
                ..Refusal::default()
            }
        });
        let recorded = self.journal.record(Vec::new(), refusals.collect()).await;
        recorded.map(drop).map_err(FailureStoreError::new)
    }
}

impl FailureStore for JournalFailureStore {
    async fn store_failures(
        &self,
        failures: Vec<(Message, Disposition)>,
    ) -> Result<(), FailureStoreError> {
        let mut faults = HashMap::with_capacity(failures.len());
        let mut entries = Vec::with_capacity(failures.len());
        for (message, disposition) in failures {
            let message_id = message.id.to_string();
            let copy_digest = copy_digest(&message, &self.application).to_vec().into();
            let (fault, recorded) = match disposition {
                Disposition::Parked(fault) => {
                    let fault = self.catalogued(&message_id, fault);
                    (fault.clone(), Recorded::Parked(Park { fault: Some(fault) }))
                }
                Disposition::Dead(fault) => {
                    let fault = self.catalogued(&message_id, fault);
                    (fault.clone(), Recorded::Dead(DeadLetter { fault: Some(fault) }))
                }
            };
            faults.insert(message_id.clone(), fault);
            let disposition = Some(recorded);
            entries.push(Entry { message_id, disposition, copy_digest, ..Entry::default() });
        }
        let recorded = self.journal.record(entries, Vec::new()).await;
        let unknown = recorded.map_err(FailureStoreError::new)?.unknown;
        if unknown.is_empty() { Ok(()) } else { self.record_refusals(unknown, faults).await }
    }
}
