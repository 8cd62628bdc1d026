//! A running gateway on a port of its own, with the real journal, a simulated mapping service and a
//! simulated registry.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bus::{Body, Bus, Channel, ClaimStore, Message, Publish as _, Settings};
use bytes::Bytes;
use chassis::disk::DiskSpace;
use chassis::health::Health;
use chassis::serve::{ServerLimits, serve};
use chassis::{Clock, Upstream};
use gateway::{Config, DEFAULTS, GatewayDependencies, Service};
use journal_client::{to_journal_body, to_journal_claim, to_journal_message};
use proto::exchange::v1::exchange_client::ExchangeClient;
use proto::exchange::v1::submit_request::Body as SubmittedBody;
use proto::exchange::v1::*;
use proto::fault::v1::Fault;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::{
    AcceptRequest, Acceptance, Derived, Entry, Envelope, GetRequest, RecordRequest,
};
use proto::mapping::v1::mapping_server::MappingServer;
use proto::message::v1::{Attachment, MessageType, State};
use proto::registry::v1::Snapshot;
use proto::registry::v1::registry_server::RegistryServer;
use registry_client::RegistryFollower;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel as Transport;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use crate::journal::{Calls, TestJournal};
use crate::mapping::SimulatedMapping;
use crate::registry::{SimulatedRegistry, snapshot};

pub(crate) struct Environment {
    pub(crate) client: ExchangeClient<Transport>,
    pub(crate) address: String,
    pub(crate) service: Service,
    pub(crate) journal: TestJournal,
    pub(crate) mapping: SimulatedMapping,
    pub(crate) bus: Bus,
    /// The same bus as the gateway has it.
    pub(crate) current_bus: bus::CurrentBus,
    pub(crate) claims: ClaimStore,
    pub(crate) clock: Clock,
    /// Dropped, the registry is unavailable.
    pub(crate) registry: watch::Sender<Snapshot>,
    /// How often the registry was watched.
    pub(crate) watch_count: Arc<AtomicUsize>,
    pub(crate) follower: RegistryFollower,
    pub(crate) shutdown: CancellationToken,
    pub(crate) claims_folder: TempDir,
    pub(crate) disk: DiskSpace,
    _database_folder: TempDir,
    /// The gateway and its listener.
    pub(crate) running: JoinSet<()>,
}

