//! The real journal on SQLite, behind a layer that records calls and loses answers on request.

use std::path::Path;
use std::sync::Arc;

use crate::waiting::wait_for;
use bus::Bus;
use chassis::health::Health;
use chassis::{Clock, Upstream};
use parking_lot::Mutex;
use proto::journal::v1::ended::Outcome;
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::journal_server::{Journal, JournalServer};
use proto::journal::v1::settlement::Answer;
use proto::journal::v1::*;
use proto::message::v1::{State, Step};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// What the gateway asked of the journal.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// Calls of Accept, and the items in them.
    pub(crate) accept_count: usize,
    pub(crate) accepted: Vec<Acceptance>,
    pub(crate) refusals: Vec<Refusal>,
    /// Messages whose lease was returned as unsent.
    pub(crate) unsent: Vec<String>,
    /// The calls of End, as the journal got them.
    pub(crate) ends: Vec<EndRequest>,
    /// Sessions that were closed.
    pub(crate) closed: Vec<String>,
    /// Messages that were in flight when their session was replaced or closed.
    pub(crate) interrupted: u32,
}

/// A journal's calls. Clones share it.
#[derive(Clone)]
pub(crate) struct RecordingJournal {
    journal: JournalClient<Upstream>,
    pub(crate) calls: Arc<Mutex<Calls>>,
    /// Name of the call whose next answer is lost after the journal has committed it.
    lose_answer: Arc<Mutex<Option<&'static str>>>,
    /// True: answers of Begin are held back, after the journal has committed it.
    holds_begun: watch::Sender<bool>,
    /// How many calls of End do not reach the journal.
    unreached_ends: Arc<Mutex<usize>>,
}

/// A running journal; it is aborted when this is dropped.
pub(crate) struct TestJournal {
    pub(crate) recording: RecordingJournal,
    /// The journal itself, for the calls that mapping makes.
    pub(crate) client: JournalClient<Upstream>,
    _running: JoinSet<()>,
}

impl TestJournal {
    pub(crate) async fn start(folder: &Path, bus: Bus, clock: Clock) -> Self {
        let mut config: toml::Table = toml::from_str(journal::DEFAULTS).unwrap();
        let database = folder.join("journal.sqlite").display().to_string();
        config.insert("database".to_owned(), database.into());
        config.insert("sweep_ms".to_owned(), 20.into());
        let config: journal::Config = config.try_into().unwrap();
        let service = journal::Service::new(&config);
        let client = JournalClient::new(Upstream::local(service.server()));
        let health = Health::new();
        health.unwell("journal", "not started yet");
        let (watched, shutdown) = (health.clone(), CancellationToken::new());
        let mut running = JoinSet::new();
        running.spawn(async move {
            Box::pin(journal::run(
                config,
                (service, bus::CurrentBus::fixed(bus)),
                (clock, watched),
                shutdown,
            ))
            .await
            .unwrap();
        });
        wait_for(async || health.is_ready().then_some(())).await;
        let recording = RecordingJournal {
            journal: client.clone(),
            calls: Arc::default(),
            lose_answer: Arc::default(),
            holds_begun: watch::Sender::new(false),
            unreached_ends: Arc::default(),
        };
        Self { recording, client, _running: running }
    }

    /// The journal as the gateway reaches it.
    pub(crate) fn upstream(&self) -> Upstream {
        Upstream::local(JournalServer::new(self.recording.clone()))
    }

    /// Loses the answer of the next call of this name.
    pub(crate) fn lose_answer(&self, call: &'static str) {
        *self.recording.lose_answer.lock() = Some(call);
    }

    /// Holds back the answers of Begin, or sends them.
    pub(crate) fn hold_begun(&self, is_held: bool) {
        self.recording.holds_begun.send_replace(is_held);
    }

    /// Keeps the next calls of End from the journal.
    pub(crate) fn lose_ends(&self, count: usize) {
        *self.recording.unreached_ends.lock() = count;
    }

    async fn journey(&self, id: &str) -> JourneyResponse {
        let request = JourneyRequest { message_id: id.to_owned() };
        self.client.clone().journey(request).await.unwrap().into_inner()
    }

    /// A submitted or derived message.
    pub(crate) async fn summary(&self, id: &str) -> Summary {
        let journey = self.journey(id).await;
        let mut messages = journey.derived.into_iter().chain(journey.message);
        messages.find(|it| it.envelope.as_ref().unwrap().id == id).unwrap()
    }

    pub(crate) async fn state(&self, id: &str) -> State {
        self.summary(id).await.state()
    }

    pub(crate) async fn steps(&self, id: &str) -> Vec<Step> {
        let hops = self.journey(id).await.hops.into_iter();
        hops.filter(|it| it.message_id == id).map(|it| it.fact.unwrap().step()).collect()
    }

