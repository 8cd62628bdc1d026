//! Connections to the broker and to the claim store.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bus::claim::S3;
use bus::{Bus, ClaimStore};
use chassis::health::Health;
use tls::KeyPairFiles;
use tokio_util::sync::CancellationToken;

use crate::settings::{Claims, Settings};
use crate::system::encryption::named;

/// How often the broker is probed.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// Connects to the broker under this name, or makes channels in memory when no broker is set.
pub(super) async fn connect_bus(settings: &Settings, name: &str) -> anyhow::Result<Bus> {
    let settings = bus_settings(settings, name)?;
    let bus = if settings.url.is_empty() {
        Bus::embedded(settings)
    } else {
        Bus::connect(settings).await?
    };
    chassis::trace::set_messaging_system(bus.system());
    Ok(bus)
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

/// Publishes and consumes a probe at intervals, and reports the outcome to health.
pub(super) async fn probe_broker(
    bus: Bus,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    health.unwell("broker", "not probed yet");
    let probing = async {
        let mut turns = tokio::time::interval(PROBE_INTERVAL);
        loop {
            turns.tick().await;
            match bus.probe().await {
                Ok(_duration) => health.well("broker"),
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::new(error));
                    tracing::warn!(error, "probe of the broker failed");
                    health.unwell("broker", error);
                }
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        () = probing => Ok(()),
    }
}
