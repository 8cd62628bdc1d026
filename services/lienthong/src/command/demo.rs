//! `demo`: agencies with different software exchange documents, and everything that can go wrong
//! at the door does. Nothing has to be installed.

mod agency;
mod office;
mod paper;
mod report;
mod story;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use chassis::config::Layers;
use chassis::health::Health;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::cli::{Demo, Link};
use crate::command::up::{fresh_token, internal_token, token_hash};
use crate::screen::{Ending, Screen};
use crate::settings::Settings;
use crate::system::{Doors, Start, run_all};
use crate::view;

use self::agency::AGENCIES;
use self::office::Office;
use self::story::tell;

/// The longest the whole demonstration may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Shows the main job, and says whether all was as promised.
pub(crate) async fn run(screen: Screen, arguments: &Demo) -> anyhow::Result<Ending> {
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let tokens: BTreeMap<&str, String> =
        AGENCIES.iter().map(|it| (it.key, fresh_token())).collect();
    // On a broker that others use as well, this demonstration's applications have names of its own.
    let run = Uuid::new_v4().simple().to_string().chars().take(6).collect::<String>();
    let settings = settings(folder.path(), arguments)?;
    write_registry(folder.path(), &tokens, &run)?;
    let token = internal_token(&folder.path().join("internal.token"))?;
    let telemetry = chassis::telemetry::init("demo", &settings.telemetry)?;
    let doors = Doors::open(&settings, None)?;
    let (gateway, internal) = (doors.vendors()?, doors.internal()?);
    let shutdown = CancellationToken::new();
    let mut working = JoinSet::new();
    let health = Health::new();
    let start = Start { settings, token, health: health.clone(), telemetry };
    let stop = shutdown.clone();
    working.spawn(async move {
        chassis::supervise("demo", &stop, || run_all(&start, &doors, stop.clone())).await;
    });
    screen.note(screen.say(
        "Trình diễn: bốn cơ quan, hai loại phần mềm, một trục liên thông.",
        "Demonstration: four agencies, two kinds of software, one bus.",
    ));
    let offices: Vec<Office> = AGENCIES
        .iter()
        .map(|agency| {
            let token = tokens.get(agency.key).cloned().unwrap_or_default();
            Office::open(
                agency,
                &run,
                (format!("http://{gateway}"), token),
                (&mut working, &shutdown),
            )
        })
        .collect();
    let told = tokio::time::timeout(LIMIT, async {
        ready(&health, &mut working).await?;
        tell(screen, &offices, arguments.documents).await
    });
    let outcome = told.await.context("the demonstration took too long");
    let (report, shown) = match outcome.and_then(|it| it) {
        Ok(told) => told,
        Err(error) => {
            shutdown.cancel();
            return Err(error);
        }
    };
    let link = Link {
        internal: format!("http://{internal}"),
        data: folder.path().to_owned(),
        internal_token_file: None,
    };
    let journeys = journeys(screen, &link, &shown).await?;
    let transport = if arguments.broker.is_some() { "rabbitmq" } else { "embedded" };
    if screen.json {
        screen.value(&report.json(transport, &journeys));
    } else {
        report.print(screen);
    }
    shutdown.cancel();
    let drained = async { while working.join_next().await.is_some() {} };
    if tokio::time::timeout(Duration::from_secs(10), drained).await.is_err() {
        screen.note(screen.say("Dừng chưa gọn.", "The stop was not clean."));
    }
    Ok(if report.is_kept() { Ending::Done } else { Ending::Failed })
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
            "  - {{key: {}, name: \"{}\", codes: [\"{}\", \"{}\"]}}\n",
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
            "  - id: {}-{run}\n    organisation: {}\n    gives: [{documents}, {statuses}]\n    \
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

async fn ready(health: &Health, working: &mut JoinSet<()>) -> anyhow::Result<()> {
    let mut look = tokio::time::interval(Duration::from_millis(10));
    let mut well = 0;
    // Every part says "unwell" before it says "well", so a moment of silence is not yet readiness.
    while well < 3 {
        look.tick().await;
        well = if health.is_ready() { well + 1 } else { 0 };
        anyhow::ensure!(working.try_join_next().is_none(), "a part of the demonstration ended");
    }
    Ok(())
}

/// The journeys of the messages the story points at, printed as they are read.
async fn journeys(screen: Screen, link: &Link, shown: &[String]) -> anyhow::Result<Vec<Value>> {
    let mut journal = crate::command::find::journal(link)?;
    let mut all = Vec::new();
    for message_id in shown {
        let request = proto::journal::v1::JourneyRequest { message_id: message_id.clone() };
        let journey = journal.journey(request).await?.into_inner();
        if !screen.json {
            screen.line("");
            view::journey(screen, &journey);
        }
        all.push(view::journey_json(&journey));
    }
    Ok(all)
}
