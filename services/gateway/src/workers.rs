//! Batched calls to mapping, the journal and the broker.

mod accept;
mod normalize;
mod publish;
mod refuse;
mod settle;

use std::time::Duration;

use bus::{Channel, ClaimStore, Message, Publisher};
use call_batcher::{BatchLimits, CallBatcher, CallError};
use chassis::Upstream;
use journal_client::JournalClient;
use proto::fault::v1::Fault;
use proto::journal::v1::{AcceptOutcome, Acceptance, Ended, Settlement};
use proto::mapping::v1::mapping_client::MappingClient;

use self::accept::{PendingAcceptance, accept_batch, acceptance_bytes};
use self::normalize::normalize_batch;
pub(crate) use self::normalize::{
    NativeItem, NormalizeResult, NormalizedItem, NormalizedRecord, RefusedItem,
};
use self::publish::{PendingPublish, publish_batch, publish_bytes};
use self::refuse::PendingRefusals;
use self::settle::settle_batch;
use crate::fault::{overloaded, unavailable};
use crate::memory::MemoryPermit;
use crate::session::LeaseOwner;

/// Limits of one batch. Its bytes stay below the 4 MiB that internal services accept, whatever the
/// fields beside the bodies need.
const LIMITS: BatchLimits =
    BatchLimits { items_max: 256, bytes_max: 2 * 1024 * 1024, in_flight_max: 4 };

/// The queues of calls and their workers. Calls wait until [`Workers::run`] handles them.
#[derive(Debug)]
pub(crate) struct Workers {
    normalize: CallBatcher<NativeItem, NormalizeResult>,
    accept: CallBatcher<PendingAcceptance, Result<AcceptOutcome, Fault>>,
    settle: CallBatcher<(LeaseOwner, Settlement), Result<Ended, Fault>>,
    publish: CallBatcher<PendingPublish, ()>,
    pub(crate) refusals: PendingRefusals,
    /// How long a caller waits for the answer of another service.
    time_limit: Duration,
}

impl Workers {
    /// Queues of at most `queue_max` calls each.
    pub(crate) fn new(queue_max: usize, time_limit: Duration) -> Self {
        Self {
            normalize: CallBatcher::new(queue_max, |it: &NativeItem| it.bytes.len()),
            accept: CallBatcher::new(queue_max, acceptance_bytes),
            settle: CallBatcher::new(queue_max, |_| 0),
            publish: CallBatcher::new(queue_max, publish_bytes),
            refusals: PendingRefusals::new(queue_max),
            time_limit,
        }
    }

    /// Normalizes an item.
    pub(crate) async fn normalize(&self, native: NativeItem) -> NormalizeResult {
        let result = self.normalize.try_call(native, self.time_limit).await;
        result.map_err(|error| RefusedItem::from(call_fault(error, "mapping")))?
    }

    /// Accepts an item, or asks whether it was accepted before.
    pub(crate) async fn accept(
        &self,
        acceptance: Acceptance,
        permit: Option<MemoryPermit>,
    ) -> Result<AcceptOutcome, Fault> {
        let outcome = self.accept.try_call((acceptance, permit), self.time_limit).await;
        outcome.map_err(|error| call_fault(error, "journal"))?
    }

    /// Settles a lease.
    pub(crate) async fn settle(
        &self,
        owner: LeaseOwner,
        settlement: Settlement,
    ) -> Result<Ended, Fault> {
        let ended = self.settle.try_call((owner, settlement), self.time_limit).await;
        ended.map_err(|error| call_fault(error, "journal"))?
    }

    /// Publishes a message later. False: the queue is full.
    pub(crate) fn enqueue_publish(
        &self,
        channel: Channel,
        message: Message,
        permit: MemoryPermit,
    ) -> bool {
        self.publish.try_enqueue((channel, message, permit)).is_ok()
    }

    /// Ends the queues of calls that nothing handles any more.
    pub(crate) fn close(&self) {
        self.normalize.close();
        self.accept.close();
        self.settle.close();
        self.publish.close();
    }

    /// Handles all queues but that of publishes; never ends.
    pub(crate) async fn run(
        &self,
        (mapping, journal): (&MappingClient<Upstream>, &JournalClient),
        claims: &ClaimStore,
    ) {
        let normalize = |batch| normalize_batch(mapping.clone(), claims.clone(), batch);
        tokio::join!(
            self.normalize.run(LIMITS, normalize),
            self.accept.run(LIMITS, |batch| accept_batch(journal.clone(), batch)),
            self.settle.run(LIMITS, |batch| settle_batch(journal.clone(), batch)),
            self.refusals.run(journal),
        );
    }

    /// Publishes what is enqueued; never ends.
    pub(crate) async fn run_publishing(&self, publisher: Publisher) {
        let publish = |batch| {
            let published = publish_batch(publisher.clone(), batch);
            async move {
                published.await;
                Vec::new()
            }
        };
        // One batch at a time: messages of a conversation are published in their order.
        let in_order = BatchLimits { in_flight_max: 1, ..LIMITS };
        self.publish.run(in_order, publish).await;
    }
}

fn call_fault(error: CallError, service: &str) -> Fault {
    match error {
        CallError::QueueFull => overloaded(),
        CallError::Unanswered => unavailable(service),
    }
}
