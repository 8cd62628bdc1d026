//! The service's process: its receivers, and the follower of the registry beside them.

use std::time::Duration;

use anyhow::Context as _;
use bus::{Bus, Channel, ClaimStore, CurrentBus, ReceiveError, Receiver};
use chassis::health::Health;
use chassis::{Clock, Upstream};
use journal_client::{JournalClient, JournalFailureStore};
use proto::journal::v1::publish_again_request::To;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::keep_formats::keep_formats;
use crate::pauses::{IntakePauses, PausableHandler};
use crate::pipeline::Pipeline;
use crate::server::Service;
use crate::translate::Translator;

/// What the service needs from the process that starts it.
#[derive(Clone, Debug)]
pub struct MappingDependencies {
    /// The channels. The process connects to them and declares their topology.
    pub bus: CurrentBus,
    /// The store of large bodies and of attachments.
    pub claims: ClaimStore,
    /// The journal.
    pub journal: Upstream,
    /// The journal's store of formats.
    pub format_store: Upstream,
    /// The registry.
    pub registry: Upstream,
    /// The gRPC server, whose formats and snapshot of the registry the receivers use as well. The
    /// process keeps it over a restart, so that mapping works while the registry cannot be reached.
    pub service: Service,
    /// The process's health, where the follower of the registry reports.
    pub health: Health,
}

/// Routes and translates until `shutdown`, with one receiver for each intake partition. While there is
/// no connection to the broker, the service answers its calls.
///
/// # Errors
///
/// A part of it panicked; the chassis starts this again.
pub async fn run(
    config: Config,
    dependencies: MappingDependencies,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let MappingDependencies { bus, claims, journal, format_store, registry, service, health } =
        dependencies;
    let stop = shutdown.child_token();
    let _stopped = stop.clone().drop_guard();
    let mut tasks: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let stop_following = stop.clone();
    let watched_health = health.clone();
    let following = service.registry.follow(registry, health, stop.clone());
    tasks.spawn(async move {
        following.await;
        Ok(())
    });
    let keeping = keep_formats(service.clone(), format_store, watched_health.clone());
    tasks.spawn(until_stopped(keeping, stop.clone()));
    tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        () = service.registry.wait_until_ready() => {}
    }
    let journal_client =
        JournalClient::new(journal.clone(), Duration::from_millis(config.journal_ms_max));
    let pauses = IntakePauses::new();
    let (followed, journal_followed) = (pauses.clone(), journal_client.clone());
    let watched = (bus.clone(), watched_health);
    tasks.spawn(async move {
        let (bus, health) = &watched;
        until_stopped(followed.follow(&journal_followed, (bus, health)), stop_following).await
    });
    let receivers = Receivers { config, claims, journal, journal_client, service, pauses };
    tasks.spawn(async move {
        bus.run("mapping", &stop, |bus| receivers.run(bus, stop.clone())).await;
        Ok(())
    });
    while let Some(ended) = tasks.join_next().await {
        ended.context("a part of mapping panicked")??;
    }
    Ok(())
}

/// What receives while there is a connection.
struct Receivers {
    config: Config,
    claims: ClaimStore,
    journal: Upstream,
    journal_client: JournalClient,
    service: Service,
    pauses: IntakePauses,
}

impl Receivers {
    /// Receives from every partition until the first receiver fails.
    async fn run(&self, bus: Bus, stop: CancellationToken) -> anyhow::Result<()> {
        let publisher = bus.publisher().await.context("no publisher could be opened")?;
        // What an earlier process or connection had recorded and not published yet may be lost.
        if !matches!(bus, Bus::Embedded(_))
            && let Err(status) = self.journal_client.publish_again(To::Delivery).await
        {
            tracing::warn!(error = status.message(), "routed messages wait for the sweeper");
        }
        let translator =
            Translator::new(self.service.formats.clone(), self.claims.clone(), &self.config);
        let translation = (translator, self.claims.clone());
        let (journal, registry) = (self.journal.clone(), self.service.registry.clone());
        let pipeline = Pipeline::new(publisher, journal, registry, translation, self.config);
        let journal = self.journal_client.clone();
        let failure_store = JournalFailureStore::new(journal, Clock::System, "mapping", "");
        let settings = bus.settings().clone();
        let mut tasks: JoinSet<Result<(), ReceiveError>> = JoinSet::new();
        for partition in 0..settings.partitions {
            let receiver = Receiver {
                channel: Channel::intake(partition),
                window: settings.window,
                failure_store: failure_store.clone(),
            };
            let intake = receiver.channel.name().to_owned();
            let handler = pipeline.clone().with_intake(intake.clone());
            let handler = PausableHandler { handler, channel: intake, pauses: self.pauses.clone() };
            let (bus, stop) = (bus.clone(), stop.clone());
            tasks.spawn(async move { bus.receive(receiver, handler, stop).await });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.context("a receiver panicked")??;
        }
        Ok(())
    }
}

/// Awaits what never ends until the stop.
async fn until_stopped(
    task: impl Future<Output = anyhow::Result<()>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        outcome = task => outcome,
    }
}
