//! A running journal with a clock that stands still, its channels observed, and test messages.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::journal_client::{CopyDigest, to_bus_message};
use bus::{
    Bus, Channel, CurrentBus, FailureStore, FailureStoreError, Handle, Receiver, Settings, Verdict,
    Verdicts,
};
use chassis::disk::{DiskConfig, DiskLevel, DiskSpace};
use chassis::{Clock, Upstream, health::Health};
use journal::{Config, Service};
use prost::Message as _;
use proto::canonical::v1::{Canonical, DeliveryReport, canonical};
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::begun::Answer;
use proto::journal::v1::body::Place;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::format_store_client::FormatStoreClient;
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::settlement::Answer as Settled;
use proto::journal::v1::*;
use proto::message::v1::*;
use sha2::Digest as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Noon of a day in 2026.
pub(crate) const START_US: i64 = 1_790_000_000_000_000;

/// Interval of the sweeper.
const SWEEP: Duration = Duration::from_millis(20);

/// Longest wait of a test for anything.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(20);

/// Which database holds the rows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// Name of a channel, id of a message that was published there, and the message.
type Published = (String, String, bus::Message);

pub(crate) struct Environment {
    pub(crate) service: Service,
    pub(crate) journal: JournalClient<Upstream>,
    pub(crate) clock: Clock,
    pub(crate) bus: Bus,
    pub(crate) database: String,
    published: mpsc::Receiver<Published>,
    /// Delivery reports that were published, which most tests are not about.
    reports: Vec<Published>,
    observed: mpsc::Sender<Published>,
    /// Applications of sessions.
    sessions: HashMap<String, String>,
    /// The number of the last Begin.
    last_lease: u64,
    shutdown: CancellationToken,
    running: JoinSet<()>,
    directory: Option<tempfile::TempDir>,
    disk: DiskSpace,
}

/// A failure store that stores nothing: no test lets an observer fail.
#[derive(Clone)]
struct NoFailureStore;

impl FailureStore for NoFailureStore {
    async fn store_failures(
        &self,
        _: Vec<(bus::Message, bus::Disposition)>,
    ) -> Result<(), FailureStoreError> {
        Err(FailureStoreError::new("this receiver has no failures"))
    }
}

/// Passes on what is published to a channel.
struct Observer(String, mpsc::Sender<Published>);

impl Handle for Observer {
    async fn handle(&self, window: Vec<bus::Message>) -> Verdicts {
        for it in &window {
            self.1.send((self.0.clone(), it.id.to_string(), it.clone())).await.unwrap();
        }
        Verdicts::all(window.len(), Verdict::Done)
    }
}

