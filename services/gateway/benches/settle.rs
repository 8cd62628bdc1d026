//! What a settle costs while other applications are connected and wait for capacity.
//!
//! `cargo bench -p lienthong-gateway` prints one line for each number of connected applications.
//! Every application has one delivery in flight and another one waiting for its settlement; only
//! the first application settles. Its cost must not grow with the number of the others.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, read by people")]

use std::pin::Pin;
use std::time::{Duration, Instant};

use axum::Router;
use bus::{Body, Bus, Channel, ClaimStore, Message, Publish as _, Settings};
use chassis::health::Health;
use chassis::{Clock, Upstream};
use futures::Stream;
use gateway::{Config, DEFAULTS, GatewayDependencies, Service};
use proto::exchange::v1::exchange_client::ExchangeClient;
use proto::exchange::v1::{
    Delivery, HelloRequest, LookupRequest, ReceiveRequest, SettleRequest, Taken, settle_request,
};
use proto::journal::v1::begun::Answer;
use proto::journal::v1::ended::Outcome;
use proto::journal::v1::journal_server::{Journal, JournalServer};
use proto::journal::v1::*;
use proto::message::v1::{MessageType, Organisation, ReceiverClass, State};
use proto::registry::v1::registry_server::{Registry, RegistryServer};
use proto::registry::v1::{Application, Snapshot, WatchRequest};
use registry_client::RegistryFollower;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

/// Numbers of connected applications.
const APPLICATIONS: [usize; 4] = [1, 10, 100, 1_000];
/// Settles of one measurement.
const SETTLES: usize = 300;

/// A registry whose snapshot never changes.
struct FixedRegistry(Snapshot);

#[tonic::async_trait]
impl Registry for FixedRegistry {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Snapshot, Status>> + Send>>;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let first = futures::stream::iter([Ok(self.0.clone())]);
        let stream = futures::StreamExt::chain(first, futures::stream::pending());
        Ok(Response::new(Box::pin(stream)))
    }
}

/// A journal that stores nothing, so that only the gateway is measured.
struct NoJournal;

type RpcResult<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Journal for NoJournal {
    async fn open(&self, request: Request<OpenRequest>) -> RpcResult<OpenResponse> {
        let session = format!("session-{}", request.into_inner().application);
        Ok(Response::new(OpenResponse { session, given_back: 0 }))
    }

    async fn begin(&self, request: Request<BeginRequest>) -> RpcResult<BeginResponse> {
        let begun = |message_id: String| Begun {
            message_id,
            answer: Answer::Deliver.into(),
            lease: 1,
            lease_until_us: i64::MAX,
            attempt: 1,
            ..Begun::default()
        };
        let messages = request.into_inner().message_ids.into_iter().map(begun).collect();
        Ok(Response::new(BeginResponse { messages }))
    }

    async fn end(&self, request: Request<EndRequest>) -> RpcResult<EndResponse> {
        let ended = |it: Settlement| Ended {
            message_id: it.message_id,
            outcome: Outcome::Closed.into(),
            state: State::Taken.into(),
        };
        let messages = request.into_inner().settlements.into_iter().map(ended).collect();
        Ok(Response::new(EndResponse { messages }))
    }

    async fn close(&self, _: Request<CloseRequest>) -> RpcResult<CloseResponse> {
        Ok(Response::new(CloseResponse { given_back: 0 }))
    }

    async fn accept(&self, _: Request<AcceptRequest>) -> RpcResult<AcceptResponse> {
        Err(Status::unimplemented("no bench accepts"))
    }

    async fn record(&self, _: Request<RecordRequest>) -> RpcResult<RecordResponse> {
        Err(Status::unimplemented("no bench records"))
    }

    async fn renew(&self, _: Request<RenewRequest>) -> RpcResult<RenewResponse> {
        Ok(Response::new(RenewResponse::default()))
    }

    async fn pauses(&self, _: Request<PausesRequest>) -> RpcResult<PausesResponse> {
        Ok(Response::new(PausesResponse::default()))
    }

    async fn publish_again(
        &self,
        _: Request<PublishAgainRequest>,
    ) -> RpcResult<PublishAgainResponse> {
        Ok(Response::new(PublishAgainResponse {}))
    }

    async fn find(&self, _: Request<FindRequest>) -> RpcResult<FindResponse> {
        Err(Status::unimplemented("no bench finds"))
    }

    async fn find_refusals(
        &self,
        _: Request<FindRefusalsRequest>,
    ) -> RpcResult<FindRefusalsResponse> {
        Err(Status::unimplemented("no bench finds"))
    }

    async fn journey(&self, _: Request<JourneyRequest>) -> RpcResult<JourneyResponse> {
        Err(Status::unimplemented("no bench tracks"))
    }

    async fn get(&self, _: Request<GetRequest>) -> RpcResult<GetResponse> {
        Err(Status::unimplemented("no bench reads"))
    }

    async fn command(&self, _: Request<CommandRequest>) -> RpcResult<CommandResponse> {
        Err(Status::unimplemented("no bench commands"))
    }

    async fn resend(&self, _: Request<ResendRequest>) -> RpcResult<ResendResponse> {
        Err(Status::unimplemented("no bench resends"))
    }
}

