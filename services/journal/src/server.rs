//! The service: calls in, the writer's and the reader's answers out.

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
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::database::{Database, Purpose};
use crate::drive::Drive;
use crate::group::{Call, Reply};
use crate::keeper::Keeper;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::readers::Read;
use crate::stored::NAME_BYTES_MAX;
use crate::stranded::Stranded;
use crate::{readers, sweep};

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

/// Messages of one window of `stranded`.
const WINDOW: u16 = 256;

/// The largest call: a window of bodies that all ride inline.
const CALL_BYTES_MAX: usize = 192 << 20;

/// Drives that may wait, a list a group; what does not fit is swept up later.
const DRIVES_MAX: usize = 64;

/// Searches that may wait for a reader; one more is asked to come again.
const READS_MAX: usize = 256;

/// Where calls go in while somebody works on them.
#[derive(Clone, Debug)]
struct Doors {
    calls: mpsc::Sender<Call>,
    reads: mpsc::Sender<Read>,
}

/// Serves the journal; clones share it. It answers while [`run`] works, and at other times asks
/// everybody to come again.
#[derive(Clone, Debug)]
pub struct Service {
    doors: watch::Sender<Option<Doors>>,
    calls_max: usize,
}

/// Doors that are open; they are closed on every way out.
struct Opened<'a>(&'a Service);

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.0.doors.send_replace(None);
    }
}

impl Service {
    /// A journal that is not open yet.
    pub fn new(config: &Config) -> Self {
        Self { doors: watch::Sender::new(None), calls_max: config.calls_max.max(1) }
    }

    /// The generated server over this service, for the network or for this process. A call may be
    /// a whole window of bodies, so its bound is wider than the usual one.
    pub fn server(&self) -> JournalServer<Self> {
        JournalServer::new(self.clone())
            .max_decoding_message_size(CALL_BYTES_MAX)
            .max_encoding_message_size(CALL_BYTES_MAX)
    }

    fn open_doors(&self) -> (Opened<'_>, mpsc::Receiver<Call>, mpsc::Receiver<Read>) {
        let (calls, asked) = mpsc::channel(self.calls_max);
        let (reads, wanted) = mpsc::channel(READS_MAX);
        self.doors.send_replace(Some(Doors { calls, reads }));
        (Opened(self), asked, wanted)
    }

    /// Records on behalf of this process: the ids nobody knows.
    pub(crate) async fn write(
        &self,
        entries: Vec<Entry>,
        refusals: Vec<Refusal>,
    ) -> Result<Vec<String>, Status> {
        let told = self.call(|reply| Call::Record(entries, refusals, reply)).await?;
        Ok(told.unknown)
    }

    /// Says that messages could not be driven, and how long each is left alone.
    pub(crate) async fn not_driven(&self, ids: Vec<(String, Duration)>) -> Result<(), Status> {
        self.call(|reply| Call::NotDriven(ids, reply)).await
    }

    async fn call<T>(&self, call: impl FnOnce(Reply<T>) -> Call) -> Result<T, Status> {
        self.ask(|doors, reply| send(&doors.calls, call(reply))).await
    }

    async fn read<T>(&self, read: impl FnOnce(Reply<T>) -> Read) -> Result<T, Status> {
        self.ask(|doors, reply| send(&doors.reads, read(reply))).await
    }

    /// Nobody waits for somebody who is gone: what is not worked on to its end is dropped, and the
    /// caller repeats it under the same names.
    async fn ask<T>(
        &self,
        put: impl FnOnce(Doors, Reply<T>) -> Result<(), Fault>,
    ) -> Result<T, Status> {
        let doors = self.doors.borrow().clone();
        let doors = doors.ok_or_else(|| away().detail("the journal is not open"))?;
        let (reply, mut answer) = mpsc::channel(1);
        put(doors, reply)?;
        let answer = answer.recv().await;
        answer
            .ok_or_else(|| away().detail("the journal ended before it answered"))?
            .map_err(Into::into)
    }
}