impl Environment {
    pub(crate) async fn new(kind: Kind) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = match kind {
            Kind::Sqlite => directory.path().join("journal.sqlite").display().to_string(),
            Kind::Postgres => crate::postgres_cluster::database(),
        };
        Self::start(database, Clock::fixed(START_US), Some(directory)).await
    }

    /// A journal on SQLite in a folder that outlives it.
    pub(crate) async fn on_sqlite_in(folder: &Path) -> Self {
        let database = folder.join("journal.sqlite").display().to_string();
        Self::start(database, Clock::fixed(START_US), None).await
    }

    async fn start(database: String, clock: Clock, directory: Option<tempfile::TempDir>) -> Self {
        let bus = Bus::embedded(Settings { partitions: 1, ..Settings::default() });
        let shutdown = CancellationToken::new();
        let (observed, published) = mpsc::channel(10_000);
        let mut running = JoinSet::new();
        // The channels exist before anything is published to them, as on a broker.
        for application in ["b-app", "c-app"] {
            bus.declare_delivery(application).await.unwrap();
        }
        let config = config(&database);
        let service = Service::new(&config);
        let disk = service.disk().clone();
        let journal = JournalClient::new(Upstream::local(service.server()));
        let health = Health::new();
        health.unwell("journal", "not started yet");
        let parts = (
            (service.clone(), CurrentBus::fixed(bus.clone())),
            (clock.clone(), health.clone()),
            shutdown.clone(),
        );
        running.spawn(async move {
            Box::pin(journal::run(config, parts.0, parts.1, parts.2)).await.unwrap();
        });
        eventually(async || health.is_ready().then_some(())).await;
        let sessions = HashMap::new();
        let mut environment = Self {
            service,
            journal,
            clock,
            bus,
            database,
            published,
            reports: Vec::new(),
            observed,
            sessions,
            last_lease: 0,
            shutdown,
            running,
            directory,
            disk,
        };
        environment.observe(Channel::intake(0));
        for application in ["b-app", "c-app"] {
            environment.declare_channel(application).await;
        }
        environment
    }

    /// Watches the database's disk against thresholds that it never reaches, until the token is
    /// cancelled.
    pub(crate) async fn watch_full_disk(&mut self) -> CancellationToken {
        let mut config: DiskConfig = toml::from_str(chassis::disk::DEFAULTS).unwrap();
        (config.critical_bytes, config.critical_percent) = (u64::MAX, 100);
        let folder = self.directory.as_ref().unwrap().path().to_owned();
        let (disk, stop) = (self.disk.clone(), CancellationToken::new());
        let watching = disk.clone().watch(("journal", folder), config, Health::new(), stop.clone());
        self.running.spawn(watching);
        eventually(async || (disk.level() == DiskLevel::Critical).then_some(())).await;
        stop
    }

    /// Declares an application's channel, and observes it.
    pub(crate) async fn declare_channel(&mut self, application: &str) {
        let channel = self.bus.declare_delivery(application).await.unwrap();
        self.observe(channel);
    }

    fn observe(&mut self, channel: Channel) {
        let observer = Observer(channel.name().to_owned(), self.observed.clone());
        let receiver = Receiver { channel, window: 256, failure_store: NoFailureStore };
        let (bus, shutdown) = (self.bus.clone(), self.shutdown.clone());
        self.running.spawn(async move { bus.receive(receiver, observer, shutdown).await.unwrap() });
    }

    /// The store of format descriptions.
    pub(crate) fn format_store(&self) -> FormatStoreClient<Upstream> {
        FormatStoreClient::new(Upstream::local(self.service.format_server()))
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.database.starts_with("postgres")
    }

    /// Runs statements on the database without the journal's knowledge.
    pub(crate) async fn execute(&self, sqlite: &str, postgres: &str) {
        execute(&self.database, sqlite, postgres).await;
    }

    /// Runs a second journal on the same database: how it ends.
    pub(crate) async fn run_second_journal(&self) -> anyhow::Result<()> {
        let config = config(&self.database);
        let parts = (Service::new(&config), CurrentBus::fixed(self.bus.clone()));
        let clock = (self.clock.clone(), Health::new());
        Box::pin(journal::run(config, parts, clock, self.shutdown.clone())).await
    }

    /// Stops everything: the database, which exists as long as the directory is held.
    pub(crate) async fn stop(mut self) -> (String, Option<tempfile::TempDir>) {
        self.shutdown.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
        (self.database.clone(), self.directory.take())
    }

    /// Stops everything and starts it again on the same database with empty channels.
    pub(crate) async fn restart(self) -> Self {
        self.restart_after("", "").await
    }

    /// Restarts, and runs statements on the database before the new start, when no row is cached.
    pub(crate) async fn restart_after(self, sqlite: &str, postgres: &str) -> Self {
        let (clock, last_lease) = (self.clock.clone(), self.last_lease);
        let (database, directory) = self.stop().await;
        execute(&database, sqlite, postgres).await;
        Self { last_lease, ..Self::start(database, clock, directory).await }
    }

    pub(crate) async fn accept(&mut self, items: Vec<Acceptance>) -> Vec<Outcome> {
        let response = self.journal.accept(AcceptRequest { items }).await.unwrap().into_inner();
        response.outcomes.into_iter().map(|it| it.outcome.unwrap()).collect()
    }

    pub(crate) async fn accept_one(&mut self, item: Acceptance) -> Receipt {
        match self.accept(vec![item]).await.remove(0) {
            Outcome::Receipt(receipt) => receipt,
            Outcome::Refused(fault) => panic!("refused: {fault}"),
            Outcome::Unknown(_) => panic!("not accepted"),
        }
    }

    pub(crate) async fn record(&mut self, entries: Vec<Entry>) -> Vec<String> {
        self.record_response(entries).await.unknown
    }

    pub(crate) async fn record_response(&mut self, entries: Vec<Entry>) -> RecordResponse {
        let request = RecordRequest { entries, ..RecordRequest::default() };
        self.journal.record(request).await.unwrap().into_inner()
    }

    /// Accepts an item and routes it to applications: the ids of the derived messages.
    pub(crate) async fn accept_and_route(
        &mut self,
        item: Acceptance,
        applications: &[&str],
    ) -> Vec<String> {
        let receipt = self.accept_one(item).await;
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
            ..OpenRequest::default()
        };
        let opened = self.journal.open(request).await.unwrap().into_inner();
        self.sessions.insert(opened.session.clone(), application.to_owned());
        opened
    }

    pub(crate) async fn begin(&mut self, session: &str, ids: &[&str]) -> Vec<Begun> {
        let request = self.begin_request(session, ids);
        self.journal.begin(request).await.unwrap().into_inner().messages
    }

    /// A Begin under a lease of its own.
    pub(crate) fn begin_request(&mut self, session: &str, ids: &[&str]) -> BeginRequest {
        self.last_lease += 1;
        BeginRequest {
            session: session.to_owned(),
            message_ids: ids.iter().map(|it| (*it).to_owned()).collect(),
            copy_digests: Vec::new(),
            lease: self.last_lease,
        }
    }

    /// Begins copies, each with its digest.
    pub(crate) async fn begin_copies(
        &mut self,
        session: &str,
        copies: &[(&str, CopyDigest)],
    ) -> Vec<Begun> {
        let ids: Vec<_> = copies.iter().map(|(id, _)| *id).collect();
        let request = BeginRequest {
            copy_digests: copies.iter().map(|(_, it)| it.to_vec().into()).collect(),
            ..self.begin_request(session, &ids)
        };
        self.journal.begin(request).await.unwrap().into_inner().messages
    }

    /// A genuine copy of a stored message, as its channel has it.
    pub(crate) async fn copy(&mut self, id: &str) -> bus::Message {
        stored_copy(&mut self.journal, id).await
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

    pub(crate) async fn end(
        &mut self,
        session: &str,
        id: &str,
        lease: u64,
        answer: Settled,
    ) -> Ended {
        let request = self.end_request(session, id, lease, answer);
        self.journal.end(request).await.unwrap().into_inner().messages.remove(0)
    }

    pub(crate) fn end_request(
        &self,
        session: &str,
        id: &str,
        lease: u64,
        answer: Settled,
    ) -> EndRequest {
        let settlement = Settlement { message_id: id.to_owned(), lease, answer: Some(answer) };
        let application = self.sessions.get(session).cloned().unwrap_or_default();
        EndRequest { session: session.to_owned(), settlements: vec![settlement], application }
    }

    /// Carries out an operator's command; true when it did anything.
    pub(crate) async fn command(&mut self, action: command_request::Action, id: &str) -> bool {
        let request = CommandRequest {
            action: action.into(),
            message_ids: vec![id.to_owned()],
            reason: "the operator said so".to_owned(),
            actor: "lan".to_owned(),
            dry_run: false,
        };
        !self.journal.command(request).await.unwrap().into_inner().done.is_empty()
    }

    pub(crate) async fn find(&mut self, request: FindRequest) -> FindResponse {
        self.journal.find(request).await.unwrap().into_inner()
    }

    pub(crate) async fn find_ids(&mut self, text: &str) -> Vec<String> {
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

    /// The next message that the journal publishes: its channel and id.
    pub(crate) async fn next_published(&mut self) -> (String, String) {
        let (channel, id, _) = self.next_published_message().await;
        (channel, id)
    }

    pub(crate) async fn next_published_message(&mut self) -> Published {
        loop {
            let next = tokio::time::timeout(WAIT_MAX, self.published.recv());
            let next = next.await.expect("nothing was published").unwrap();
            if let Some(next) = self.set_aside_report(next) {
                return next;
            }
        }
    }

    fn set_aside_report(&mut self, published: Published) -> Option<Published> {
        let message_type = published.2.attributes.get("type").map(String::as_str);
        if message_type == Some("delivery_report") {
            self.reports.push(published);
            return None;
        }
        Some(published)
    }

    /// The next delivery report that the journal publishes: its id and content.
    pub(crate) async fn next_report(&mut self) -> (String, DeliveryReport) {
        while self.reports.is_empty() {
            let next = tokio::time::timeout(WAIT_MAX, self.published.recv());
            let next = next.await.expect("no report was published").unwrap();
            drop(self.set_aside_report(next));
        }
        let (channel, id, message) = self.reports.remove(0);
        assert_eq!(channel, "intake.0");
        let bus::Body::Inline(bytes) = message.body else { panic!("{message:?}") };
        let canonical = Canonical::decode(bytes).unwrap();
        let Some(canonical::Body::DeliveryReport(report)) = canonical.body else {
            panic!("{canonical:?}")
        };
        (id, report)
    }

    /// Ids of the reports published during a few sweeps, each once.
    pub(crate) async fn reports_in_a_while(&mut self) -> Vec<String> {
        drop(self.published_in_a_while().await);
        let mut ids: Vec<_> = self.reports.drain(..).map(|it| it.1).collect();
        ids.dedup();
        ids
    }

    /// Ids of the messages published until now.
    pub(crate) fn published_so_far(&mut self) -> Vec<String> {
        let all: Vec<_> = std::iter::from_fn(|| self.published.try_recv().ok()).collect();
        all.into_iter().filter_map(|it| self.set_aside_report(it)).map(|it| it.1).collect()
    }

    /// Ids published during a few sweeps: for messages that must not be.
    pub(crate) async fn published_in_a_while(&mut self) -> Vec<String> {
        tokio::time::sleep(SWEEP * 5).await;
        self.published_so_far()
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Sets the clock back, as an administrator of the machine may.
    pub(crate) fn set_clock_back(&self, seconds: i64) {
        let Clock::Fixed(at_us) = &self.clock else { panic!("a clock that stands still") };
        at_us.fetch_sub(seconds * 1_000_000, Ordering::SeqCst);
    }

    pub(crate) async fn wait_for_state(&mut self, id: &str, state: State) {
        let mut last = State::Unspecified;
        let deadline = tokio::time::Instant::now() + WAIT_MAX;
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

/// Runs statements on a database.
async fn execute(database: &str, sqlite: &str, postgres: &str) {
    if database.starts_with("postgres") {
        let (client, _running) = client(database).await;
        client.batch_execute(postgres).await.unwrap();
    } else {
        rusqlite::Connection::open(database).unwrap().execute_batch(sqlite).unwrap();
    }
}

/// A connection beside the journal's, open as long as the returned task is held.
pub(crate) async fn client(address: &str) -> (tokio_postgres::Client, JoinSet<()>) {
    let (client, connection) =
        tokio_postgres::connect(address, tokio_postgres::NoTls).await.unwrap();
    let mut running = JoinSet::new();
    running.spawn(async move { connection.await.unwrap() });
    (client, running)
}

pub(crate) fn config(database: &str) -> Config {
    let sweep_ms = u64::try_from(SWEEP.as_millis()).unwrap();
    Config {
        database: chassis::secret::SecretUrl::new(database),
        calls_max: 1_000,
        sweep_ms,
        password_file: "".into(),
        authorities_file: "".into(),
        reserve_bytes: 1 << 20,
    }
}

/// Asks again until there is an answer.
pub(crate) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + WAIT_MAX;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited too long");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn ids(found: &FindResponse) -> Vec<String> {
    found.messages.iter().map(|it| it.envelope.as_ref().unwrap().id.clone()).collect()
}

pub(crate) fn inline(bytes: &str) -> Body {
    Body { place: Some(Place::Inline(bytes.to_owned().into())) }
}

/// A new item in a conversation of its own, with its own content and key.
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
        submission_digest: Uuid::new_v4().as_bytes().repeat(2).into(),
        outline_digest: Uuid::new_v4().as_bytes().repeat(2).into(),
        submitted_format: "auto".to_owned(),
        known_only: false,
    }
}

/// A genuine copy of a message, made of what the journal has stored.
pub(crate) async fn stored_copy(journal: &mut JournalClient<Upstream>, id: &str) -> bus::Message {
    let get = GetRequest { message_id: id.to_owned(), ..GetRequest::default() };
    let stored = journal.get(get).await.unwrap().into_inner();
    to_bus_message(&stored.envelope.unwrap(), stored.body).unwrap()
}

/// An item of a conversation.
pub(crate) fn item_of(conversation: &str) -> Acceptance {
    with(|it| conversation.clone_into(&mut it.conversation))
}

/// An item with a changed envelope.
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
        ..Entry::default()
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

pub(crate) fn taken() -> Settled {
    Settled::Taken(TakenAnswer { reference: "ref-1".to_owned() })
}

pub(crate) fn refused() -> Settled {
    Settled::Refused(RefusedAnswer { reason: "not ours".to_owned() })
}

pub(crate) fn unavailable(retry_after_ms: u64) -> Settled {
    Settled::Unavailable(UnavailableAnswer { reason: "asleep".to_owned(), retry_after_ms })
}

/// A version of a format, loaded from a folder.
pub(crate) fn format_of(name: &str, version: u32, text: &str) -> StoredFormat {
    StoredFormat {
        hash: hex::encode(sha2::Sha256::digest(text)),
        name: name.to_owned(),
        version,
        text: text.to_owned(),
        ..StoredFormat::default()
    }
}
