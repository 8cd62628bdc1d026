//! The real gateway and the real journal, with a simulated mapping service and registry, behind a
//! layer that records calls and fails on request.

use bus::{Body, Bus, Channel, ClaimStore, Message, Publish as _, Settings};
use bytes::Bytes;
use chassis::health::Health;
use chassis::serve::{ServerLimits, serve};
use chassis::{Clock, Upstream};
use gateway::{Config, DEFAULTS, GatewayDependencies, Service};
use journal_client::{to_bus_claim, to_journal_body, to_journal_claim, to_journal_message};
use proto::exchange::v1::exchange_client::ExchangeClient;
use proto::exchange::v1::exchange_server::ExchangeServer;
use proto::journal::v1::body::Place;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::get_request::Part;
use proto::journal::v1::{
    AcceptRequest, Acceptance, Derived, Entry, Envelope, GetRequest, RecordRequest,
};
use proto::mapping::v1::mapping_server::MappingServer;
use proto::message::v1::{Attachment, Claim, MessageType};
use proto::registry::v1::registry_server::RegistryServer;
use registry_client::RegistryFollower;
use sdk::Connection;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Endpoint, Server};
use uuid::Uuid;

use crate::fault_layer::{FaultLayer, State};
use crate::journal::TestJournal;
use crate::mapping::SimulatedMapping;
use crate::registry::{SimulatedRegistry, TOKEN};

/// Largest body or file that a test reads back, bytes.
const READ_BYTES_MAX: u64 = 64 << 20;

/// A running system. It stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) layer: FaultLayer,
    pub(crate) connection: Connection,
    pub(crate) journal: TestJournal,
    bus: Bus,
    claims: ClaimStore,
    _running: JoinSet<()>,
    _folders: [TempDir; 2],
}

impl Environment {
    pub(crate) async fn new(state: State) -> Self {
        Self::with_submit_barrier(state, 0).await
    }

