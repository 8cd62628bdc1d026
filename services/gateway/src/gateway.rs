//! The gateway's parts in one value, and the work that goes on behind its calls.

use std::collections::HashMap;
use std::time::Duration;

use bus::claim::Spool;
use bus::{Bus, Channel, ClaimStore, Message, Publish as _, Publisher};
use chassis::{Clock, Upstream};
use proto::fault::v1::Fault;
use proto::journal::v1::ending::Answer;
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::{
    AcceptOutcome, AcceptRequest, Acceptance, CloseRequest, EndRequest, Ended, Ending,
    RecordRequest, Refusal,
};
use proto::mapping::v1::Normalized;
use proto::mapping::v1::mapping_client::MappingClient;

use crate::config::Config;
use crate::directory::Registered;
use crate::fault::{away, of};
use crate::gather::Gather;
use crate::normalize::{Native, Read, normalize};
use crate::parts::Parts;
use crate::session::Sessions;
use crate::submit::overloaded;

/// Items of one batch, and batches at a time: a second one gathers while the first is away.
const BATCH: (usize, usize) = (256, 4);
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
    pub(crate) journal: JournalClient<Upstream>,
    pub(crate) mapping: MappingClient<Upstream>,
    pub(crate) accepts: Gather<Acceptance, Result<AcceptOutcome, Fault>>,
    pub(crate) publishes: Gather<(Channel, Message), ()>,
    pub(crate) refusals: Gather<Refusal, ()>,
    reads: Gather<Native, Read>,
    ends: Gather<(String, Ending), Result<Ended, Fault>>,
    pub(crate) streams: tokio_util::task::TaskTracker,
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
    pub(crate) fn new(config: Config, parts: Surroundings, clock: Clock, component: String) -> Self {
        let calls = config.calls_max;
        Self {
            component,
            clock,
            bus: parts.bus,
            claims: parts.claims,
            registered: Registered::default(),
            sessions: Sessions::default(),
            parts: Parts::default(),
            journal: JournalClient::new(parts.journal)
                .max_decoding_message_size(ANSWER_BYTES_MAX)
                .max_encoding_message_size(ANSWER_BYTES_MAX),
            mapping: MappingClient::new(parts.mapping).max_decoding_message_size(ANSWER_BYTES_MAX),
            accepts: Gather::new(calls),
            publishes: Gather::new(calls),
            refusals: Gather::new(calls),
            reads: Gather::new(calls),
            ends: Gather::new(calls),
            streams: tokio_util::task::TaskTracker::new(),
            config,
        }
    }

    /// Has an item read.
    pub(crate) async fn normalize(
        &self,
        native: Native,
    ) -> Result<(Normalized, Vec<Option<Spool>>), Fault> {
        let limit = Duration::from_millis(self.config.upstream_ms_max);
        match tokio::time::timeout(limit, self.reads.call(native)).await {
            Ok(Ok(read)) => read,
            Ok(Err(_not_gathered)) => Err(overloaded()),
            Err(_elapsed) => Err(away("mapping")),
        }
    }

    /// Closes a lease with an answer; none when the journal could not be told.
    pub(crate) async fn end(
        &self,
        session: &str,
        (message_id, lease): (String, u64),
        answer: Answer,
    ) -> Option<Ended> {
        self.settle(session, Ending { message_id, lease, answer: Some(answer) }).await.ok()
    }

    /// Closes a lease.
    pub(crate) async fn settle(&self, session: &str, ending: Ending) -> Result<Ended, Fault> {
        self.ends.call((session.to_owned(), ending)).await.map_err(|_| overloaded())?
    }

    /// Ends a session here and in the journal.
    pub(crate) async fn close(&self, session: &str) {
        self.sessions.remove(session).await;
        let request = CloseRequest { session: session.to_owned() };
        if let Err(status) = self.journal.clone().close(request).await {
            tracing::warn!(session, error = status.message(), "session was not closed");
        }
    }

    /// Works on everything that is gathered, for ever.
    pub(crate) async fn work(&self, publisher: Publisher) {
        let reading = self.reads.work(BATCH, |batch| {
            normalize(self.mapping.clone(), self.claims.clone(), batch)
        });
        let accepting = self.accepts.work(BATCH, |batch| accept(self.journal.clone(), batch));
        let ending = self.ends.work(BATCH, |batch| end(self.journal.clone(), batch));
        let refusing = self.refusals.work(BATCH, |batch| refuse(self.journal.clone(), batch));
        // One flight: messages of a conversation keep their order.
        let publishing =
            self.publishes.work((BATCH.0, 1), |batch| publish(publisher.clone(), batch));
        tokio::join!(reading, accepting, ending, refusing, publishing);
    }
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