fn application(number: usize) -> String {
    format!("app-{number}")
}

fn snapshot(count: usize) -> Snapshot {
    let applications = (0..count).map(|number| Application {
        id: application(number),
        organisation: application(number),
        receiver_class: ReceiverClass::Neither.into(),
        token_sha256: vec![bus::Claim::from_content(application(number).as_bytes()).sha256_hex()],
        in_hand_max: 1,
        lease_ms: 60_000,
        ..Application::default()
    });
    let organisations = (0..count)
        .map(|number| Organisation { key: application(number), ..Organisation::default() });
    Snapshot {
        revision: "1".to_owned(),
        organisations: organisations.collect(),
        applications: applications.collect(),
        ..Snapshot::default()
    }
}

/// The request with the token of an application.
fn from<T>(application: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let token = format!("Bearer {application}").parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    request
}

/// One adapter with its open stream.
struct Adapter {
    application: String,
    session: String,
    stream: Streaming<Delivery>,
}

impl Adapter {
    async fn connect(client: &mut ExchangeClient<Router>, application: String) -> Self {
        let request = HelloRequest {
            protocol_versions: vec![1],
            adapter: "bench".to_owned(),
            ..HelloRequest::default()
        };
        let response = client.hello(from(&application, request)).await.unwrap();
        let session = response.into_inner().session;
        let request = ReceiveRequest { session: session.clone(), in_hand_max: 0 };
        let stream = client.receive(from(&application, request)).await.unwrap().into_inner();
        Self { application, session, stream }
    }

    async fn settle(&self, client: &mut ExchangeClient<Router>, message_id: String) {
        let request = SettleRequest {
            session: self.session.clone(),
            message_id,
            lease: 1,
            answer: Some(settle_request::Answer::Taken(Taken { reference: String::new() })),
        };
        client.settle(from(&self.application, request)).await.unwrap();
    }
}

async fn publish(bus: &Bus, application: &str, count: usize) {
    let envelope = Envelope {
        source: "sender-app".to_owned(),
        sender: "sender".to_owned(),
        r#type: MessageType::Document.into(),
        conversation: "conversation".to_owned(),
        application: application.to_owned(),
        ..Envelope::default()
    };
    let message = || Message {
        id: bus::MessageId::new(Uuid::now_v7()),
        conversation: String::new(),
        attributes: envelope.attributes(),
        body: Body::Inline("a body".into()),
    };
    let channel = Channel::delivery(application).unwrap();
    bus.declare_delivery(application).await.unwrap();
    let batch = (0..count).map(|_| (channel.clone(), message())).collect();
    for outcome in bus.publisher().await.unwrap().publish(batch).await {
        outcome.unwrap();
    }
}

/// The time of one settle, until the next delivery has come, with `count` applications connected.
async fn measure(count: usize) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let bus = Bus::embedded(Settings { partitions: 1, ..Settings::default() });
    let nothing = Upstream::local(JournalServer::new(NoJournal));
    let dependencies = GatewayDependencies {
        disk: chassis::disk::DiskSpace::new(),
        bus: bus::CurrentBus::fixed(bus.clone()),
        claims: ClaimStore::folder(folder.path()).await.unwrap(),
        journal: nothing.clone(),
        mapping: nothing,
        registry: RegistryFollower::new("gateway.registry"),
    };
    let config: Config = toml::from_str(DEFAULTS).unwrap();
    let service = Service::new(config, dependencies, Clock::System, "bench".to_owned());
    let router = service.routes();
    let registry = Upstream::local(RegistryServer::new(FixedRegistry(snapshot(count))));
    let stop = CancellationToken::new();
    let running = gateway::run(service, registry, Health::new(), stop.clone());
    let measuring = settles(router, &bus, count);
    tokio::select! {
        outcome = running => panic!("the gateway ended: {outcome:?}"),
        took = measuring => took,
    }
}

async fn settles(router: Router, bus: &Bus, count: usize) -> Duration {
    let mut client = ExchangeClient::new(router);
    while client.lookup(from(&application(0), LookupRequest::default())).await.is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut adapters = Vec::new();
    for number in (0..count).rev() {
        let mut adapter = Adapter::connect(&mut client, application(number)).await;
        let messages = if number == 0 { SETTLES + 2 } else { 2 };
        publish(bus, &adapter.application, messages).await;
        if number > 0 {
            adapter.stream.message().await.unwrap().unwrap();
        }
        adapters.push(adapter);
    }
    let mut adapter = adapters.pop().unwrap();
    let mut delivery = adapter.stream.message().await.unwrap().unwrap();
    let begun = Instant::now();
    for _ in 0..SETTLES {
        adapter.settle(&mut client, delivery.message_id).await;
        delivery = adapter.stream.message().await.unwrap().unwrap();
    }
    begun.elapsed() / u32::try_from(SETTLES).unwrap()
}

#[tokio::main]
async fn main() {
    for count in APPLICATIONS {
        let took = Box::pin(measure(count)).await;
        println!("{count:>5} applications: {:>8.1} µs a settle", took.as_secs_f64() * 1e6);
    }
}
