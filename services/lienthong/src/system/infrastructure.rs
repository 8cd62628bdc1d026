//! Connections to the broker and to the claim store.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bus::claim::S3;
use bus::{Bus, ClaimStore, CurrentBus, ProbeError};
use chassis::health::Health;
use tls::KeyPairFiles;
use tokio_util::sync::CancellationToken;

use crate::settings::{Claims, Settings};
use crate::system::encryption::named;

/// The condition of the broker in health.
const BROKER: &str = "broker";

/// How often the broker is probed.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// The bus of a process with this name, over the broker or in memory when no broker is set. Nothing
/// is connected yet.
pub(super) fn current_bus(settings: &Settings, name: &str) -> anyhow::Result<CurrentBus> {
    let bus = CurrentBus::new(bus_settings(settings, name)?);
    chassis::trace::set_messaging_system(bus.system());
    Ok(bus)
}

/// Connects to the broker and keeps the connection until it is lost. The owner of the topology
/// declares it, the others compare it.
///
/// # Errors
///
/// The broker is not reached, or its queues and exchanges are not as they must be, or the connection
/// is lost: call this again.
pub(super) async fn keep_connected(
    bus: CurrentBus,
    owns_topology: bool,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let prepare = |bus: Bus| async move {
        if owns_topology { bus.declare_topology().await } else { bus.compare_topology().await }
    };
    let outcome = bus.keep_connected(prepare, &shutdown).await;
    if let Err(error) = &outcome {
        health.unwell(BROKER, format!("{error}"));
    }
    Ok(outcome?)
}

/// The bus's own settings, with the content of the files that ours name.
pub(crate) fn bus_settings(settings: &Settings, name: &str) -> anyhow::Result<bus::Settings> {
    let section = &settings.bus;
    let authorities = named(&section.authorities_file).map(|it| read_pem(&it)).transpose()?;
    let pair = KeyPairFiles::new(&section.certificates_file, &section.key_file)?;
    let certificate = match &pair {
        Some(it) => Some((read_pem(&it.certificates)?, read_pem(&it.key)?)),
        None => None,
    };
    Ok(bus::Settings {
        name: format!("lienthong-{name}"),
        url: section.url.reveal().to_owned(),
        authorities,
        certificate,
        partitions: section.partitions,
        window: section.window,
        call_ms_max: section.call_ms_max,
        publish_ms_max: section.publish_ms_max,
        hands_ms_max: section.hands_ms_max,
        keep_ms_max: section.keep_ms_max,
        probe_ms_max: section.probe_ms_max,
        requests_max: section.requests_max,
        channel_messages_max: section.channel_messages_max,
        channel_bytes_max: section.channel_bytes_max,
        room_ms_max: section.room_ms_max,
    })
}

fn read_pem(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path)
        .with_context(|| format!("the file {} cannot be read", path.display()))
}

/// Opens the store of large bodies and attachments.
pub(crate) async fn open_claim_store(settings: &Claims) -> anyhow::Result<ClaimStore> {
    std::fs::create_dir_all(&settings.folder)
        .with_context(|| format!("the folder {} cannot be made", settings.folder.display()))?;
    if settings.bucket.is_empty() {
        return Ok(ClaimStore::folder(&settings.folder).await?);
    }
    let read_key = |path: &Path| chassis::secret::read(path);
    let settings = S3 {
        bucket: settings.bucket.clone(),
        endpoint: settings.endpoint.clone(),
        region: settings.region.clone(),
        access_key_id: read_key(&settings.access_key_file)?.reveal().to_owned(),
        authorities: named(&settings.authorities_file).map(|it| read_pem(&it)).transpose()?,
        secret_access_key: read_key(&settings.secret_key_file)?.reveal().to_owned(),
        spool: settings.folder.clone(),
    };
    Ok(ClaimStore::s3(settings).await?)
}

/// Publishes and consumes a probe at intervals while there is a connection, and reports the outcome
/// to health.
pub(super) async fn probe_broker(
    bus: CurrentBus,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    health.unwell(BROKER, "not probed yet");
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = bus.run("probe", &shutdown, |bus| probe_connected(bus, &health)) => {}
    }
    Ok(())
}

/// Probes one connection until it fails.
async fn probe_connected(bus: Bus, health: &Health) -> Result<(), ProbeError> {
    let mut turns = tokio::time::interval(PROBE_INTERVAL);
    loop {
        turns.tick().await;
        if let Err(error) = bus.probe().await {
            health.unwell(BROKER, format!("{error}"));
            return Err(error);
        }
        health.well(BROKER);
    }
}
