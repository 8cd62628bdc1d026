//! The service: takes calls, and runs the writer, the readers and the publisher that answer them.

use std::sync::Arc;
use std::time::Duration;

use bus::CurrentBus;
use chassis::disk::DiskSpace;
use chassis::health::Health;
use chassis::upstream::STANDBY_HEADER;
use proto::fault::v1::Fault;
use proto::journal::v1::journal_server::JournalServer;
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::metadata::MetadataValue;

use crate::call::{Call, QueuedCall, WriterHandle};
use crate::config::Config;
use crate::connect;
use crate::database::Database;
use crate::database::error::DatabaseError;
use crate::database::purpose::Purpose;
use crate::last_progress::LastProgress;
use crate::link::until_lost;
use crate::messaging::Messaging;
use crate::metrics::Metrics;
use crate::pauses::Pauses;
use crate::publish_again::Lost;
use crate::readers::{self, ReadCall};
use crate::reply::{Reply, ask, unavailable};
use crate::row_cache::RowCache;
use crate::stalled_channels::StalledChannels;
use crate::storage::{Storage, is_of_storage, reserve_of, storage_fault};
use crate::sweep;
use crate::writer::Writer;

/// The largest call: a window of bodies that are all inline.
pub(crate) const CALL_BYTES_MAX: usize = 192 << 20;

/// Lists of ids that may wait to be published, one per group; the sweeper finds the rest again.
const PUBLISHES_MAX: usize = 64;

/// Losses that may wait until the one before is published again.
const LOSSES_MAX: usize = 16;

/// Searches that may wait for a reader; more are refused and to be repeated.
const READS_MAX: usize = 256;

/// How often a standby tries to take the lock. A statement that waits for the lock would be lost
/// when the server is restarted, and would take the lock for a standby that has gone meanwhile.
const LOCK_INTERVAL: Duration = Duration::from_millis(250);

/// The queues that calls enter while the journal runs.
#[derive(Clone, Debug)]
pub(crate) struct Queues {
    writer: WriterHandle,
    reads: mpsc::Sender<ReadCall>,
    /// What channels may have lost.
    losses: mpsc::Sender<Lost>,
    /// Number of partitions of intake.
    pub(crate) partitions: u16,
    pub(crate) last_progress: LastProgress,
    pub(crate) stalled: StalledChannels,
}

/// The receiving ends of [`Queues`].
struct OpenQueues<'a> {
    calls: mpsc::Receiver<QueuedCall>,
    reads: mpsc::Receiver<ReadCall>,
    writer: WriterHandle,
    losses: mpsc::Sender<Lost>,
    lost: mpsc::Receiver<Lost>,
    guard: QueuesGuard<'a>,
}

/// Serves the journal; clones share it. It answers while [`run`] runs, and refuses every call at
/// other times, to be repeated.
#[derive(Clone, Debug)]
pub struct Service {
    queues: watch::Sender<Option<Queues>>,
    calls_max: usize,
    /// The disk of an SQLite database.
    disk: DiskSpace,
    /// Why the last run ended, when the database's disk was full or failed.
    failure: watch::Sender<Option<Fault>>,
}

/// Closes the queues when it is dropped, however [`run`] ends.
struct QueuesGuard<'a>(&'a Service);

impl Drop for QueuesGuard<'_> {
    fn drop(&mut self) {
        self.0.queues.send_replace(None);
    }
}

impl Service {
    /// A journal that does not run yet.
    pub fn new(config: &Config) -> Self {
        Self {
            queues: watch::Sender::new(None),
            calls_max: config.calls_max.max(1),
            disk: DiskSpace::new(),
            failure: watch::Sender::new(None),
        }
    }

    /// The space of the database's disk, to be watched; nothing new is accepted while it is critical.
    pub fn disk(&self) -> &DiskSpace {
        &self.disk
    }

    /// The generated server over this service, for the network or for this process. A call may be a
    /// whole window of bodies, so its size limit is higher than tonic's default.
    pub fn server(&self) -> JournalServer<Self> {
        JournalServer::new(self.clone())
            .max_decoding_message_size(CALL_BYTES_MAX)
            .max_encoding_message_size(CALL_BYTES_MAX)
    }

