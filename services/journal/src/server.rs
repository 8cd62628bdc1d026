//! The service: calls in, the writer's and the reader's answers out.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Channel, Receiver};
use chassis::health::Health;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::journal_server::{Journal, JournalServer};
use proto::journal::v1::{
    AcceptRequest, AcceptResponse, BeginRequest, BeginResponse, CloseRequest, CloseResponse,
    CommandRequest, CommandResponse, EndRequest, EndResponse, Entry, FindRequest, FindResponse,
    GetRequest, GetResponse, JourneyRequest, JourneyResponse, OpenRequest, OpenResponse,
    RecordRequest, RecordResponse, Refusal,
};
use serde::Deserialize;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::database::{Database, DatabaseError, Purpose};
use crate::desk::Desk;
use crate::drive::Drive;
use crate::keeper::{Call, Keeper, Reply};
use crate::metrics::Metrics;
use crate::stored::NAME_BYTES_MAX;
use crate::stranded::Stranded;
use crate::{find, sweep};

/// Defaults and words of the section `journal`.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// The section `journal`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `postgres://…`, or the path of an SQLite file.
    pub database: String,
    /// File with the password of the address's user; whoever starts this puts it into `database`.
    pub password_file: std::path::PathBuf,
    /// Calls that may wait for the writer; more are asked to come again.
    pub calls_max: usize,
    /// How often the sweeper looks, milliseconds.
    pub sweep_ms: u64,
}

/// The longest this process waits for its own writer.
const WRITE_MAX: Duration = Duration::from_secs(10);

/// Messages of one window of `stranded`.
const WINDOW: u16 = 256;

/// The largest call: a window of bodies that all ride inline.
const CALL_BYTES_MAX: usize = 192 << 20;

/// Calls that wait, from before the writer's start to after its end.
type Calls = (mpsc::Sender<Call>, Arc<Mutex<mpsc::Receiver<Call>>>);

/// Serves the journal; clones share it. It answers once [`run`] has opened the database.
#[derive(Clone, Debug)]
pub struct Service {
    calls: Calls,
    reader: Arc<Mutex<Option<Database>>>,
}

impl Service {
    /// A journal that is not open yet.
    pub fn new(config: &Config) -> Self {
        let (sender, receiver) = mpsc::channel(config.calls_max.max(1));
        Self { calls: (sender, Arc::new(Mutex::new(receiver))), reader: Arc::default() }
    }

    /// The generated server over this service, for the network or for this process. A call may be
    /// a whole window of bodies, so its bound is wider than the usual one.
    pub fn server(&self) -> JournalServer<Self> {
        JournalServer::new(self.clone())
            .max_decoding_message_size(CALL_BYTES_MAX)
            .max_encoding_message_size(CALL_BYTES_MAX)
    }

    /// Records on behalf of this process.
    pub(crate) async fn write(
        &self,
        entries: Vec<Entry>,
        refusals: Vec<Refusal>,
    ) -> Result<Vec<String>, Status> {
        let written = self.call(|reply| Call::Record(entries, refusals, reply));
        // The writer may have stopped for good while this process drains.
        match tokio::time::timeout(WRITE_MAX, written).await {
            Ok(outcome) => outcome,
            Err(_late) => Err(away().into()),
        }
    }

    async fn call<T>(&self, call: impl FnOnce(Reply<T>) -> Call) -> Result<T, Status> {
        let (reply, answer) = oneshot::channel();
        self.calls
            .0
            .try_send(call(reply))
            .map_err(|full| Status::from(away().detail(full.to_string())))?;
        // The writer drops what it could not commit; the caller repeats it under the same names.
        answer.await.map_err(|gone| Status::from(away().detail(gone.to_string())))
    }
}

fn away() -> Fault {
    Fault::new(&code::LT_SYS_002).param("part", "journal").retry_after(Duration::from_secs(1))
}

fn failed(error: &DatabaseError) -> Status {
    tracing::error!(%error, "the journal cannot be read");
    away().into()
}

/// Opens the database and keeps the journal until `shutdown`.
///
/// # Errors
///
/// The database or the bus fails. Whoever waits for an answer is told to come again, and nothing
/// that was answered is lost.
pub async fn run(
    config: Config,
    (service, bus): (Service, Bus),
    (clock, health): (chassis::Clock, Health),
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    health.unwell("journal", "not open yet");
    let mut database = open(&config, &bus, &clock).await?;
    *service.reader.lock().await = Some(Database::open(&config.database, Purpose::Read).await?);
    let mut driver = Database::open(&config.database, Purpose::Read).await?;
    let publisher = bus.publisher().await?;
    let mut calls = service.calls.1.lock().await;
    // A few groups ahead; what does not fit is swept up later.
    let (drives, mut due) = mpsc::channel(64);
    let metrics = Metrics::new();
    health.well("journal");
    let keeping = async {
        let pace = Duration::from_millis(config.sweep_ms.max(10));
        let keeper = Keeper { drives, clock: clock.clone(), metrics: metrics.clone() };
        keeper.keep(&mut database, &mut calls, (pace, &shutdown)).await.map_err(anyhow::Error::new)
    };
    let driving = async {
        let drive = Drive {
            bus: bus.clone(),
            publisher,
            service: service.clone(),
            metrics: metrics.clone(),
        };
        drive.run(&mut driver, &mut due).await.map_err(anyhow::Error::new)
    };
    let net = async {
        let stranded = Stranded { service: service.clone(), clock: clock.clone() };
        let keeper = stranded.clone();
        let receiver = Receiver { channel: Channel::stranded(), window: WINDOW, keeper };
        bus.receive(receiver, stranded, shutdown.clone()).await.map_err(anyhow::Error::new)
    };
    let outcome = tokio::select! {
        outcome = async { tokio::try_join!(keeping, driving, net) } => outcome.map(|_| ()),
        failed = bus.failed() => Err(anyhow::Error::new(failed)),
    };
    health.unwell("journal", "closed");
    outcome
}

