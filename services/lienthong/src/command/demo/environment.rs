//! A whole system in this process for the demonstration, and the agencies that are connected to it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bus::Bus;
use chassis::config::Layers;
use chassis::health::Health;
use chassis::secret::Secret;
use proto::fault::code;
use proto::fault::v1::Fault;
use sandbox::{AGENCIES, AgencyProfile, SimulatedAgency, registry_yaml};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::cli::{Demo, Link, LinkCertificates};
use crate::client_settings::ClientSettings;
use crate::data_folder::TOKEN_FILE;
use crate::fault::unreadable_path;
use crate::settings::Settings;
use crate::system::context::SystemDependencies;
use crate::system::encryption::Encryption;
use crate::system::infrastructure::bus_settings;
use crate::system::listeners::Listeners;
use crate::system::run::run_once;
use crate::token::{draw_token, hash_token, read_or_create_token};

/// How long agencies and system may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How often the removal of the folder is tried, and the pause between two tries.
const REMOVAL_TRIES: usize = 100;
const REMOVAL_PAUSE: Duration = Duration::from_millis(50);

/// The certificate of the authority in a folder of `certificates dev`.
const AUTHORITY: &str = "authority.crt";

/// How often in a row the system has to be ready. Each part reports "not ready" before it reports
/// "ready", so one look may fall between the reports of two parts.
const READY_LOOKS: u32 = 3;

/// The agencies and what a scenario needs besides.
pub(super) struct Participants {
    pub(super) agencies: Vec<SimulatedAgency>,
    /// What this run appends to every name in a shared broker or database; empty when neither is
    /// shared.
    pub(super) name_suffix: String,
    /// How the journal is reached.
    pub(super) client: ClientSettings,
    health: Health,
}

impl Participants {
    /// Waits until every part of the system is ready.
    pub(super) async fn await_readiness(&self) {
        let mut turns = tokio::time::interval(Duration::from_millis(10));
        let mut ready = 0;
        while ready < READY_LOOKS {
            turns.tick().await;
            ready = if self.health.is_ready() { ready + 1 } else { 0 };
        }
    }
}

/// A system that runs until it is closed.
pub(super) struct Environment {
    pub(super) participants: Participants,
    pub(super) system: JoinSet<anyhow::Result<()>>,
    shutdown: CancellationToken,
    broker: Option<bus::Settings>,
    /// Everything the system writes; removed at the end.
    folder: TempDir,
}

impl Environment {
    /// Starts the system and connects the agencies. The system is not supervised: a wrong address
    /// is answered at once, and a start that failed is not worth another one here.
    pub(super) async fn open(arguments: &Demo) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder can be made")?;
        let is_alone = arguments.broker.is_none() && arguments.database.is_none();
        let name_suffix = if is_alone { String::new() } else { random_suffix() };
        let tokens: BTreeMap<&str, Secret> =
            AGENCIES.iter().map(|it| (it.key, draw_token())).collect();
        let settings = settings(folder.path(), arguments)?;
        write_registry(folder.path(), &tokens, &name_suffix)?;
        let broker = match &arguments.broker {
            Some(_) => Some(bus_settings(&settings, "demo")?),
            None => None,
        };
        if let Some(broker) = &broker {
            declare_channels(broker, &name_suffix).await?;
        }
        let internal_token = read_or_create_token(&folder.path().join(TOKEN_FILE))?;
        let telemetry = chassis::telemetry::init("demo", &settings.telemetry)?;
        let encryption = Encryption::new(&settings.tls)?;
        let listeners = Listeners::bind(&settings, &encryption, None, false)?;
        let (gateway, internal) = (listeners.vendors_url()?, listeners.internal_url()?);
        let certificates = operator_certificates(arguments)?;
        let (shutdown, health) = (CancellationToken::new(), Health::new());
        let dependencies = SystemDependencies {
            settings,
            encryption,
            internal_token,
            health: health.clone(),
            telemetry,
        };
        let mut system = JoinSet::new();
        let stop = shutdown.clone();
        system.spawn(async move { run_once(&dependencies, &listeners, stop).await });
        let connect = |profile: &'static AgencyProfile| {
            let token = tokens.get(profile.key).map_or("", Secret::reveal).to_owned();
            let authorities = certificates.authorities_file.clone().unwrap_or_default();
            let connection =
                sdk::Connection::new(gateway.clone(), token).authorities_file(authorities);
            SimulatedAgency::connect(profile, &name_suffix, connection, &shutdown)
        };
        let agencies = AGENCIES.iter().map(connect).collect::<Result<_, _>>()?;
        let link = Link {
            internal: Some(internal),
            data: Some(folder.path().to_owned()),
            internal_token_file: None,
            certificates: certificates.clone(),
        };
        let client = ClientSettings::of_link(Layers::default(), &link)?;
        let participants = Participants { agencies, name_suffix, client, health };
        Ok(Self { participants, system, shutdown, broker, folder })
    }

    /// Stops agencies and system, and removes the channels and the folder.
    pub(super) async fn close(mut self) {
        self.shutdown.cancel();
        let agencies = &mut self.participants.agencies;
        let stopping = async {
            for it in agencies.iter_mut() {
                it.stopped().await;
            }
            while self.system.join_next().await.is_some() {}
        };
        if tokio::time::timeout(STOP_LIMIT, stopping).await.is_err() {
            tracing::warn!("the demonstration did not stop in time");
            // Tasks that still run would write into the folder while it is removed.
            for it in agencies.iter_mut() {
                it.abort().await;
            }
            self.system.shutdown().await;
        }
        if let Some(broker) = self.broker
            && let Err(error) = remove_channels(broker, &self.participants.name_suffix).await
        {
            tracing::warn!(%error, "the demonstration's channels are left at the broker");
        }
        remove_folder(self.folder).await;
    }
}