impl Environment {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::with_claims_in(&std::env::temp_dir(), change).await
    }

    /// As [`with`](Self::with), with the claim store on another disk.
    pub(crate) async fn with_claims_in(disk: &Path, change: impl FnOnce(&mut Config)) -> Self {
        let mut config: Config = toml::from_str(DEFAULTS).unwrap();
        change(&mut config);
        let (claims_folder, database_folder) =
            (tempfile::tempdir_in(disk).unwrap(), tempfile::tempdir().unwrap());
        let bus = Bus::embedded(Settings { partitions: 1, ..Settings::default() });
        bus.declare_delivery("a-app").await.unwrap();
        let claims = ClaimStore::folder(claims_folder.path()).await.unwrap();
        let clock = Clock::fixed(1_790_000_000_000_000);
        let journal = TestJournal::start(database_folder.path(), bus.clone(), clock.clone()).await;
        let mapping = SimulatedMapping::default();
        let follower = RegistryFollower::new("gateway.registry");
        let disk = DiskSpace::new();
        let current_bus = bus::CurrentBus::fixed(bus.clone());
        let dependencies = GatewayDependencies {
            disk: disk.clone(),
            bus: current_bus.clone(),
            claims: claims.clone(),
            journal: journal.upstream(),
            mapping: Upstream::local(MappingServer::new(mapping.clone())),
            registry: follower.clone(),
        };
        let service = Service::new(config, dependencies, clock.clone(), "gateway@test".to_owned());
        let (registry, snapshots) = watch::channel(snapshot());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (shutdown, health) = (CancellationToken::new(), Health::new());
        let mut running = JoinSet::new();
        let served = serve(listener, service.routes(), ServerLimits::default(), service.drained());
        running.spawn(async move { served.await.unwrap() });
        let watch_count = Arc::default();
        let simulated = SimulatedRegistry::new(snapshots, Arc::clone(&watch_count));
        let upstream = Upstream::local(RegistryServer::new(simulated));
        let run = gateway::run(service.clone(), upstream, health, shutdown.clone());
        running.spawn(async move { run.await.unwrap() });
        follower.wait_until_ready().await;
        let client = ExchangeClient::connect(format!("http://{address}")).await.unwrap();
        Self {
            client,
            address,
            service,
            journal,
            mapping,
            bus,
            current_bus,
            claims,
            clock,
            registry,
            watch_count,
            follower,
            shutdown,
            claims_folder,
            disk,
            _database_folder: database_folder,
            running,
        }
    }

    /// What the gateway asked of the journal so far.
    pub(crate) fn calls(&self) -> parking_lot::MutexGuard<'_, Calls> {
        self.journal.recording.calls.lock()
    }

    pub(crate) async fn open_session(&mut self, adapter: &str) -> String {
        self.hello(adapter).await.session
    }

    pub(crate) async fn hello(&mut self, adapter: &str) -> HelloResponse {
        self.client.hello(request(hello_request(adapter))).await.unwrap().into_inner()
    }

    pub(crate) async fn receive(&mut self, session: &str, in_hand_max: u32) -> Streaming<Delivery> {
        let receive = ReceiveRequest { session: session.to_owned(), in_hand_max };
        self.client.receive(request(receive)).await.unwrap().into_inner()
    }

    pub(crate) async fn submit(&self, key: &str, body: &[u8]) -> Result<SubmitResponse, Fault> {
        self.submit_with(key, SubmittedBody::Inline(Bytes::copy_from_slice(body)), &[]).await
    }

    pub(crate) async fn submit_with(
        &self,
        key: &str,
        body: SubmittedBody,
        parts: &[&str],
    ) -> Result<SubmitResponse, Fault> {
        self.submit_item(item(key, body, parts)).await
    }

    pub(crate) async fn submit_item(&self, item: SubmitRequest) -> Result<SubmitResponse, Fault> {
        into_result(self.client.clone().submit(request(item)).await)
    }

    pub(crate) async fn submit_batch(
        &self,
        items: Vec<SubmitRequest>,
    ) -> Result<SubmitBatchResponse, Fault> {
        into_result(self.client.clone().submit_batch(request(SubmitBatchRequest { items })).await)
    }

    pub(crate) async fn put(
        &self,
        part: &str,
        offset: usize,
        data: &[u8],
        whole: &[u8],
    ) -> Result<PutPartResponse, Fault> {
        let put = PutPartRequest {
            part: part.to_owned(),
            offset: offset as u64,
            data: Bytes::copy_from_slice(data),
            size: whole.len() as u64,
            sha256: Bytes::copy_from_slice(&bus::Claim::from_content(whole).sha256),
        };
        into_result(self.client.clone().put_part(request(put)).await)
    }

    pub(crate) async fn settle(
        &self,
        session: &str,
        (message_id, lease): (&str, u64),
        answer: settle_request::Answer,
    ) -> Result<SettleResponse, Fault> {
        let settle = SettleRequest {
            session: session.to_owned(),
            message_id: message_id.to_owned(),
            lease,
            answer: Some(answer),
        };
        into_result(self.client.clone().settle(request(settle)).await)
    }

    pub(crate) async fn settle_batch(
        &self,
        items: Vec<SettleRequest>,
    ) -> Result<SettleBatchResponse, Fault> {
        let settle = SettleBatchRequest { items };
        into_result(self.client.clone().settle_batch(request(settle)).await)
    }

    /// Records and publishes a delivery for `a-app` as mapping does; its id.
    pub(crate) async fn publish_delivery(&self, name: &str, body: Body, files: &[&[u8]]) -> String {
        let mut attachments = Vec::new();
        for (number, bytes) in files.iter().enumerate() {
            let claim = self.claims.put(Bytes::copy_from_slice(bytes)).await.unwrap();
            let (id, claim) = (number.to_string(), Some(to_journal_claim(&claim)));
            attachments.push(Attachment { id, claim, ..Attachment::default() });
        }
        let envelope = self.record_delivery(name, &body, attachments).await;
        self.publish(envelope, body).await
    }

    /// Records a delivery for `a-app` and publishes what somebody made of it; its id.
    pub(crate) async fn publish_altered(
        &self,
        (name, body): (&str, Body),
        alter: impl FnOnce(&mut Envelope) -> Body,
    ) -> String {
        let mut envelope = self.record_delivery(name, &body, Vec::new()).await;
        let altered = alter(&mut envelope);
        self.publish(envelope, altered).await
    }

    /// Publishes a delivery that the journal does not know; its id.
    pub(crate) async fn publish_foreign(&self, name: &str, body: Body) -> String {
        self.publish(delivery_envelope(name, ""), body).await
    }

    async fn record_delivery(
        &self,
        name: &str,
        body: &Body,
        attachments: Vec<Attachment>,
    ) -> Envelope {
        let digest = bus::Claim::from_content(name.as_bytes()).sha256;
        let submitted = Envelope {
            id: Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string(),
            application: String::new(),
            ..delivery_envelope(name, "")
        };
        let parent = submitted.id.clone();
        let item = Acceptance {
            message: Some(to_journal_message(submitted, Some(body))),
            content_digest: Bytes::copy_from_slice(&digest),
            native: Some(to_journal_body(body)),
            native_sha256: Bytes::copy_from_slice(&digest),
            ..Acceptance::default()
        };
        let mut journal = self.journal.client.clone();
        journal.accept(AcceptRequest { items: vec![item] }).await.unwrap();
        let envelope = delivery_envelope(name, &parent);
        let derived = Derived {
            message: Some(to_journal_message(envelope.clone(), Some(body))),
            attachments,
            ..Derived::default()
        };
        let entry = Entry {
            message_id: parent,
            derived: vec![derived],
            disposition: Some(Disposition::Routed(true)),
            ..Entry::default()
        };
        let record = RecordRequest { entries: vec![entry], ..RecordRequest::default() };
        let recorded = journal.record(record).await.unwrap().into_inner();
        assert_eq!(recorded.unknown, Vec::<String>::new());
        // As the journal stored it: with its sequence and its time of acceptance.
        let get = GetRequest { message_id: envelope.id, ..GetRequest::default() };
        journal.get(get).await.unwrap().into_inner().envelope.unwrap()
    }

    async fn publish(&self, envelope: Envelope, body: Body) -> String {
        let message = Message {
            id: envelope.id.parse().unwrap(),
            conversation: envelope.conversation.clone(),
            attributes: envelope.attributes(),
            body,
        };
        let channel = Channel::delivery("a-app").unwrap();
        let publisher = self.bus.publisher().await.unwrap();
        for outcome in publisher.publish(vec![(channel, message)]).await {
            outcome.unwrap();
        }
        envelope.id
    }

    pub(crate) async fn state(&self, id: &str) -> State {
        self.journal.state(id).await
    }

    /// The number of files in the claim store.
    pub(crate) fn committed_files(&self) -> usize {
        fn files(folder: &Path) -> usize {
            let entries = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
            // Beside a large file are the digests of its pieces.
            let stored = entries.filter(|it| it.extension().is_none_or(|it| it != "pieces"));
            stored.map(|it| if it.is_dir() { files(&it) } else { 1 }).sum()
        }
        files(self.claims_folder.path())
    }
}