async fn open(config: &Config, bus: &Bus, clock: &chassis::Clock) -> anyhow::Result<Database> {
    let mut database = Database::open(&config.database, Purpose::Write).await?;
    if let Database::Postgres(postgres) = &mut database {
        postgres.lock().await?;
    }
    database.migrate().await?;
    if matches!(bus, Bus::Embedded(_)) {
        let mut desk = Desk::new(&mut database, clock.now_us());
        sweep::drive_all(&mut desk).await?;
    }
    Ok(database)
}

#[tonic::async_trait]
impl Journal for Service {
    async fn accept(
        &self,
        request: Request<AcceptRequest>,
    ) -> Result<Response<AcceptResponse>, Status> {
        let items = request.into_inner().items;
        let outcomes = self.call(|reply| Call::Accept(items, reply)).await?;
        Ok(Response::new(AcceptResponse { outcomes }))
    }

    async fn record(
        &self,
        request: Request<RecordRequest>,
    ) -> Result<Response<RecordResponse>, Status> {
        let RecordRequest { entries, refusals } = request.into_inner();
        let unknown = self.call(|reply| Call::Record(entries, refusals, reply)).await?;
        Ok(Response::new(RecordResponse { unknown }))
    }

    async fn open(&self, request: Request<OpenRequest>) -> Result<Response<OpenResponse>, Status> {
        let session = Uuid::now_v7().to_string();
        let request = request.into_inner();
        let names = [("application", &request.application), ("adapter", &request.adapter)];
        for (part, name) in names {
            if name.is_empty() || name.len() > NAME_BYTES_MAX {
                return Err(Fault::new(&code::LT_JNL_006).param("part", part).into());
            }
        }
        let given_back = self.call(|reply| Call::Open(session.clone(), request, reply)).await?;
        Ok(Response::new(OpenResponse { session, given_back }))
    }

    async fn close(
        &self,
        request: Request<CloseRequest>,
    ) -> Result<Response<CloseResponse>, Status> {
        let session = request.into_inner().session;
        let given_back = self.call(|reply| Call::Close(session, reply)).await?;
        Ok(Response::new(CloseResponse { given_back }))
    }

    async fn begin(
        &self,
        request: Request<BeginRequest>,
    ) -> Result<Response<BeginResponse>, Status> {
        let BeginRequest { session, message_ids } = request.into_inner();
        let begun = self.call(|reply| Call::Begin(session, message_ids, reply)).await?;
        let messages = begun.ok_or_else(|| Status::from(Fault::new(&code::LT_JNL_004)))?;
        Ok(Response::new(BeginResponse { messages }))
    }

    async fn end(&self, request: Request<EndRequest>) -> Result<Response<EndResponse>, Status> {
        let EndRequest { session, endings, .. } = request.into_inner();
        let messages = self.call(|reply| Call::End(session, endings, reply)).await?;
        Ok(Response::new(EndResponse { messages }))
    }

    async fn find(&self, request: Request<FindRequest>) -> Result<Response<FindResponse>, Status> {
        let mut reader = self.reader.lock().await;
        let database = reader.as_mut().ok_or_else(|| Status::from(away()))?;
        let found = find::find(database, &request.into_inner()).await;
        found.map(Response::new).map_err(|error| failed(&error))
    }

    async fn journey(
        &self,
        request: Request<JourneyRequest>,
    ) -> Result<Response<JourneyResponse>, Status> {
        let mut reader = self.reader.lock().await;
        let database = reader.as_mut().ok_or_else(|| Status::from(away()))?;
        let id = request.into_inner().message_id;
        let found = find::journey(database, &id).await.map_err(|error| failed(&error))?;
        found.map(Response::new).ok_or_else(|| Fault::new(&code::LT_JNL_005).param("id", id).into())
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let mut reader = self.reader.lock().await;
        let database = reader.as_mut().ok_or_else(|| Status::from(away()))?;
        let request = request.into_inner();
        let found = find::get(database, &request).await.map_err(|error| failed(&error))?;
        let missing = || Fault::new(&code::LT_JNL_005).param("id", &request.message_id).into();
        found.map(Response::new).ok_or_else(missing)
    }

    async fn command(
        &self,
        request: Request<CommandRequest>,
    ) -> Result<Response<CommandResponse>, Status> {
        let request = request.into_inner();
        Ok(Response::new(self.call(|reply| Call::Command(request, reply)).await?))
    }
}