/// Removes the folder. A blocking thread that was writing into it when the system stopped is not
/// aborted, so the folder may get a new file during the first tries.
async fn remove_folder(folder: TempDir) {
    let path = folder.keep();
    for _ in 0..REMOVAL_TRIES {
        match std::fs::remove_dir_all(&path) {
            Ok(()) => return,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(_busy) => tokio::time::sleep(REMOVAL_PAUSE).await,
        }
    }
    tracing::warn!(path = %path.display(), "the demonstration's folder is left behind");
}

/// Waits for the system to end, which is a failure while the scenario is played.
pub(super) async fn system_failure(system: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Error {
    match system.join_next().await {
        Some(Ok(Err(error))) => error,
        Some(Err(error)) => anyhow::Error::new(error).context("the system panicked"),
        Some(Ok(Ok(()))) | None => anyhow::anyhow!("the system ended by itself"),
    }
}

/// A suffix that no other run has.
fn random_suffix() -> String {
    let drawn = Uuid::new_v4().simple().to_string();
    format!("-{}", drawn.chars().take(6).collect::<String>())
}

/// Declares the channels of the simulated applications before the one start compares them. A
/// broker that has receivers is refused: another system would take the demonstration's documents.
async fn declare_channels(broker: &bus::Settings, name_suffix: &str) -> anyhow::Result<()> {
    let bus = Bus::connect(broker.clone()).await?;
    if bus.receivers().await? > 0 {
        return Err(Fault::new(&code::LT_CLI_011).into());
    }
    bus.declare_topology().await?;
    for it in &AGENCIES {
        bus.declare_delivery(&format!("{}{name_suffix}", it.application)).await?;
    }
    Ok(())
}

/// Removes the channels of the simulated applications.
async fn remove_channels(broker: bus::Settings, name_suffix: &str) -> anyhow::Result<()> {
    let bus = Bus::connect(broker).await?;
    for it in &AGENCIES {
        bus.remove_delivery(&format!("{}{name_suffix}", it.application)).await?;
    }
    Ok(())
}

/// What an operator's command shows: a certificate of the folder that the arguments name.
fn operator_certificates(arguments: &Demo) -> anyhow::Result<LinkCertificates> {
    let Some(folder) = &arguments.certificates else { return Ok(LinkCertificates::default()) };
    let files = std::fs::read_dir(folder).map_err(|error| unreadable_path(folder, &error))?;
    let names = files.filter_map(|it| it.ok()?.file_name().into_string().ok());
    let is_operators = |it: &String| it.starts_with("operator-") && it.ends_with(".crt");
    let file = names.filter(is_operators).map(|it| folder.join(it)).min();
    Ok(LinkCertificates {
        authorities_file: Some(folder.join(AUTHORITY)),
        key_file: file.as_ref().map(|it| it.with_extension("key")),
        certificates_file: file,
        plaintext: false,
    })
}

fn settings(folder: &Path, arguments: &Demo) -> anyhow::Result<Settings> {
    let path = |name: &str| folder.join(name).display().to_string();
    let reveal = |it: &Secret| it.reveal().to_owned();
    let database = arguments.database.as_ref().map_or_else(|| path("journal.sqlite"), reveal);
    let mut layers = Layers::from_parts(None, BTreeMap::new())?
        .flag("registry.folder", path("registry"))
        .flag("formats.folder", path("formats"))
        .flag("claims.folder", path("claims"))
        .flag("journal.database", database)
        .flag("listen.vendors", "127.0.0.1:0")
        .flag("listen.internal", "127.0.0.1:0")
        .flag("listen.ops", "127.0.0.1:0")
        .flag("telemetry.form", "pretty")
        .flag("telemetry.level", "off");
    if let Some(broker) = &arguments.broker {
        layers = layers.flag("bus.url", broker.reveal());
    }
    if let Some(folder) = &arguments.certificates {
        let path = |name: &str| folder.join(name).display().to_string();
        for key in ["tls.authorities_file", "bus.authorities_file", "journal.authorities_file"] {
            layers = layers.flag(key, path(AUTHORITY));
        }
        for section in ["tls", "bus"] {
            layers = layers
                .flag(&format!("{section}.certificates_file"), path("up.crt"))
                .flag(&format!("{section}.key_file"), path("up.key"));
        }
    }
    Ok(Settings::read(&layers)?)
}

fn write_registry(
    folder: &Path,
    tokens: &BTreeMap<&str, Secret>,
    name_suffix: &str,
) -> anyhow::Result<()> {
    let hash = |it: &AgencyProfile| tokens.get(it.key).map(hash_token).unwrap_or_default();
    let text = registry_yaml(AGENCIES.iter().map(|it| (it, hash(it))), name_suffix);
    let registry = folder.join("registry");
    std::fs::create_dir_all(&registry)?;
    std::fs::write(registry.join("demo.yaml"), text)?;
    Ok(())
}
