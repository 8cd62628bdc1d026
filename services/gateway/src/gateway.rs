//! The gateway's parts in one value, and the work that goes on behind its calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bus::claim::Spool;
use bus::{Bus, Channel, ClaimStore, Message, Publish as _, Publisher};
use chassis::{Clock, Upstream};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::ending::Answer;
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::{
    AcceptOutcome, AcceptRequest, Acceptance, CloseRequest, EndRequest, Ended, Ending,
    RecordRequest, Refusal, body::Place,
};
use proto::mapping::v1::Normalized;
use proto::mapping::v1::mapping_client::MappingClient;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::directory::Registered;
use crate::fault::{away, of};
use crate::gather::{BATCH, Bounds, Gather, NotGathered};
use crate::metrics::Metrics;
use crate::normalize::{Native, Read, normalize};
use crate::parts::Parts;
use crate::session::{Session, Sessions};

/// Permits of [`Gateway::room`] count kibibytes, so that their number fits.
pub(crate) const UNIT: u64 = 1024;
/// Largest answer of another service.
const ANSWER_BYTES_MAX: usize = 128 << 20;

/// Everything a call needs; clones share it.
#[derive(Clone, Debug)]
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
    accepts: Gather<Acceptance, Result<AcceptOutcome, Fault>>,
    pub(crate) publishes: Gather<(Channel, Message), ()>,
    pub(crate) refusals: Gather<Refusal, ()>,
    reads: Gather<Native, Read>,
    ends: Gather<(String, Ending), Result<Ended, Fault>>,
    /// Room for bodies in memory, in kibibytes.
    pub(crate) room: Arc<Semaphore>,
    /// Calls that are being answered, and sessions that are being closed.
    pub(crate) busy: TaskTracker,
    /// Set when this process is about to end.
    pub(crate) stopping: CancellationToken,
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
            registered: Registered::default(),
            sessions: Sessions::default(),
            parts: Parts::default(),
            metrics: Metrics::new(),
            journal: JournalClient::new(parts.journal)
                .max_decoding_message_size(ANSWER_BYTES_MAX)
                .max_encoding_message_size(ANSWER_BYTES_MAX),
            mapping: MappingClient::new(parts.mapping).max_decoding_message_size(ANSWER_BYTES_MAX),
            accepts: Gather::new(calls, weigh),
            publishes: Gather::new(calls, |_| 0),
            refusals: Gather::new(calls, |_| 0),
            reads: Gather::new(calls, |it| it.bytes.len()),
            ends: Gather::new(calls, |_| 0),
            busy: TaskTracker::new(),
            stopping: CancellationToken::new(),
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
    pub(crate) async fn accept(&self, acceptance: Acceptance) -> Result<AcceptOutcome, Fault> {
        let outcome = self.accepts.call(acceptance, self.limit()).await;
        outcome.map_err(|why| unanswered(&why, "journal"))?
    }

    /// Closes a lease.
    pub(crate) async fn settle(&self, session: &str, ending: Ending) -> Result<Ended, Fault> {
        let ended = self.ends.call((session.to_owned(), ending), self.limit()).await;
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
        if let Some(session) = self.sessions.remove(session).await {
            self.give_back(&session).await;
            let request = CloseRequest { session: session.id.clone() };
            if let Err(fault) = self.within(self.journal.clone().close(request)).await {
                tracing::warn!(session = session.id, error = %fault, "session was not closed");
            }
        }
    }

    /// Ends a session here; what never left this house counts as no try.
    pub(crate) async fn give_back(&self, session: &Session) {
        let unsent = session.drain().await.into_iter();
        let endings: Vec<_> = unsent.map(|it| unsent_ending(it.message_id, it.lease)).collect();
        if endings.is_empty() {
            return;
        }
        let request = EndRequest { session: session.id.clone(), endings };
        if let Err(fault) = self.within(self.journal.clone().end(request)).await {
            tracing::warn!(session = session.id, error = %fault, "deliveries were not given back");
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
pub(crate) fn unsent_ending(message_id: String, lease: u64) -> Ending {
    Ending { message_id, lease, answer: Some(Answer::Unsent(true)) }
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
fn weigh(item: &Acceptance) -> usize {
    let bodies = [item.native.as_ref(), item.message.as_ref().and_then(|it| it.body.as_ref())];
    let inline = bodies.into_iter().flatten().map(|it| match &it.place {
        Some(Place::Inline(bytes)) => bytes.len(),
        Some(Place::Claim(_)) | None => 0,
    });
    inline.sum()
}

async fn accept(
    mut journal: JournalClient<Upstream>,
    items: Vec<Acceptance>,
) -> Vec<Result<AcceptOutcome, Fault>> {
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
    batch: Vec<(String, Ending)>,
) -> Vec<Result<Ended, Fault>> {
    let mut answers: Vec<Result<Ended, Fault>> =
        batch.iter().map(|_| Err(away("journal"))).collect();
    let mut sessions: HashMap<String, (Vec<usize>, Vec<Ending>)> = HashMap::new();
    for (place, (session, ending)) in batch.into_iter().enumerate() {
        let (places, endings) = sessions.entry(session).or_default();
        places.push(place);
        endings.push(ending);
    }
    let asked = sessions.into_iter().map(|(session, (places, endings))| {
        let mut journal = journal.clone();
        async move { (places, journal.end(EndRequest { session, endings }).await) }
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

async fn publish(publisher: Publisher, batch: Vec<(Channel, Message)>) -> Vec<()> {
    let count = batch.len();
    for outcome in publisher.publish(batch).await {
        if let Err(error) = outcome {
            tracing::warn!(%error, "message waits for the sweeper");
        }
    }
    vec![(); count]
}
