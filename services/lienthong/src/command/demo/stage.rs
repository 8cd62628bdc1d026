//! Where the demonstration is played: a whole system in this process, and the offices around it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bus::Bus;
use chassis::config::Layers;
use chassis::health::Health;
use proto::fault::code;
use proto::fault::v1::Fault;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::agency::{AGENCIES, Agency};
use super::office::Office;
use crate::cli::{Demo, Link};
use crate::command::up::{fresh_token, internal_token, token_hash};
use crate::settings::Settings;
use crate::system::{Doors, Start, bus_settings, run_all};

/// How long the parts may take to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// How often its folder is tried to be taken away, and the pause between.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// What the story is played with.
pub(super) struct Set {
    pub(super) offices: Vec<Office>,
    /// What this run adds to every name that others may see: nothing, when it is alone.
    pub(super) run: String,
    /// The way to the journal.
    pub(super) link: Link,
    health: Health,
}

impl Set {
    /// Waits until every part is well.
    pub(super) async fn ready(&self) {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        let mut well = 0;
        // Every part says "unwell" before it says "well", so a moment of silence is not readiness.
        while well < 3 {
            look.tick().await;
            well = if self.health.is_ready() { well + 1 } else { 0 };
        }
    }
}

/// A system that runs until it is closed.
pub(super) struct Stage {
    pub(super) set: Set,
    shutdown: CancellationToken,
    pub(super) system: JoinSet<anyhow::Result<()>>,
    people: JoinSet<()>,
    broker: Option<bus::Settings>,
    /// Everything written lies here and goes with it.
    folder: TempDir,
}

impl Stage {
    /// Starts everything. The system runs as it is, not supervised: a wrong address is an answer
    /// at once, and nothing of a demonstration is worth starting again.
    pub(super) async fn open(arguments: &Demo) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder can be made")?;
        let is_alone = arguments.broker.is_none() && arguments.database.is_none();
        let run = if is_alone { String::new() } else { suffix() };
        let tokens: BTreeMap<&str, String> =
            AGENCIES.iter().map(|it| (it.key, fresh_token())).collect();
        let settings = settings(folder.path(), arguments)?;
        write_registry(folder.path(), &tokens, &run)?;
        let broker = match &arguments.broker {
            Some(_) => Some(bus_settings(&settings, "demo")?),
            None => None,
        };
        if let Some(broker) = &broker {
            borrow(broker, &run).await?;
        }
        let token = internal_token(&folder.path().join("internal.token"))?;
        let telemetry = chassis::telemetry::init("demo", &settings.telemetry)?;
        let doors = Doors::open(&settings, None)?;
        let (gateway, internal) = (doors.vendors()?, doors.internal()?);
        let (shutdown, health) = (CancellationToken::new(), Health::new());
        let start = Start { settings, token, health: health.clone(), telemetry };
        let (mut system, mut people) = (JoinSet::new(), JoinSet::new());
        let stop = shutdown.clone();
        system.spawn(async move { run_all(&start, &doors, stop).await });
        let open = |agency: &'static Agency| {
            let token = tokens.get(agency.key).cloned().unwrap_or_default();
            let door = (format!("http://{gateway}"), token);
            Office::open(agency, &run, door, (&mut people, &shutdown))
        };
        let offices = AGENCIES.iter().map(open).collect::<Result<_, _>>()?;
        let link = Link {
            internal: format!("http://{internal}"),
            data: folder.path().to_owned(),
            internal_token_file: None,
        };
        let set = Set { offices, run, link, health };
        Ok(Self { set, shutdown, system, people, broker, folder })
    }

    /// Stops the offices, then the system, and takes away what would stay behind.
    pub(super) async fn close(mut self) {
        self.shutdown.cancel();
        let stopping = async {
            while self.people.join_next().await.is_some() {}
            while self.system.join_next().await.is_some() {}
        };
        if tokio::time::timeout(DRAIN, stopping).await.is_err() {
            tracing::warn!("the demonstration did not stop in time");
            // Whoever still works would write into the folder while it is taken away.
            self.people.shutdown().await;
            self.system.shutdown().await;
        }
        if let Some(broker) = self.broker
            && let Err(error) = sweep(broker, &self.set.run).await
        {
            tracing::warn!(%error, "the demonstration's channels are left at the broker");
        }
        away(self.folder).await;
    }
}

