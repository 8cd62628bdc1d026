//! The gateway's parts in one value, and the work that goes on behind its calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bus::claim::Spool;
use bus::{Bus, Channel, ClaimStore, Message, Publish as _, Publisher};
use chassis::{Clock, Upstream};
use proto::exchange::v1::Delivery;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::settlement::Answer;
use proto::journal::v1::{
    AcceptOutcome, AcceptRequest, Acceptance, CloseRequest, EndRequest, Ended, RecordRequest,
    Refusal, Settlement, body::Place,
};
use proto::mapping::v1::Normalized;
use proto::mapping::v1::mapping_client::MappingClient;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::directory::Registered;
use crate::fault::{away, of};
use crate::gather::{BATCH, Bounds, Gather, NotGathered};
use crate::metrics::Metrics;
use crate::normalize::{Native, Read, normalize};
use crate::parts::Parts;
use crate::session::{LeaseOwner, Session};
use crate::sessions::Sessions;

/// Permits of [`Gateway::room`] count kibibytes, so that their number fits.
const UNIT: u64 = 1024;
/// Largest answer of another service.
const ANSWER_BYTES_MAX: usize = 128 << 20;

/// Room in memory for the bytes of one item; it is free again when the last of its parts on the
/// way is gone.
pub(crate) type Room = Arc<OwnedSemaphorePermit>;

/// How many permits of [`Gateway::room`] so many bytes take.
pub(crate) fn units(bytes: u64) -> u32 {
    u32::try_from(bytes / UNIT + 1).unwrap_or(u32::MAX)
}

/// Everything a call needs; all calls share it.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) config: Config,
    pub(crate) component: String,
    pub(crate) clock: Clock,
    pub(crate) bus: Bus,
    pub(crate) claims: ClaimStore,
    pub(crate) registered: Registered,
    pub(crate) sessions: Sessions,
    pub(crate) parts: Parts,
    pub(crate) metrics: Metrics,
    pub(crate) journal: JournalClient<Upstream>,
    pub(crate) mapping: MappingClient<Upstream>,
    accepts: Gather<(Acceptance, Room), Result<AcceptOutcome, Fault>>,
    pub(crate) publishes: Gather<((Channel, Message), Room), ()>,
    pub(crate) refusals: Gather<Refusal, ()>,
    reads: Gather<Native, Read>,
    ends: Gather<(LeaseOwner, Settlement), Result<Ended, Fault>>,
    /// Room for bodies in memory, in kibibytes.
    pub(crate) room: Arc<Semaphore>,
    /// Calls that are being answered, and sessions that are being closed.
    pub(crate) busy: TaskTracker,
    /// Set when nothing more is handed over, because this process is about to end.
    pub(crate) draining: CancellationToken,
    /// Set when all that was handed over came back, or was waited for long enough.
    pub(crate) left: CancellationToken,
}

/// What the gateway stands on.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The channels.
    pub bus: Bus,
    /// Where bodies and files are kept.
    pub claims: ClaimStore,
    /// The way to the journal.
    pub journal: Upstream,
    /// The way to the mapping service.
    pub mapping: Upstream,
    /// The copy of the registry. Whoever starts the gateway again hands the same one in, so that
    /// it outlives the registry's absence.
    pub registered: Registered,
}

