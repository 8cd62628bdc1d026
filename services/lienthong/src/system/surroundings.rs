//! What the roles stand on: the broker, the store of bodies, the applications' channels.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bus::claim::S3;
use bus::{Bus, ClaimStore};
use chassis::Upstream;
use chassis::health::Health;
use proto::registry::v1::WatchRequest;
use proto::registry::v1::registry_client::RegistryClient;
use tokio_util::sync::CancellationToken;

use super::{INTERNAL_BYTES_MAX, Start};
use crate::cli::Role;
use crate::settings::{Claims, Settings};

/// How often the broker is probed.
const PROBE_EVERY: Duration = Duration::from_secs(10);

/// The bus, connected to.
pub(crate) async fn connect(start: &Start, role: Option<Role>) -> anyhow::Result<Bus> {
    let settings = bus_settings(&start.settings, role.map_or("up", Role::name))?;
    let bus = if settings.url.is_empty() {
        Bus::embedded(settings)
    } else {
        Bus::connect(settings).await?
    };
    chassis::trace::carried_by(bus.system());
    Ok(bus)
}

/// What the bus is told about itself.
pub(crate) fn bus_settings(settings: &Settings, name: &str) -> anyhow::Result<bus::Settings> {
    let said = &settings.bus;
    let certificates = match said.certificates_file.as_str() {
        "" => None,
        path => Some(std::fs::read_to_string(path).context("the certificates cannot be read")?),
    };
    Ok(bus::Settings {
        name: format!("lienthong-{name}"),
        url: said.url.clone(),
        certificates,
        partitions: said.partitions,
        window: said.window,
        call_ms_max: said.call_ms_max,
        publish_ms_max: said.publish_ms_max,
        hands_ms_max: said.hands_ms_max,
        keep_ms_max: said.keep_ms_max,
        probe_ms_max: said.probe_ms_max,
        requests_max: said.requests_max,
        channel_messages_max: said.channel_messages_max,
        channel_bytes_max: said.channel_bytes_max,
        room_ms_max: said.room_ms_max,
    })
}

/// The store of large bodies and files.
pub(crate) async fn claim_store(said: &Claims) -> anyhow::Result<ClaimStore> {
    std::fs::create_dir_all(&said.folder)
        .with_context(|| format!("the folder {} cannot be made", said.folder.display()))?;
    if said.bucket.is_empty() {
        return Ok(ClaimStore::folder(&said.folder).await?);
    }
    let secret = |path: &str| chassis::secret::read(Path::new(path));
    let settings = S3 {
        bucket: said.bucket.clone(),
        endpoint: said.endpoint.clone(),
        region: said.region.clone(),
        access_key_id: secret(&said.access_key_file)?.reveal().to_owned(),
        secret_access_key: secret(&said.secret_key_file)?.reveal().to_owned(),
        spool: said.folder.clone(),
    };
    Ok(ClaimStore::s3(settings).await?)
}

/// Makes a channel for each application as the registry names them.
pub(super) async fn channels(
    bus: Bus,
    registry: Upstream,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut client = RegistryClient::new(registry).max_decoding_message_size(INTERNAL_BYTES_MAX);
    let watching = async {
        let mut states = client.watch(WatchRequest::default()).await?.into_inner();
        while let Some(state) = states.message().await? {
            for application in state.applications {
                bus.declare_delivery(&application.id).await?;
            }
        }
        anyhow::bail!("the registry ended its watch")
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        outcome = watching => outcome,
    }
}

/// Sends a probe through the bus again and again, and tells how it went.
pub(super) async fn probing(
    bus: Bus,
    health: Health,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    health.unwell("broker", "not probed yet");
    let probing = async {
        let mut turns = tokio::time::interval(PROBE_EVERY);
        loop {
            turns.tick().await;
            match bus.probe().await {
                Ok(_took) => health.well("broker"),
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::new(error));
                    tracing::warn!(error, "broker's probe did not come back");
                    health.unwell("broker", error);
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        () = probing => Ok(()),
    }
}
