//! A running gateway on a port of its own, and what it stands on.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bus::{Body, Bus, Channel, ClaimStore, Message, Publish as _, Settings};
use bytes::Bytes;
use chassis::health::Health;
use chassis::serve::{Bounds, serve};
use chassis::{Clock, Upstream};
use futures::Stream;
use gateway::{Config, DEFAULTS, GatewayDependencies, Service};
use proto::exchange::v1::exchange_client::ExchangeClient;
use proto::exchange::v1::submit_request::Body as Given;
use proto::exchange::v1::*;
use proto::fault::v1::Fault;
use proto::journal::v1::Envelope;
use proto::journal::v1::journal_server::JournalServer;
use proto::mapping::v1::mapping_server::MappingServer;
use proto::message::v1::{Attachment, Claim, MessageType, ReceiverClass, State};
use proto::registry::v1::registry_server::{Registry, RegistryServer};
use proto::registry::v1::{Application, Snapshot, WatchRequest};
use registry_client::RegistryFollower;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel as Transport;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use crate::journal::{FakeJournal, Row};
use crate::mapping::FakeMapping;

/// Longest a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone)]
struct FakeRegistry(watch::Receiver<Snapshot>, Arc<AtomicUsize>);

#[tonic::async_trait]
impl Registry for FakeRegistry {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Snapshot, Status>> + Send>>;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        self.1.fetch_add(1, Ordering::SeqCst);
        let states = futures::StreamExt::map(WatchStream::new(self.0.clone()), Ok);
        Ok(Response::new(Box::pin(states)))
    }
}

pub(crate) struct Stage {
    pub(crate) client: ExchangeClient<Transport>,
    pub(crate) address: String,
    pub(crate) journal: FakeJournal,
    pub(crate) mapping: FakeMapping,
    pub(crate) bus: Bus,
    pub(crate) claims: ClaimStore,
    pub(crate) clock: Clock,
    pub(crate) registry: watch::Sender<Snapshot>,
    /// How often the registry was watched.
    pub(crate) watched: Arc<AtomicUsize>,
    pub(crate) follower: RegistryFollower,
    pub(crate) shutdown: CancellationToken,
    pub(crate) folder: TempDir,
    pub(crate) running: JoinSet<()>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config: Config = toml::from_str(DEFAULTS).unwrap();
        change(&mut config);
        let folder = tempfile::tempdir().unwrap();
        let bus = Bus::embedded(Settings { partitions: 1, ..Settings::default() });
        bus.declare_delivery("a-app").await.unwrap();
        let claims = ClaimStore::folder(folder.path()).await.unwrap();
        let (journal, mapping) = (FakeJournal::default(), FakeMapping::default());
        let follower = RegistryFollower::new("gateway.registry");
        let dependencies = GatewayDependencies {
            bus: bus.clone(),
            claims: claims.clone(),
            journal: Upstream::local(JournalServer::new(journal.clone())),
            mapping: Upstream::local(MappingServer::new(mapping.clone())),
            registry: follower.clone(),
        };
        let clock = Clock::held(1_790_000_000_000_000);
        let service = Service::new(config, dependencies, clock.clone(), "gateway@test".to_owned());
        let (registry, states) = watch::channel(snapshot());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (shutdown, health) = (CancellationToken::new(), Health::new());
        let mut running = JoinSet::new();
        let served = serve(listener, service.routes(), Bounds::default(), service.drained());
        running.spawn(async move { served.await.unwrap() });
        let watched = Arc::default();
        let registry_there = FakeRegistry(states, Arc::clone(&watched));
        let way = Upstream::local(RegistryServer::new(registry_there));
        let run = gateway::run(service, way, health, shutdown.clone());
        running.spawn(async move { run.await.unwrap() });
        let client = ExchangeClient::connect(format!("http://{address}")).await.unwrap();
        let mut stage = Self {
            client,
            address,
            journal,
            mapping,
            bus,
            claims,
            clock,
            registry,
            watched,
            follower,
            shutdown,
            folder,
            running,
        };
        stage.registered().await;
        stage
    }

    /// Waits until the gateway has its copy of the registry.
    async fn registered(&mut self) {
        let mut client = self.client.clone();
        eventually(async || {
            client.lookup(called(LookupRequest::default())).await.is_ok().then_some(())
        })
        .await;
    }

    pub(crate) async fn hello(&mut self, adapter: &str) -> String {
        self.greet(adapter).await.session
    }

    pub(crate) async fn limits(&mut self, adapter: &str) -> Limits {
        self.greet(adapter).await.limits.unwrap()
    }

    async fn greet(&mut self, adapter: &str) -> HelloResponse {
        let request = HelloRequest {
            protocol_versions: vec![1],
            adapter: adapter.to_owned(),
            ..HelloRequest::default()
        };
        self.client.hello(called(request)).await.unwrap().into_inner()
    }

    pub(crate) async fn receive(&mut self, session: &str, in_hand_max: u32) -> Streaming<Delivery> {
        let request = ReceiveRequest { session: session.to_owned(), in_hand_max };
        self.client.receive(called(request)).await.unwrap().into_inner()
    }

    pub(crate) async fn submit(&self, key: &str, body: &[u8]) -> Result<SubmitResponse, Fault> {
        self.submit_with(key, Given::Inline(Bytes::copy_from_slice(body)), &[]).await
    }

    pub(crate) async fn submit_with(
        &self,
        key: &str,
        body: Given,
        parts: &[&str],
    ) -> Result<SubmitResponse, Fault> {
        self.give(item(key, body, parts)).await
    }

    pub(crate) async fn give(&self, item: SubmitRequest) -> Result<SubmitResponse, Fault> {
        answered(self.client.clone().submit(called(item)).await)
    }

    pub(crate) async fn submit_batch(
        &self,
        items: Vec<SubmitRequest>,
    ) -> Result<SubmitBatchResponse, Fault> {
        answered(self.client.clone().submit_batch(called(SubmitBatchRequest { items })).await)
    }

    pub(crate) async fn put(
        &self,
        part: &str,
        offset: usize,
        data: &[u8],
        whole: &[u8],
    ) -> Result<PutPartResponse, Fault> {
        let request = PutPartRequest {
            part: part.to_owned(),
            offset: offset as u64,
            data: Bytes::copy_from_slice(data),
            size: whole.len() as u64,
            sha256: Bytes::copy_from_slice(&bus::Claim::from_content(whole).sha256),
        };
        answered(self.client.clone().put_part(called(request)).await)
    }

    pub(crate) async fn settle(
        &self,
        session: &str,
        of: (&str, u64),
        answer: settle_request::Answer,
    ) -> Result<SettleResponse, Fault> {
        let request = SettleRequest {
            session: session.to_owned(),
            message_id: of.0.to_owned(),
            lease: of.1,
            answer: Some(answer),
        };
        answered(self.client.clone().settle(called(request)).await)
    }

    pub(crate) async fn settle_batch(
        &self,
        items: Vec<SettleRequest>,
    ) -> Result<SettleBatchResponse, Fault> {
        let request = SettleBatchRequest { items };
        answered(self.client.clone().settle_batch(called(request)).await)
    }

    /// Puts a message for `a-app` on its channel, as mapping would; its id.
    pub(crate) async fn send(&self, name: &str, body: Body, files: &[&[u8]]) -> String {
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string();
        let envelope = Envelope {
            id: id.clone(),
            source: "b-app".to_owned(),
            sender: "b".to_owned(),
            r#type: MessageType::Document.into(),
            format: "plain".to_owned(),
            format_version: 1,
            conversation: name.to_owned(),
            recipients: vec!["a".to_owned()],
            application: "a-app".to_owned(),
            accepted_at_us: 5,
            sequence: 1,
            ..Envelope::default()
        };
        let mut attachments = Vec::new();
        for (number, bytes) in files.iter().enumerate() {
            let claim = self.claims.put(Bytes::copy_from_slice(bytes)).await.unwrap();
            let claim = Claim { sha256: Bytes::copy_from_slice(&claim.sha256), size: claim.size };
            let id = number.to_string();
            attachments.push(Attachment { id, claim: Some(claim), ..Attachment::default() });
        }
        let row = Row { attachments, state: State::Queued, ..Row::default() };
        self.journal.0.lock().await.rows.insert(id.clone(), row);
        let message = Message {
            id: id.parse().unwrap(),
            conversation: name.to_owned(),
            attributes: envelope.attributes(),
            body,
        };
        let channel = Channel::delivery("a-app").unwrap();
        let publisher = self.bus.publisher().await.unwrap();
        for outcome in publisher.publish(vec![(channel, message)]).await {
            outcome.unwrap();
        }
        id
    }

    pub(crate) async fn state(&self, id: &str) -> State {
        self.journal.0.lock().await.rows[id].state
    }

    /// Names of files that the claim store keeps.
    pub(crate) fn kept(&self) -> usize {
        fn files(folder: &std::path::Path) -> usize {
            let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
            entries.map(|it| if it.path().is_dir() { files(&it.path()) } else { 1 }).sum()
        }
        files(self.folder.path())
    }
}