fn delivery_envelope(name: &str, parent: &str) -> Envelope {
    Envelope {
        id: Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string(),
        source: "b-app".to_owned(),
        sender: "b".to_owned(),
        r#type: MessageType::Document.into(),
        format: "plain".to_owned(),
        format_version: 1,
        conversation: name.to_owned(),
        recipients: vec!["a".to_owned()],
        application: "a-app".to_owned(),
        parent: parent.to_owned(),
        accepted_at_us: 5,
        sequence: 1,
        ..Envelope::default()
    }
}

pub(crate) fn hello_request(adapter: &str) -> HelloRequest {
    HelloRequest {
        protocol_versions: vec![1],
        adapter: adapter.to_owned(),
        ..HelloRequest::default()
    }
}

/// An item with these uploads as its files.
pub(crate) fn item(key: &str, body: SubmittedBody, parts: &[&str]) -> SubmitRequest {
    let attachment = |it: &&str| SubmittedAttachment {
        reference: format!("ref-{it}"),
        part: (*it).to_owned(),
        file_name: format!("{it}.pdf"),
        ..SubmittedAttachment::default()
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

/// A request with the token of `a-app`.
pub(crate) fn request<T>(message: T) -> Request<T> {
    request_with("token-a-app", message)
}

pub(crate) fn request_with<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// The response, or the fault of the status.
pub(crate) fn into_result<T>(outcome: Result<Response<T>, Status>) -> Result<T, Fault> {
    outcome.map(Response::into_inner).map_err(|status| Fault::from_status(&status).unwrap())
}

pub(crate) fn code_of<T: std::fmt::Debug>(outcome: Result<T, Fault>) -> String {
    outcome.unwrap_err().code
}