/// Takes the folder away. A thread that was making files in it when the stop came goes on until it
/// is through, so the folder may not be empty at the first try.
async fn away(folder: TempDir) {
    let path = folder.keep();
    for _ in 0..TRIES {
        match std::fs::remove_dir_all(&path) {
            Ok(()) => return,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(_busy) => tokio::time::sleep(PAUSE).await,
        }
    }
    tracing::warn!(path = %path.display(), "the demonstration's folder is left behind");
}

/// Waits for the system to fail.
pub(super) async fn failure(system: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Error {
    match system.join_next().await {
        Some(Ok(Err(error))) => error,
        Some(Err(error)) => anyhow::Error::new(error).context("the system broke down"),
        Some(Ok(Ok(()))) | None => anyhow::anyhow!("the system ended by itself"),
    }
}

/// A few letters that no other run has.
fn suffix() -> String {
    let drawn = Uuid::new_v4().simple().to_string();
    format!("-{}", drawn.chars().take(6).collect::<String>())
}

/// Makes the channels, so that the one start finds them. On a broker that a system works with,
/// documents of the demonstration would be read by it: there it is not played.
async fn borrow(broker: &bus::Settings, run: &str) -> anyhow::Result<()> {
    let bus = Bus::connect(broker.clone()).await?;
    if bus.receivers().await? > 0 {
        return Err(Fault::new(&code::LT_CLI_011).into());
    }
    bus.declare_topology().await?;
    for it in &AGENCIES {
        bus.declare_delivery(&format!("{}{run}", it.application)).await?;
    }
    Ok(())
}

/// Removes the channels of this run's applications.
async fn sweep(broker: bus::Settings, run: &str) -> anyhow::Result<()> {
    let bus = Bus::connect(broker).await?;
    for it in &AGENCIES {
        bus.remove_delivery(&format!("{}{run}", it.application)).await?;
    }
    Ok(())
}

fn settings(folder: &Path, arguments: &Demo) -> anyhow::Result<Settings> {
    let path = |name: &str| folder.join(name).display().to_string();
    let mut layers = Layers::from_parts(None, BTreeMap::new())?
        .flag("registry.folder", path("registry"))
        .flag("claims.folder", path("claims"))
        .flag(
            "journal.database",
            arguments.database.clone().unwrap_or_else(|| path("journal.sqlite")),
        )
        .flag("listen.vendors", "127.0.0.1:0")
        .flag("listen.internal", "127.0.0.1:0")
        .flag("listen.ops", "127.0.0.1:0")
        .flag("telemetry.form", "pretty")
        .flag("telemetry.level", "off");
    if let Some(broker) = &arguments.broker {
        layers = layers.flag("bus.url", broker.clone());
    }
    Ok(Settings::read(&layers)?)
}

fn write_registry(folder: &Path, tokens: &BTreeMap<&str, String>, run: &str) -> anyhow::Result<()> {
    let mut text = String::from("organisations:\n");
    for it in &AGENCIES {
        text.push_str(&format!(
            "  - {{key: {}{run}, name: \"{}\", codes: [\"{}\", \"{}\"]}}\n",
            it.key, it.name, it.code, it.old_code
        ));
    }
    text.push_str(
        "rights:\n  - {from: \"*\", to: \"*\", types: [document, status]}\napplications:\n",
    );
    for it in &AGENCIES {
        let token = tokens.get(it.key).map(|it| token_hash(it)).unwrap_or_default();
        let (documents, statuses) = (it.software.documents(), it.software.statuses());
        text.push_str(&format!(
            "  - id: {}{run}\n    organisation: {}{run}\n    gives: [{documents}, {statuses}]\n    \
             takes: {{document: {documents}, status: {statuses}}}\n    \
             token_sha256: [\"{token}\"]\n",
            it.application, it.key
        ));
    }
    let registry = folder.join("registry");
    std::fs::create_dir_all(&registry)?;
    std::fs::write(registry.join("demo.yaml"), text)?;
    Ok(())
}