/// An item with these uploads as its files.
pub(crate) fn item(key: &str, body: Given, parts: &[&str]) -> SubmitRequest {
    let attachment = |it: &&str| SubmittedAttachment {
        reference: format!("ref-{it}"),
        part: (*it).to_owned(),
        file_name: format!("{it}.pdf"),
        media_type: String::new(),
    };
    SubmitRequest {
        key: key.to_owned(),
        format: "plain".to_owned(),
        body: Some(body),
        attachments: parts.iter().map(attachment).collect(),
        ..SubmitRequest::default()
    }
}

pub(crate) fn taken() -> settle_request::Answer {
    settle_request::Answer::Taken(Taken { reference: "ref-1".to_owned() })
}

pub(crate) fn snapshot() -> Snapshot {
    let application = |id: &str, disabled: bool| Application {
        id: id.to_owned(),
        organisation: id.trim_end_matches("-app").to_owned(),
        receiver_class: ReceiverClass::Neither.into(),
        token_sha256: vec![bus::Claim::from_content(format!("token-{id}").as_bytes()).sha256_hex()],
        in_hand_max: 4,
        lease_ms: 60_000,
        disabled,
        ..Application::default()
    };
    Snapshot {
        revision: "1".to_owned(),
        applications: vec![application("a-app", false), application("c-app", true)],
        ..Snapshot::default()
    }
}

/// The request with the token of `a-app`.
pub(crate) fn called<T>(message: T) -> Request<T> {
    called_with("token-a-app", message)
}

pub(crate) fn called_with<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// The answer, or the fault that came instead.
pub(crate) fn answered<T>(outcome: Result<Response<T>, Status>) -> Result<T, Fault> {
    outcome.map(Response::into_inner).map_err(|status| Fault::from_status(&status).unwrap())
}

pub(crate) fn code_of<T: std::fmt::Debug>(outcome: Result<T, Fault>) -> String {
    outcome.unwrap_err().code
}

/// Within the patience of a test.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.unwrap()
}

/// Asks again until there is an answer.
pub(crate) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    soon(async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// One handle on what several tasks share.
pub(crate) fn shared(stage: Stage) -> Arc<Stage> {
    Arc::new(stage)
}
