//! A running journal with a held clock, its channels watched, and the items that go in.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus::{
    Bus, Channel, FailureStore, FailureStoreError, Handle, Receiver, Settings, Verdict, Verdicts,
};
use chassis::{Clock, Upstream, health::Health};
use journal::{Config, Service};
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::begun::Answer;
use proto::journal::v1::body::Place;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::settlement::Answer as Given;
use proto::journal::v1::*;
use proto::message::v1::*;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Noon of a day in 2026.
const START_US: i64 = 1_790_000_000_000_000;

/// How often the sweeper comes by.
const SWEEP: Duration = Duration::from_millis(20);

/// Longest a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Where the rows are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

pub(crate) struct Environment {
    pub(crate) journal: JournalClient<Upstream>,
    pub(crate) clock: Clock,
    pub(crate) bus: Bus,
    pub(crate) database: String,
    /// Names of channels and ids of what the journal drove.
    driven: mpsc::Receiver<(String, String, bus::Message)>,
    drives: mpsc::Sender<(String, String, bus::Message)>,
    /// Applications of sessions.
    sessions: HashMap<String, String>,
    shutdown: CancellationToken,
    running: JoinSet<()>,
    folder: Option<tempfile::TempDir>,
}

#[derive(Clone)]
struct Unkept;

impl FailureStore for Unkept {
    async fn store_failures(
        &self,
        _: Vec<(bus::Message, bus::Disposition)>,
    ) -> Result<(), FailureStoreError> {
        Err(FailureStoreError::new("nothing is kept here"))
    }
}

struct Watch(String, mpsc::Sender<(String, String, bus::Message)>);

impl Handle for Watch {
    async fn handle(&self, window: Vec<bus::Message>) -> Verdicts {
        for it in &window {
            self.1.send((self.0.clone(), it.id.to_string(), it.clone())).await.unwrap();
        }
        Verdicts::all(window.len(), Verdict::Done)
    }
}