    /// A system in which this number of submits wait for each other.
    pub(crate) async fn with_submit_barrier(state: State, submits: usize) -> Self {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let bus = Bus::embedded(Settings { partitions: 1, ..Settings::default() });
        bus.declare_delivery("a-app").await.unwrap();
        let claims = ClaimStore::folder(folders[0].path()).await.unwrap();
        let journal = TestJournal::start(folders[1].path(), bus.clone(), Clock::System).await;
        let mut running = JoinSet::new();
        let dependencies = (bus.clone(), claims.clone(), journal.upstream.clone());
        let gateway = start_gateway(dependencies, &mut running).await;
        let layer = FaultLayer::new(state, gateway, submits);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder().add_service(ExchangeServer::new(layer.clone()));
        running.spawn(async move {
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        let connection = Connection::new(gateway, TOKEN);
        Self { layer, connection, journal, bus, claims, _running: running, _folders: folders }
    }

    /// Records and publishes the deliveries of one document, as mapping does. They are of one
    /// conversation and have the same position in it, so the journal lets all of them begin.
    pub(crate) async fn deliver(&self, conversation: &str, names: &[&str]) {
        self.deliver_with_files(conversation, names, &[]).await;
    }

    pub(crate) async fn deliver_with_files(
        &self,
        conversation: &str,
        names: &[&str],
        files: &[&Bytes],
    ) {
        let mut attachments = Vec::new();
        for (number, bytes) in files.iter().enumerate() {
            let claim = Some(to_journal_claim(&self.claims.put((*bytes).clone()).await.unwrap()));
            attachments.push(Attachment { id: number.to_string(), claim, ..Attachment::default() });
        }
        let parent = self.accept(conversation, names[0]).await;
        let body = Body::Inline(Bytes::from_static(b"body"));
        let envelopes: Vec<_> = names
            .iter()
            .map(|it| Envelope {
                id: message_id(it),
                parent: parent.clone(),
                application: "a-app".to_owned(),
                ..envelope(conversation)
            })
            .collect();
        let derived = envelopes.iter().map(|it| Derived {
            message: Some(to_journal_message(it.clone(), Some(&body))),
            attachments: attachments.clone(),
            ..Derived::default()
        });
        let entry = Entry {
            message_id: parent,
            derived: derived.collect(),
            disposition: Some(Disposition::Routed(true)),
            ..Entry::default()
        };
        let record = RecordRequest { entries: vec![entry], ..RecordRequest::default() };
        let recorded = self.journal.client.clone().record(record).await.unwrap().into_inner();
        assert_eq!((recorded.unknown.len(), recorded.ended.len()), (0, 0));
        for envelope in envelopes {
            // As the journal stored it: with its sequence and its time of acceptance.
            let get = GetRequest { message_id: envelope.id, ..GetRequest::default() };
            let stored = self.journal.client.clone().get(get).await.unwrap().into_inner();
            self.publish(stored.envelope.unwrap(), body.clone()).await;
        }
    }

    /// Accepts the document of deliveries; its id.
    async fn accept(&self, conversation: &str, name: &str) -> String {
        let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string();
        let digest = Bytes::copy_from_slice(&bus::Claim::from_content(name.as_bytes()).sha256);
        let body = Body::Inline(Bytes::from_static(b"body"));
        let envelope = Envelope { id: id.clone(), ..envelope(conversation) };
        let item = Acceptance {
            message: Some(to_journal_message(envelope, Some(&body))),
            content_digest: digest.clone(),
            native: Some(to_journal_body(&body)),
            native_sha256: digest,
            ..Acceptance::default()
        };
        self.journal.client.clone().accept(AcceptRequest { items: vec![item] }).await.unwrap();
        id
    }

    async fn publish(&self, envelope: Envelope, body: Body) {
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
    }

    /// The stored body of the submitted message with this key, and its stored files.
    pub(crate) async fn stored(&self, key: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
        let summary = self.journal.submitted().await.remove(key).unwrap();
        let mut files = Vec::new();
        for attachment in summary.attachments {
            files.push(self.read(&attachment.claim.unwrap()).await);
        }
        let message_id = summary.envelope.unwrap().id;
        let get = GetRequest { message_id, part: Part::Native.into() };
        let stored = self.journal.client.clone().get(get).await.unwrap().into_inner();
        let body = match stored.body.unwrap().place.unwrap() {
            Place::Inline(bytes) => bytes.to_vec(),
            Place::Claim(claim) => self.read(&claim).await,
        };
        (body, files)
    }

    async fn read(&self, claim: &Claim) -> Vec<u8> {
        let reader = self.claims.open(&to_bus_claim(claim).unwrap(), 0).await.unwrap();
        reader.read_all(READ_BYTES_MAX).await.unwrap().to_vec()
    }
}

/// Starts the gateway; a client of it.
async fn start_gateway(
    (bus, claims, journal): (Bus, ClaimStore, Upstream),
    running: &mut JoinSet<()>,
) -> ExchangeClient<tonic::transport::Channel> {
    let config: Config = toml::from_str(DEFAULTS).unwrap();
    let follower = RegistryFollower::new("gateway.registry");
    let mapping = Upstream::local(MappingServer::new(SimulatedMapping));
    let registry = follower.clone();
    let disk = chassis::disk::DiskSpace::new();
    let dependencies = GatewayDependencies {
        bus: bus::CurrentBus::fixed(bus),
        claims,
        disk,
        journal,
        mapping,
        registry,
    };
    let service = Service::new(config, dependencies, Clock::System, "gateway@test".to_owned());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = serve(listener, service.routes(), ServerLimits::default(), service.drained());
    running.spawn(async move { served.await.unwrap() });
    let registry = Upstream::local(RegistryServer::new(SimulatedRegistry));
    let run = gateway::run(service, registry, Health::new(), CancellationToken::new());
    running.spawn(async move { run.await.unwrap() });
    follower.wait_until_ready().await;
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    ExchangeClient::new(endpoint.connect().await.unwrap())
}

/// Id of the delivery with this name.
pub(crate) fn message_id(name: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}

fn envelope(conversation: &str) -> Envelope {
    Envelope {
        source: "b-app".to_owned(),
        sender: "b".to_owned(),
        r#type: MessageType::Document.into(),
        format: "plain".to_owned(),
        format_version: 1,
        conversation: conversation.to_owned(),
        recipients: vec!["a".to_owned()],
        accepted_at_us: 5,
        sequence: 1,
        ..Envelope::default()
    }
}
