//! What needs the broker: publishes what is due, receives what is undeliverable, and notices what the
//! broker has lost. It runs beside the writer as long as a connection lasts, so the journal goes on
//! while there is none.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bus::{Bus, Channel, CurrentBus, Receiver};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use crate::call::WriterHandle;
use crate::database::Database;
use crate::database::address::DatabaseAddress;
use crate::database::purpose::Purpose;
use crate::last_progress::LastProgress;
use crate::metrics::Metrics;
use crate::publish_again::Lost;
use crate::publish_due::DuePublisher;
use crate::stalled_channels::{ChannelWatch, StalledChannels};
use crate::undeliverable::UndeliverableHandler;

/// Messages of one window of the undeliverable channel.
const WINDOW: u16 = 256;

/// How often the time is noted until which the connection was well.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A publish may have been lost although its connection seemed to be well for so long.
const UNNOTICED: Duration = Duration::from_secs(60);

/// What the parts beside the writer share.
#[derive(Debug)]
pub(crate) struct Messaging {
    pub(crate) database: DatabaseAddress,
    pub(crate) writer: WriterHandle,
    pub(crate) losses: mpsc::Sender<Lost>,
    /// Until when the journal before this one had published what it committed, microseconds.
    pub(crate) published_until: i64,
    /// Ids of messages to publish. They wait here while there is no connection.
    pub(crate) due: Mutex<mpsc::Receiver<Vec<String>>>,
    pub(crate) clock: chassis::Clock,
    pub(crate) metrics: Metrics,
    pub(crate) last_progress: LastProgress,
    pub(crate) stalled: StalledChannels,
}

impl Messaging {
    /// Runs while there is a connection, each time there is one, until `shutdown`.
    pub(crate) async fn run(&self, bus: &CurrentBus, shutdown: &CancellationToken) {
        // Whatever was published before the last connection was well may have been lost with it.
        let well_until = AtomicI64::new(self.published_until);
        let run = |bus| Box::pin(self.run_connected(bus, &well_until, shutdown));
        bus.run("journal", shutdown, run).await;
    }

    async fn run_connected(
        &self,
        bus: Bus,
        well_until: &AtomicI64,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        self.find_losses(&bus, well_until.load(Ordering::Relaxed)).await?;
        let publishing = async {
            let database = Database::open(&self.database, Purpose::Read).await?;
            let publisher = bus.publisher().await?;
            let (writer, metrics) = (self.writer.clone(), self.metrics.clone());
            let publishing = DuePublisher { bus: bus.clone(), publisher, writer, metrics };
            publishing.run(database, &mut *self.due.lock().await).await?;
            anyhow::Ok(())
        };
        let receiving = async {
            let handler =
                UndeliverableHandler { writer: self.writer.clone(), clock: self.clock.clone() };
            let (channel, failure_store) = (Channel::undeliverable(), handler.clone());
            let receiver = Receiver { channel, window: WINDOW, failure_store };
            Ok(bus.receive(receiver, handler, shutdown.clone()).await?)
        };
        let watching = async {
            let mut turns = tokio::time::interval(LOOK_INTERVAL);
            loop {
                turns.tick().await;
                well_until.store(self.clock.now_us(), Ordering::Relaxed);
            }
        };
        let watching_channels = async {
            if matches!(bus, Bus::Embedded(_)) {
                return std::future::pending().await;
            }
            let watch = ChannelWatch {
                bus: bus.clone(),
                database: Database::open(&self.database, Purpose::Read).await?,
                last_progress: self.last_progress.clone(),
                losses: self.losses.clone(),
                stalled: self.stalled.clone(),
                clock: self.clock.clone(),
                partitions: bus.settings().partitions.max(1),
                last_inspected: String::new(),
            };
            watch.run().await
        };
        tokio::select! {
            outcome = async { tokio::try_join!(publishing, receiving) } => outcome.map(drop),
            outcome = watching_channels => outcome,
            failed = bus.publisher_failed() => Err(anyhow::Error::new(failed)),
            () = watching => Ok(()),
        }
    }

    /// Publishes again what the broker may have lost since the last connection: all, when it is
    /// another broker or has lost its queues and exchanges.
    async fn find_losses(&self, bus: &Bus, well_until: i64) -> anyhow::Result<()> {
        if matches!(bus, Bus::Embedded(_)) {
            return Ok(());
        }
        if bus.is_marked().await? {
            let unnoticed = i64::try_from(UNNOTICED.as_micros()).unwrap_or_default();
            self.losses.send(Lost::Since(well_until - unnoticed)).await?;
            return Ok(());
        }
        tracing::warn!("broker is a new one or has lost what it held");
        let (done, mut is_done) = mpsc::channel(1);
        self.losses.send(Lost::Everything(done)).await?;
        // Not before the end of the run: a journal that ends in between must find the losses again.
        is_done.recv().await.context("what the broker has lost was not published again")?;
        Ok(bus.mark().await?)
    }
}
