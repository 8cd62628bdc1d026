//! The road through this service, as the chassis starts it.

use std::time::Duration;

use anyhow::Context as _;
use bus::{Bus, Channel, ClaimStore, Receiver};
use chassis::Upstream;
use chassis::health::Health;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::bounded::Bounded;
use crate::config::Config;
use crate::follow::follow;
use crate::keep::Keeper;
use crate::pipeline::Pipeline;
use crate::server::Service;
use crate::translate::Translator;

/// What the service stands on.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The channels; their topology is declared by whoever starts this.
    pub bus: Bus,
    /// Bodies that are too large to ride along, and attachments.
    pub claims: ClaimStore,
    /// Where facts are recorded.
    pub journal: Upstream,
    /// Who is there.
    pub registry: Upstream,
    /// The calls' side, whose formats and copy of the registry are used here too. It outlives a
    /// new start, so a registry that is away stops nothing.
    pub service: Service,
    /// Where this tells how it is.
    pub health: Health,
}

/// Routes and translates until `shutdown`: one receiver for each intake partition, beside the
/// watch of the registry.
///
/// # Errors
///
/// The broker or the journal went away; start again.
pub async fn run(config: Config, parts: Parts, shutdown: CancellationToken) -> anyhow::Result<()> {
    let stop = shutdown.child_token();
    let _stopped = stop.clone().drop_guard();
    let mut working: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let (registry, registered) = (parts.registry.clone(), parts.service.registered.clone());
    let token = stop.clone();
    working.spawn(async move {
        let watch = || follow(registry.clone(), registered.clone(), token.clone());
        chassis::supervise("mapping's copy of the registry", &token, watch).await;
        Ok(())
    });
    if parts.service.registered.now().revision().is_empty() {
        parts.health.unwell("registry copy", "the registry was not read yet");
    }
    tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        () = parts.service.registered.ready() => parts.health.well("registry copy"),
    }
    let publisher = parts.bus.publisher().await.context("no publisher could be opened")?;
    let settings = parts.bus.settings().clone();
    let translator = Translator::new(parts.service.shelf.clone(), parts.claims.clone(), &config);
    let files = (translator, parts.claims.clone());
    let registered = parts.service.registered.clone();
    let pipeline = Pipeline::new(publisher, parts.journal.clone(), registered, files, config);
    let limit = Duration::from_millis(config.journal_ms_max);
    for partition in 0..settings.partitions {
        let receiver = Receiver {
            channel: Channel::intake(partition),
            window: settings.window,
            failure_store: Bounded { keeper: Keeper::new(parts.journal.clone()), limit },
        };
        let intake = receiver.channel.name().to_owned();
        let pipeline = Pipeline { intake, ..pipeline.clone() };
        let (bus, stop) = (parts.bus.clone(), stop.clone());
        working.spawn(async move { Ok(bus.receive(receiver, pipeline, stop).await?) });
    }
    while let Some(ended) = working.join_next().await {
        ended.context("a receiver broke down")??;
    }
    Ok(())
}