    /// The number of submitted messages.
    pub(crate) async fn message_count(&self) -> usize {
        let found = self.client.clone().find(FindRequest::default()).await.unwrap();
        found.into_inner().messages.len()
    }
}

type RpcResult<T> = Result<Response<T>, Status>;

impl RecordingJournal {
    /// The answer, unless it is to be lost.
    fn deliver<T>(&self, call: &'static str, answer: RpcResult<T>) -> RpcResult<T> {
        let is_lost = self.lose_answer.lock().take_if(|it| *it == call).is_some();
        if is_lost { Err(Status::unavailable("the answer was lost")) } else { answer }
    }
}

#[tonic::async_trait]
impl Journal for RecordingJournal {
    async fn accept(&self, request: Request<AcceptRequest>) -> RpcResult<AcceptResponse> {
        let items = request.get_ref().items.clone();
        let answer = self.journal.clone().accept(request).await;
        {
            let mut calls = self.calls.lock();
            calls.accept_count += 1;
            calls.accepted.extend(items);
        }
        self.deliver("accept", answer)
    }

    async fn record(&self, request: Request<RecordRequest>) -> RpcResult<RecordResponse> {
        let refusals = request.get_ref().refusals.clone();
        let answer = self.journal.clone().record(request).await;
        self.calls.lock().refusals.extend(refusals);
        self.deliver("record", answer)
    }

    async fn open(&self, request: Request<OpenRequest>) -> RpcResult<OpenResponse> {
        let answer = self.journal.clone().open(request).await?;
        self.calls.lock().interrupted += answer.get_ref().given_back;
        self.deliver("open", Ok(answer))
    }

    async fn close(&self, request: Request<CloseRequest>) -> RpcResult<CloseResponse> {
        let session = request.get_ref().session.clone();
        let answer = self.journal.clone().close(request).await?;
        {
            let mut calls = self.calls.lock();
            calls.interrupted += answer.get_ref().given_back;
            calls.closed.push(session);
        }
        self.deliver("close", Ok(answer))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> RpcResult<RenewResponse> {
        self.journal.clone().renew(request).await
    }

    async fn pauses(&self, request: Request<PausesRequest>) -> RpcResult<PausesResponse> {
        self.journal.clone().pauses(request).await
    }

    async fn publish_again(
        &self,
        request: Request<PublishAgainRequest>,
    ) -> RpcResult<PublishAgainResponse> {
        self.journal.clone().publish_again(request).await
    }

    async fn begin(&self, request: Request<BeginRequest>) -> RpcResult<BeginResponse> {
        let answer = self.journal.clone().begin(request).await;
        drop(self.holds_begun.subscribe().wait_for(|it| !it).await);
        self.deliver("begin", answer)
    }

    async fn end(&self, request: Request<EndRequest>) -> RpcResult<EndResponse> {
        {
            let mut unreached = self.unreached_ends.lock();
            if *unreached > 0 {
                *unreached -= 1;
                return Err(Status::unavailable("the call was lost"));
            }
        }
        let call = request.get_ref().clone();
        let answer = self.journal.clone().end(request).await?;
        let ended = call.settlements.iter().zip(&answer.get_ref().messages);
        let is_unsent = |(settlement, ended): &(&Settlement, &Ended)| {
            matches!(settlement.answer, Some(Answer::Unsent(_)))
                && ended.outcome() == Outcome::Closed
        };
        let unsent: Vec<_> = ended.filter(is_unsent).map(|(_, it)| it.message_id.clone()).collect();
        {
            let mut calls = self.calls.lock();
            calls.unsent.extend(unsent);
            calls.ends.push(call);
        }
        self.deliver("end", Ok(answer))
    }

    async fn find(&self, request: Request<FindRequest>) -> RpcResult<FindResponse> {
        self.journal.clone().find(request).await
    }

    async fn find_refusals(
        &self,
        request: Request<FindRefusalsRequest>,
    ) -> RpcResult<FindRefusalsResponse> {
        self.journal.clone().find_refusals(request).await
    }

    async fn journey(&self, request: Request<JourneyRequest>) -> RpcResult<JourneyResponse> {
        self.journal.clone().journey(request).await
    }

    async fn get(&self, request: Request<GetRequest>) -> RpcResult<GetResponse> {
        self.journal.clone().get(request).await
    }

    async fn command(&self, request: Request<CommandRequest>) -> RpcResult<CommandResponse> {
        self.journal.clone().command(request).await
    }

    async fn resend(&self, request: Request<ResendRequest>) -> RpcResult<ResendResponse> {
        self.journal.clone().resend(request).await
    }
}