fn send<T>(door: &mpsc::Sender<T>, value: T) -> Result<(), Fault> {
    door.try_send(value).map_err(|full| away().detail(full.to_string()))
}

/// Whoever asked is to come again.
pub(crate) fn away() -> Fault {
    Fault::new(&code::LT_SYS_002).param("part", "journal").retry_after(Duration::from_secs(1))
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
    let driver = Database::open(&config.database, Purpose::Read).await?;
    let readers = [
        Database::open(&config.database, Purpose::Read).await?,
        Database::open(&config.database, Purpose::Read).await?,
    ];
    let memory = Memory::open(&mut database).await?;
    let publisher = bus.publisher().await?;
    let (drives, due) = mpsc::channel(DRIVES_MAX);
    let metrics = Metrics::new();
    let (opened, calls, reads) = service.open_doors();
    health.well("journal");
    let keeping = async {
        let pace = Duration::from_millis(config.sweep_ms.max(10));
        let (clock, metrics) = (clock.clone(), metrics.clone());
        let keeper = Keeper { drives, clock, metrics, memory };
        let kept = keeper.keep(&mut database, calls, (pace, &shutdown)).await;
        drop(opened);
        kept.map_err(anyhow::Error::new)
    };
    let reading = async {
        let reads = Mutex::new(reads);
        let each = readers.map(|it| readers::read(it, &reads));
        futures::future::try_join_all(each).await.map_err(anyhow::Error::new)
    };
    let driving = async {
        let (bus, service) = (bus.clone(), service.clone());
        let drive = Drive { bus, publisher, service, metrics: metrics.clone() };
        drive.run(driver, due).await.map_err(anyhow::Error::new)
    };
    let net = async {
        let stranded = Stranded { service: service.clone(), clock: clock.clone() };
        let keeper = stranded.clone();
        let receiver =
            Receiver { channel: Channel::undeliverable(), window: WINDOW, failure_store: keeper };
        bus.receive(receiver, stranded, shutdown.clone()).await.map_err(anyhow::Error::new)
    };
    let outcome = tokio::select! {
        outcome = async { tokio::try_join!(keeping, reading, driving, net) } => outcome.map(|_| ()),
        failed = bus.publisher_failed() => Err(anyhow::Error::new(failed)),
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
    match bus {
        Bus::Embedded(_) => sweep::drive_all(&mut database).await?,
        Bus::RabbitMq(_) => sweep::look_soon(&mut database, clock.now_us()).await?,
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
        let told = self.call(|reply| Call::Record(entries, refusals, reply)).await?;
        Ok(Response::new(told))
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
        let request = request.into_inner();
        let messages = self.call(|reply| Call::End(request, reply)).await?;
        Ok(Response::new(EndResponse { messages }))
    }

    async fn find(&self, request: Request<FindRequest>) -> Result<Response<FindResponse>, Status> {
        let request = request.into_inner();
        Ok(Response::new(self.read(|reply| Read::Find(request, reply)).await?))
    }

    async fn journey(
        &self,
        request: Request<JourneyRequest>,
    ) -> Result<Response<JourneyResponse>, Status> {
        let request = request.into_inner();
        let id = request.message_id.clone();
        let found = self.read(|reply| Read::Journey(request, reply)).await?;
        found.map(Response::new).ok_or_else(|| Fault::new(&code::LT_JNL_005).param("id", id).into())
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let request = request.into_inner();
        let id = request.message_id.clone();
        let found = self.read(|reply| Read::Get(request, reply)).await?;
        found.map(Response::new).ok_or_else(|| Fault::new(&code::LT_JNL_005).param("id", id).into())
    }

    async fn command(
        &self,
        request: Request<CommandRequest>,
    ) -> Result<Response<CommandResponse>, Status> {
        let request = request.into_inner();
        Ok(Response::new(self.call(|reply| Call::Command(request, reply)).await?))
    }
}