impl Environment {
    pub(crate) async fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = match kind {
            Kind::Sqlite => folder.path().join("journal.sqlite").display().to_string(),
            Kind::Postgres => crate::postgres_cluster::database(),
        };
        Self::start(database, Clock::held(START_US), Some(folder)).await
    }

    async fn start(database: String, clock: Clock, folder: Option<tempfile::TempDir>) -> Self {
        let bus = Bus::embedded(Settings { partitions: 1, ..Settings::default() });
        let shutdown = CancellationToken::new();
        let (drives, driven) = mpsc::channel(10_000);
        let mut running = JoinSet::new();
        // The channels are there before anything is driven to them, as on a broker.
        for application in ["b-app", "c-app"] {
            bus.declare_delivery(application).await.unwrap();
        }
        let config = config(&database);
        let service = Service::new(&config);
        let journal = JournalClient::new(Upstream::local(service.server()));
        let health = Health::new();
        health.unwell("journal", "not started yet");
        let parts = ((service, bus.clone()), (clock.clone(), health.clone()), shutdown.clone());
        running.spawn(async move {
            Box::pin(journal::run(config, parts.0, parts.1, parts.2)).await.unwrap();
        });
        eventually(async || health.is_ready().then_some(())).await;
        let sessions = HashMap::new();
        let mut env = Self {
            journal,
            clock,
            bus,
            database,
            driven,
            drives,
            sessions,
            shutdown,
            running,
            folder,
        };
        env.watch(Channel::intake(0));
        for application in ["b-app", "c-app"] {
            env.declare(application).await;
        }
        env
    }

    /// Declares an application's channel, and watches it.
    pub(crate) async fn declare(&mut self, application: &str) {
        let channel = self.bus.declare_delivery(application).await.unwrap();
        self.watch(channel);
    }

    fn watch(&mut self, channel: Channel) {
        let watch = Watch(channel.name().to_owned(), self.drives.clone());
        let receiver = Receiver { channel, window: 256, failure_store: Unkept };
        let (bus, shutdown) = (self.bus.clone(), self.shutdown.clone());
        self.running.spawn(async move { bus.receive(receiver, watch, shutdown).await.unwrap() });
    }

    /// Does something to the database that the journal knows nothing of.
    pub(crate) async fn meddle(&self, sqlite: &str, postgres: &str) {
        if self.database.starts_with("postgres") {
            let (client, _running) = client(&self.database).await;
            client.batch_execute(postgres).await.unwrap();
        } else {
            rusqlite::Connection::open(&self.database).unwrap().execute_batch(sqlite).unwrap();
        }
    }

    /// Runs a second journal on the same database: how it ends.
    pub(crate) async fn second(&self) -> anyhow::Result<()> {
        let config = config(&self.database);
        let parts = (Service::new(&config), self.bus.clone());
        let stands = (self.clock.clone(), Health::new());
        Box::pin(journal::run(config, parts, stands, self.shutdown.clone())).await
    }

    /// Stops everything: where its database is, for as long as the folder is held.
    pub(crate) async fn stop(mut self) -> (String, Option<tempfile::TempDir>) {
        self.shutdown.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
        (self.database.clone(), self.folder.take())
    }

    /// Stops everything and starts it again on the same database with empty channels.
    pub(crate) async fn restart(self) -> Self {
        let clock = self.clock.clone();
        let (database, folder) = self.stop().await;
        Self::start(database, clock, folder).await
    }

    pub(crate) async fn accept(&mut self, items: Vec<Acceptance>) -> Vec<Outcome> {
        let response = self.journal.accept(AcceptRequest { items }).await.unwrap().into_inner();
        response.outcomes.into_iter().map(|it| it.outcome.unwrap()).collect()
    }

    pub(crate) async fn receipt(&mut self, item: Acceptance) -> Receipt {
        match self.accept(vec![item]).await.remove(0) {
            Outcome::Receipt(receipt) => receipt,
            Outcome::Refused(fault) => panic!("refused: {fault}"),
        }
    }

    pub(crate) async fn record(&mut self, entries: Vec<Entry>) -> Vec<String> {
        self.told(entries).await.unknown
    }

    /// Records: all that the journal has to say about it.
    pub(crate) async fn told(&mut self, entries: Vec<Entry>) -> RecordResponse {
        let request = RecordRequest { entries, refusals: Vec::new() };
        self.journal.record(request).await.unwrap().into_inner()
    }

    /// Accepts an item and routes it to applications: the ids of what is on its way to each.
    pub(crate) async fn routed(&mut self, item: Acceptance, applications: &[&str]) -> Vec<String> {
        let receipt = self.receipt(item).await;
        let entry = routing(&receipt.message_id, applications);
        let ids = derived_ids(&entry);
        assert_eq!(self.record(vec![entry]).await, Vec::<String>::new());
        ids
    }

    pub(crate) async fn open(&mut self, application: &str, class: ReceiverClass) -> String {
        self.open_as(application, "adapter", class).await.session
    }

    pub(crate) async fn open_as(
        &mut self,
        application: &str,
        adapter: &str,
        class: ReceiverClass,
    ) -> OpenResponse {
        let request = OpenRequest {
            application: application.to_owned(),
            adapter: adapter.to_owned(),
            receiver_class: class.into(),
            lease_ms: 60_000,
        };
        let opened = self.journal.open(request).await.unwrap().into_inner();
        self.sessions.insert(opened.session.clone(), application.to_owned());
        opened
    }

    pub(crate) async fn begin(&mut self, session: &str, ids: &[&str]) -> Vec<Begun> {
        let message_ids = ids.iter().map(|it| (*it).to_owned()).collect();
        let request = BeginRequest { session: session.to_owned(), message_ids };
        self.journal.begin(request).await.unwrap().into_inner().messages
    }

    /// Begins one message that must be delivered: its lease.
    pub(crate) async fn deliver(&mut self, session: &str, id: &str) -> u64 {
        let begun = self.begin(session, &[id]).await.remove(0);
        assert_eq!(begun.answer(), Answer::Deliver, "{begun:?}");
        begun.lease
    }

    pub(crate) async fn answers(&mut self, session: &str, ids: &[&str]) -> Vec<Answer> {
        self.begin(session, ids).await.iter().map(Begun::answer).collect()
    }

    pub(crate) async fn end(&mut self, session: &str, id: &str, lease: u64, given: Given) -> Ended {
        let request = self.ending(session, id, lease, given);
        self.journal.end(request).await.unwrap().into_inner().messages.remove(0)
    }

    pub(crate) fn ending(&self, session: &str, id: &str, lease: u64, given: Given) -> EndRequest {
        let ending = Settlement { message_id: id.to_owned(), lease, answer: Some(given) };
        let application = self.sessions.get(session).cloned().unwrap_or_default();
        EndRequest { session: session.to_owned(), settlements: vec![ending], application }
    }

    pub(crate) async fn command(&mut self, action: command_request::Action, id: &str) -> bool {
        let request = CommandRequest {
            action: action.into(),
            message_ids: vec![id.to_owned()],
            reason: "the operator said so".to_owned(),
            actor: "lan".to_owned(),
        };
        !self.journal.command(request).await.unwrap().into_inner().done.is_empty()
    }

    pub(crate) async fn find(&mut self, request: FindRequest) -> FindResponse {
        self.journal.find(request).await.unwrap().into_inner()
    }

    pub(crate) async fn found(&mut self, text: &str) -> Vec<String> {
        let request = FindRequest { text: text.to_owned(), ..FindRequest::default() };
        ids(&self.find(request).await)
    }

    pub(crate) async fn journey(&mut self, id: &str) -> JourneyResponse {
        let request = JourneyRequest { message_id: id.to_owned() };
        self.journal.journey(request).await.unwrap().into_inner()
    }

    pub(crate) async fn steps(&mut self, id: &str) -> Vec<Step> {
        let journey = self.journey(id).await;
        let own = journey.hops.into_iter().filter(|it| it.message_id == id);
        own.map(|it| it.fact.unwrap().step()).collect()
    }

    pub(crate) async fn state(&mut self, id: &str) -> State {
        self.summary(id).await.state()
    }

    pub(crate) async fn summary(&mut self, id: &str) -> Summary {
        let journey = self.journey(id).await;
        let mut all = journey.derived.into_iter().chain(journey.message);
        all.find(|it| it.envelope.as_ref().unwrap().id == id).unwrap()
    }

    /// The next message the journal drives: its channel and id.
    pub(crate) async fn driven(&mut self) -> (String, String) {
        let (channel, id, _) = self.driven_message().await;
        (channel, id)
    }

    pub(crate) async fn driven_message(&mut self) -> (String, String, bus::Message) {
        tokio::time::timeout(PATIENCE, self.driven.recv()).await.expect("nothing driven").unwrap()
    }

    /// What was driven until now.
    pub(crate) fn driven_so_far(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.driven.try_recv().ok()).map(|it| it.1).collect()
    }

    /// What is driven while the sweeper comes by a few times: for what must not be.
    pub(crate) async fn driven_in_a_while(&mut self) -> Vec<String> {
        tokio::time::sleep(SWEEP * 5).await;
        self.driven_so_far()
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Sets the clock back, as somebody at the machine may.
    pub(crate) fn set_back(&self, seconds: i64) {
        let Clock::Held(at_us) = &self.clock else { panic!("a held clock") };
        at_us.fetch_sub(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// Waits until a message is in a state.
    pub(crate) async fn until(&mut self, id: &str, state: State) {
        let mut last = State::Unspecified;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < deadline {
            last = self.state(id).await;
            if last == state {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{id} is {last:?}, not {state:?}");
    }
}

/// A connection beside the journal's, which lasts as long as what is given back with it.
pub(crate) async fn client(address: &str) -> (tokio_postgres::Client, JoinSet<()>) {
    let (client, connection) =
        tokio_postgres::connect(address, tokio_postgres::NoTls).await.unwrap();
    let mut running = JoinSet::new();
    running.spawn(async move { connection.await.unwrap() });
    (client, running)
}

pub(crate) fn config(database: &str) -> Config {
    let sweep_ms = u64::try_from(SWEEP.as_millis()).unwrap();
    Config { database: database.to_owned(), calls_max: 1_000, sweep_ms, password_file: "".into() }
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited too long");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn ids(found: &FindResponse) -> Vec<String> {
    found.messages.iter().map(|it| it.envelope.as_ref().unwrap().id.clone()).collect()
}

pub(crate) fn inline(bytes: &str) -> Body {
    Body { place: Some(Place::Inline(bytes.to_owned().into())) }
}

/// A new item of its own conversation: content and key are drawn.
pub(crate) fn item() -> Acceptance {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let envelope = Envelope {
        id: Uuid::new_v4().to_string(),
        source: "a-app".to_owned(),
        sender: "a".to_owned(),
        r#type: MessageType::Document.into(),
        format: "edxml.document".to_owned(),
        conversation: Uuid::new_v4().to_string(),
        recipients: vec!["b".to_owned(), "c".to_owned()],
        ..Envelope::default()
    };
    Acceptance {
        message: Some(Message { envelope: Some(envelope), body: Some(inline("canonical")) }),
        key: format!("key-{number}"),
        content_digest: Uuid::new_v4().as_bytes().repeat(2).into(),
        native: Some(inline("native")),
        native_sha256: vec![7; 32].into(),
        attachments: vec![Attachment { id: "1".to_owned(), ..Attachment::default() }],
        index: Some(Index { number: format!("{number}/CV"), ..Index::default() }),
        facts: vec![fact(Step::Submitted), fact(Step::Normalized)],
    }
}

/// An item of a conversation.
pub(crate) fn item_of(conversation: &str) -> Acceptance {
    with(|it| conversation.clone_into(&mut it.conversation))
}

/// An item with another envelope.
pub(crate) fn with(change: impl FnOnce(&mut Envelope)) -> Acceptance {
    let mut item = item();
    change(item.message.as_mut().unwrap().envelope.as_mut().unwrap());
    item
}

pub(crate) fn fact(step: Step) -> Fact {
    let (step, component) = (step.into(), "test@1".to_owned());
    Fact { step, at_us: START_US, component, attempt: 1, ..Fact::default() }
}

/// What mapping records when it routed a message: `b-app` serves `b`, `c-app` serves `c`.
pub(crate) fn routing(parent: &str, applications: &[&str]) -> Entry {
    Entry {
        message_id: parent.to_owned(),
        facts: vec![fact(Step::Routed)],
        derived: applications.iter().map(|it| derived(parent, it)).collect(),
        disposition: Some(Disposition::Routed(true)),
    }
}

pub(crate) fn derived(parent: &str, application: &str) -> Derived {
    let name = format!("delivery.{application}");
    let id = Uuid::new_v5(&parent.parse().unwrap(), name.as_bytes()).to_string();
    let envelope = Envelope {
        id,
        source: "a-app".to_owned(),
        sender: "a".to_owned(),
        r#type: MessageType::Document.into(),
        recipients: vec![application.trim_end_matches("-app").to_owned()],
        application: application.to_owned(),
        parent: parent.to_owned(),
        ..Envelope::default()
    };
    Derived {
        message: Some(Message { envelope: Some(envelope), body: Some(inline("translated")) }),
        attachments: vec![Attachment { id: "1".to_owned(), ..Attachment::default() }],
        facts: vec![fact(Step::Translated)],
        fault: None,
    }
}

pub(crate) fn derived_ids(entry: &Entry) -> Vec<String> {
    let message = |it: &Derived| it.message.clone().unwrap().envelope.unwrap().id;
    entry.derived.iter().map(message).collect()
}

pub(crate) fn taken() -> Given {
    Given::Taken(TakenAnswer { reference: "ref-1".to_owned() })
}

pub(crate) fn refused() -> Given {
    Given::Refused(RefusedAnswer { reason: "not ours".to_owned() })
}

pub(crate) fn unavailable(retry_after_ms: u64) -> Given {
    Given::Unavailable(UnavailableAnswer { reason: "asleep".to_owned(), retry_after_ms })
}
