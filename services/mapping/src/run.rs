//! The service's process: its receivers, and the follower of the registry beside them.

use std::time::Duration;

use anyhow::Context as _;
use bus::{Bus, Channel, ClaimStore, Receiver};
use chassis::health::Health;
use chassis::{Clock, Upstream};
use journal_client::{JournalClient, JournalFailureStore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::pauses::{IntakePauses, PausableHandler};
use crate::pipeline::Pipeline;
use crate::server::Service;
use crate::translate::Translator;

/// What the service needs from the process that starts it.
#[derive(Clone, Debug)]
pub struct MappingDependencies {
    /// The channels. Their topology is declared by the process.
    pub bus: Bus,
    /// The store of large bodies and of attachments.
    pub claims: ClaimStore,
    /// The journal.
    pub journal: Upstream,
    /// The registry.
    pub registry: Upstream,
    /// The gRPC server, whose formats and snapshot of the registry the receivers use as well. The
    /// process keeps it over a restart, so that mapping works while the registry cannot be reached.
    pub service: Service,
    /// The process's health, where the follower of the registry reports.
    pub health: Health,
}

/// Routes and translates until `shutdown`, with one receiver for each intake partition.
///
/// # Errors
///
/// The broker or the journal cannot be reached; the chassis starts this again.
pub async fn run(
    config: Config,
    dependencies: MappingDependencies,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let MappingDependencies { bus, claims, journal, registry, service, health } = dependencies;
    let stop = shutdown.child_token();
    let _stopped = stop.clone().drop_guard();
    let mut tasks: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let stop_following = stop.clone();
    let following = service.registry.follow(registry, health, stop.clone());
    tasks.spawn(async move {
        following.await;
        Ok(())
    });
    tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        () = service.registry.wait_until_ready() => {}
    }
    let publisher = bus.publisher().await.context("no publisher could be opened")?;
    let translator = Translator::new(service.codec.clone(), claims.clone(), &config);
    let translation = (translator, claims);
    let pipeline =
        Pipeline::new(publisher, journal.clone(), service.registry.clone(), translation, config);
    let time_limit = Duration::from_millis(config.journal_ms_max);
    let journal = JournalClient::new(journal, time_limit);
    let failure_store = JournalFailureStore::new(journal.clone(), Clock::System, "mapping", "");
    let pauses = IntakePauses::new();
    let followed = pauses.clone();
    tasks.spawn(async move { until_stopped(followed.follow(&journal), stop_following).await });
    let settings = bus.settings().clone();
    for partition in 0..settings.partitions {
        let receiver = Receiver {
            channel: Channel::intake(partition),
            window: settings.window,
            failure_store: failure_store.clone(),
        };
        let intake = receiver.channel.name().to_owned();
        let handler = pipeline.clone().with_intake(intake.clone());
        let handler = PausableHandler { handler, channel: intake, pauses: pauses.clone() };
        let (bus, stop) = (bus.clone(), stop.clone());
        tasks.spawn(async move { Ok(bus.receive(receiver, handler, stop).await?) });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.context("a receiver panicked")??;
    }
    Ok(())
}

/// Awaits what never ends until the stop.
async fn until_stopped(
    task: impl Future<Output = ()>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        () = task => Ok(()),
    }
}