    fn open_queues(&self, cache: &RowCache, stalled: &StalledChannels) -> OpenQueues<'_> {
        let (writer, calls) = WriterHandle::channel(self.calls_max);
        let (losses, lost) = mpsc::channel(LOSSES_MAX);
        let (reads_sender, reads) = mpsc::channel(READS_MAX);
        let queues = Queues {
            writer: writer.clone(),
            reads: reads_sender,
            losses: losses.clone(),
            partitions: cache.pauses.partitions,
            last_progress: cache.last_progress.clone(),
            stalled: stalled.clone(),
        };
        self.queues.send_replace(Some(queues));
        OpenQueues { calls, reads, writer, losses, lost, guard: QueuesGuard(self) }
    }

    pub(crate) fn queues(&self) -> Result<Queues, Status> {
        self.queues.borrow().clone().ok_or_else(|| self.not_serving())
    }

    /// The answer of a standby, and of a journal between two starts. Callers with several addresses
    /// go on to the next one.
    fn not_serving(&self) -> Status {
        let fault = self.failure.borrow().clone();
        let fault = fault.unwrap_or_else(|| unavailable().detail("the journal is not open"));
        let mut status = Status::from(fault);
        status.metadata_mut().insert(STANDBY_HEADER, MetadataValue::from_static("true"));
        status
    }

    /// Remembers why a run ended, for the calls until the next one.
    fn note_failure(&self, error: &anyhow::Error) {
        let error = error.downcast_ref::<DatabaseError>();
        self.failure.send_replace(error.and_then(storage_fault));
    }

    /// Asks the writer.
    pub(crate) async fn call<T>(&self, call: impl FnOnce(Reply<T>) -> Call) -> Result<T, Status> {
        // The queues are not held while waiting, so that closing them ends every wait.
        let writer = self.queues()?.writer;
        Ok(writer.call(call).await?)
    }

    /// Has published again what a channel may have lost.
    pub(crate) async fn publish_lost(&self, lost: Lost) -> Result<(), Status> {
        let losses = self.queues()?.losses;
        losses.send(lost).await.map_err(|_ended| self.not_serving())
    }

    /// Asks a reader.
    pub(crate) async fn read<T>(
        &self,
        call: impl FnOnce(Reply<T>) -> ReadCall,
    ) -> Result<T, Status> {
        let reads = self.queues()?.reads;
        Ok(ask(&reads, call).await?)
    }
}

/// Opens the database and runs the journal until `shutdown`.
///
/// # Errors
///
/// The database or the bus fails. Calls that wait are refused and to be repeated, and nothing that
/// was answered is lost.
pub async fn run(
    config: Config,
    (service, bus): (Service, CurrentBus),
    (clock, health): (chassis::Clock, Health),
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let outcome = Box::pin(run_once(config, (&service, bus), (clock, health), shutdown)).await;
    outcome.inspect_err(|error| service.note_failure(error))
}

async fn run_once(
    config: Config,
    (service, bus): (&Service, CurrentBus),
    (clock, health): (chassis::Clock, Health),
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    health.unwell("journal", "not open yet");
    let mut reserve = reserve_of(config.database.reveal(), config.reserve_bytes);
    let opening = async {
        match open(&config, &bus, (&clock, &health)).await {
            // Opening writes as well: the reserve is for this, too.
            Err(error) if is_of_storage(&error) && reserve.release() => {
                open(&config, &bus, (&clock, &health)).await
            }
            opened => opened,
        }
    };
    let mut database = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        opened = opening => opened?,
    };
    let storage = Storage::new(service.disk.clone(), health.clone(), reserve);
    let monitor_database = Database::open(&config.address(), Purpose::Read).await?;
    let reader_databases = [
        Database::open(&config.address(), Purpose::Read).await?,
        Database::open(&config.address(), Purpose::Read).await?,
    ];
    let mut cache = RowCache::open(&mut database).await?;
    let partitions = bus.settings().partitions.max(1);
    cache.pauses = Arc::new(Pauses::read(&mut database, partitions).await?);
    let (publishes, due) = mpsc::channel(PUBLISHES_MAX);
    let metrics = Metrics::new();
    let stalled = StalledChannels::default();
    let OpenQueues { calls, reads, writer: handle, losses, lost, guard } =
        service.open_queues(&cache, &stalled);
    health.well("journal");
    service.failure.send_replace(None);
    let messaging = Messaging {
        database: config.address(),
        writer: handle.clone(),
        losses,
        published_until: cache.watermark,
        due: Mutex::new(due),
        clock: clock.clone(),
        metrics: metrics.clone(),
        last_progress: cache.last_progress.clone(),
        stalled,
    };
    let writing = async {
        let sweep_interval = Duration::from_millis(config.sweep_ms.max(10));
        let (clock, metrics) = (clock.clone(), metrics.clone());
        let writer = Writer { publishes, clock, metrics, cache, storage };
        let ended = writer.run(&mut database, (calls, lost), (sweep_interval, &shutdown)).await;
        drop(guard);
        ended.map_err(anyhow::Error::new)
    };
    let reading = async {
        let reads = Mutex::new(reads);
        let each = reader_databases.map(|it| readers::run(it, &reads, partitions));
        futures::future::try_join_all(each).await.map_err(anyhow::Error::new)
    };
    let messaging = async {
        Box::pin(messaging.run(&bus, &shutdown)).await;
        anyhow::Ok(())
    };
    let outcome = tokio::select! {
        outcome = async {
            tokio::try_join!(writing, reading, messaging)
        } => outcome.map(|_| ()),
        lost = until_lost(monitor_database) => Err(anyhow::Error::new(lost)),
    };
    health.unwell("journal", "closed");
    outcome
}

/// Opens the database, as a standby until this is the only journal that writes.
async fn open(
    config: &Config,
    bus: &CurrentBus,
    (clock, health): (&chassis::Clock, &Health),
) -> anyhow::Result<Database> {
    let mut database = Database::open(&config.address(), Purpose::Write).await?;
    while !database.try_lock().await? {
        health.unwell("journal", "standby, another journal holds the database");
        tokio::time::sleep(LOCK_INTERVAL).await;
    }
    database.migrate().await?;
    connect::renew_all(&mut database, clock.now_us()).await?;
    if bus.is_embedded() {
        sweep::publish_all(&mut database).await?;
    } else {
        sweep::publish_soon(&mut database, clock.now_us()).await?;
    }
    Ok(database)
}