impl Gateway {
    pub(crate) fn new(
        config: Config,
        parts: Surroundings,
        clock: Clock,
        component: String,
    ) -> Self {
        let calls = config.calls_max;
        let room =
            usize::try_from(config.bodies_bytes_max / UNIT).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            room: Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS))),
            component,
            clock,
            bus: parts.bus,
            claims: parts.claims,
            registered: parts.registered,
            sessions: Sessions::default(),
            parts: Parts::default(),
            metrics: Metrics::new(),
            journal: JournalClient::new(parts.journal)
                .max_decoding_message_size(ANSWER_BYTES_MAX)
                .max_encoding_message_size(ANSWER_BYTES_MAX),
            mapping: MappingClient::new(parts.mapping).max_decoding_message_size(ANSWER_BYTES_MAX),
            accepts: Gather::new(calls, weigh),
            publishes: Gather::new(calls, weigh_message),
            refusals: Gather::new(calls, |_| 0),
            reads: Gather::new(calls, |it| it.bytes.len()),
            ends: Gather::new(calls, |_| 0),
            busy: TaskTracker::new(),
            draining: CancellationToken::new(),
            left: CancellationToken::new(),
            config,
        }
    }

    /// Has an item read.
    pub(crate) async fn normalize(
        &self,
        native: Native,
    ) -> Result<(Normalized, Vec<Option<Spool>>), Fault> {
        let read = self.reads.call(native, self.limit()).await;
        read.map_err(|why| unanswered(&why, "mapping"))?
    }

    /// Has an item taken over.
    pub(crate) async fn accept(
        &self,
        acceptance: Acceptance,
        room: Room,
    ) -> Result<AcceptOutcome, Fault> {
        let outcome = self.accepts.call((acceptance, room), self.limit()).await;
        outcome.map_err(|why| unanswered(&why, "journal"))?
    }

    /// Closes a lease of an application's session.
    pub(crate) async fn settle(
        &self,
        owner: LeaseOwner,
        ending: Settlement,
    ) -> Result<Ended, Fault> {
        let ended = self.ends.call((owner, ending), self.limit()).await;
        ended.map_err(|why| unanswered(&why, "journal"))?
    }

    /// How long another service may take.
    pub(crate) fn limit(&self) -> Duration {
        Duration::from_millis(self.config.upstream_ms_max)
    }

    /// A call to the journal, within the limit.
    pub(crate) async fn within<T>(
        &self,
        call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> Result<T, Fault> {
        match tokio::time::timeout(self.limit(), call).await {
            Ok(answer) => Ok(answer.map_err(|it| of("journal", &it))?.into_inner()),
            Err(_elapsed) => Err(away("journal")),
        }
    }

    /// Ends a session here and in the journal.
    pub(crate) async fn close(&self, session: &str) {
        if let Some(session) = self.sessions.remove(session) {
            self.give_back(&session).await;
            let request = CloseRequest { session: session.id.clone() };
            if let Err(fault) = self.within(self.journal.clone().close(request)).await {
                tracing::warn!(session = session.id, error = %fault, "session was not closed");
            }
        }
    }

    /// The same, without waiting for it.
    pub(crate) fn leave_closed(self: &Arc<Self>, session: String) {
        let gateway = self.clone();
        self.busy.spawn(async move { gateway.close(&session).await });
    }

    /// Ends a session here; what never left this house counts as no try.
    pub(crate) async fn give_back(&self, session: &Session) {
        let unsent = session.close();
        self.return_unsent(session, unsent).await;
    }

    /// Tells the journal what a session has no longer, and never sent.
    pub(crate) async fn return_unsent(&self, session: &Session, unsent: Vec<Delivery>) {
        let settlements = unsent.into_iter().map(|it| unsent_ending(it.message_id, it.lease));
        self.unsent(session, settlements.collect()).await;
    }

    /// The same, without waiting for it.
    pub(crate) fn leave_unsent(self: &Arc<Self>, session: &Arc<Session>, unsent: Vec<Delivery>) {
        if !unsent.is_empty() {
            let (gateway, session) = (self.clone(), session.clone());
            self.busy.spawn(async move { gateway.return_unsent(&session, unsent).await });
        }
    }

    /// Tells the journal what never left this house.
    pub(crate) async fn unsent(&self, session: &Session, settlements: Vec<Settlement>) {
        if settlements.is_empty() {
            return;
        }
        let LeaseOwner { application, session } = session.lease_owner();
        let request = EndRequest { session, settlements, application };
        if let Err(fault) = self.within(self.journal.clone().end(request)).await {
            tracing::warn!(error = %fault, "deliveries were not given back");
        }
    }

    /// Works on everything that is gathered, for ever.
    pub(crate) async fn work(&self, publisher: Publisher) {
        let reading = self
            .reads
            .work(BATCH, |batch| normalize(self.mapping.clone(), self.claims.clone(), batch));
        let accepting = self.accepts.work(BATCH, |batch| accept(self.journal.clone(), batch));
        let ending = self.ends.work(BATCH, |batch| end(self.journal.clone(), batch));
        let refusing = self.refusals.work(BATCH, |batch| refuse(self.journal.clone(), batch));
        // One flight: messages of a conversation keep their order.
        let alone = Bounds { flights: 1, ..BATCH };
        let publishing = self.publishes.work(alone, |batch| publish(publisher.clone(), batch));
        tokio::join!(reading, accepting, ending, refusing, publishing);
    }
}

/// It never left this house.
pub(crate) fn unsent_ending(message_id: String, lease: u64) -> Settlement {
    Settlement { message_id, lease, answer: Some(Answer::Unsent(true)) }
}

/// Too much at once; what was accepted is safe.
pub(crate) fn overloaded() -> Fault {
    Fault::new(&code::LT_GW_004).retry_after(Duration::from_secs(1))
}

fn unanswered(why: &NotGathered, part: &str) -> Fault {
    match why {
        NotGathered::Full => overloaded(),
        NotGathered::Unanswered => away(part),
    }
}

/// Bytes that ride along in an item to be accepted.
fn weigh((item, _room): &(Acceptance, Room)) -> usize {
    let bodies = [item.native.as_ref(), item.message.as_ref().and_then(|it| it.body.as_ref())];
    let inline = bodies.into_iter().flatten().map(|it| match &it.place {
        Some(Place::Inline(bytes)) => bytes.len(),
        Some(Place::Claim(_)) | None => 0,
    });
    inline.sum()
}

/// Bytes that a message brings to the broker.
fn weigh_message(((_channel, message), _room): &((Channel, Message), Room)) -> usize {
    match &message.body {
        bus::Body::Inline(bytes) => bytes.len(),
        bus::Body::Claim(_) => 0,
    }
}

async fn accept(
    mut journal: JournalClient<Upstream>,
    batch: Vec<(Acceptance, Room)>,
) -> Vec<Result<AcceptOutcome, Fault>> {
    let (items, _rooms): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let count = items.len();
    match journal.accept(AcceptRequest { items }).await {
        Ok(answer) => {
            let mut outcomes: Vec<_> = answer.into_inner().outcomes.into_iter().map(Ok).collect();
            outcomes.resize_with(count, || Err(away("journal")));
            outcomes
        }
        Err(status) => (0..count).map(|_| Err(of("journal", &status))).collect(),
    }
}

async fn end(
    journal: JournalClient<Upstream>,
    batch: Vec<(LeaseOwner, Settlement)>,
) -> Vec<Result<Ended, Fault>> {
    let mut answers: Vec<Result<Ended, Fault>> =
        batch.iter().map(|_| Err(away("journal"))).collect();
    let mut sessions: HashMap<LeaseOwner, (Vec<usize>, Vec<Settlement>)> = HashMap::new();
    for (place, (owner, ending)) in batch.into_iter().enumerate() {
        let (places, settlements) = sessions.entry(owner).or_default();
        places.push(place);
        settlements.push(ending);
    }
    let asked =
        sessions.into_iter().map(|(LeaseOwner { application, session }, (places, settlements))| {
            let mut journal = journal.clone();
            let request = EndRequest { session, settlements, application };
            async move { (places, journal.end(request).await) }
        });
    for (places, answer) in futures::future::join_all(asked).await {
        match answer {
            Ok(answer) => {
                for (place, ended) in places.into_iter().zip(answer.into_inner().messages) {
                    answers[place] = Ok(ended);
                }
            }
            Err(status) => {
                for place in places {
                    answers[place] = Err(of("journal", &status));
                }
            }
        }
    }
    answers
}

async fn refuse(mut journal: JournalClient<Upstream>, refusals: Vec<Refusal>) -> Vec<()> {
    let count = refusals.len();
    let request = RecordRequest { entries: Vec::new(), refusals };
    if let Err(status) = journal.record(request).await {
        tracing::warn!(count, error = status.message(), "refusals were not recorded");
    }
    vec![(); count]
}

async fn publish(publisher: Publisher, batch: Vec<((Channel, Message), Room)>) -> Vec<()> {
    let (batch, _rooms): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let count = batch.len();
    for outcome in publisher.publish(batch).await {
        if let Err(error) = outcome {
            tracing::warn!(%error, "message waits for the sweeper");
        }
    }
    vec![(); count]
}
