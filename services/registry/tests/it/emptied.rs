//! A folder that loses much at once changes nothing until an operator says so, also over a restart.

use std::fs;
use std::path::Path;
use std::time::Duration;

use chassis::Upstream;
use chassis::health::Health;
use proto::fault::v1::Fault;
use proto::registry::v1::registry_administration_client::RegistryAdministrationClient;
use proto::registry::v1::registry_administration_server::RegistryAdministrationServer;
use proto::registry::v1::{ApplyRequest, InspectRequest, InspectResponse};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{GOOD, folder};

const POLL_MS: u64 = 20;

/// A running registry whose revision is stored.
struct Running {
    folder: TempDir,
    state: TempDir,
    service: registry::Service,
    health: Health,
    shutdown: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Running {
    fn start(folder: TempDir, state: TempDir) -> Self {
        let (service, health) = (registry::Service::new(), Health::new());
        let shutdown = CancellationToken::new();
        let config = registry::Config {
            folder: folder.path().to_owned(),
            poll_ms: POLL_MS,
            state_file: state.path().join("registry.applied"),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(registry::run(config, service.clone(), health.clone(), shutdown.clone()));
        Self { folder, state, service, health, shutdown, tasks }
    }

    async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    async fn restart_with(mut self, change: impl FnOnce(&Path)) -> Self {
        self.shutdown.cancel();
        self.tasks.join_next().await.unwrap().unwrap().unwrap();
        change(self.folder.path());
        Self::start(self.folder, self.state)
    }

    fn write(&self, text: &str) {
        fs::write(self.folder.path().join("all.yaml"), text).unwrap();
    }

    /// Until several looks have passed.
    async fn looks(&self) {
        tokio::time::sleep(Duration::from_millis(8 * POLL_MS)).await;
    }

    fn counts(&self) -> (usize, usize) {
        let snapshot = self.service.snapshot();
        (snapshot.organisations.len(), snapshot.applications.len())
    }

    async fn wait_for_counts(&self, expected: (usize, usize)) {
        let waiting = async {
            while self.counts() != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
    }

    fn client(&self) -> RegistryAdministrationClient<Upstream> {
        let server = RegistryAdministrationServer::new(self.service.clone());
        RegistryAdministrationClient::new(Upstream::local(server))
    }

    async fn inspect(&self) -> InspectResponse {
        self.client().inspect(InspectRequest {}).await.unwrap().into_inner()
    }

    async fn apply(&self, revision: &str, reason: &str) -> Result<(), Fault> {
        let (revision, reason) = (revision.to_owned(), reason.to_owned());
        let request = ApplyRequest { revision, actor: "lan".to_owned(), reason };
        let applied = self.client().apply(request).await;
        applied.map(drop).map_err(|it| Fault::from_status(&it).unwrap())
    }
}

async fn start() -> Running {
    let running = Running::start(folder(GOOD), tempfile::tempdir().unwrap());
    running.wait_for_counts((2, 1)).await;
    running
}

#[tokio::test]
async fn an_emptied_file_changes_nothing_and_is_reported_until_it_is_written_again() {
    let running = start().await;
    let half = GOOD.get(..GOOD.len() / 4).unwrap();
    for text in ["", "\n", "# only a comment\n", "organisations: []\n", half] {
        running.write(text);
        running.looks().await;
        assert_eq!(running.counts(), (2, 1), "{text:?}");
        assert!(running.health.is_ready());
        assert_eq!(running.health.warnings().len(), 1, "{text:?}");
    }
    running.write("");
    running.looks().await;
    let warning = running.health.warnings().remove(0);
    assert!(warning.contains("2 of 2 organisations, 1 of 1 applications"), "{warning}");
    let pending = running.inspect().await.pending.unwrap();
    assert_eq!(pending.losses.unwrap().organisations, ["mttq", "tinhuy"]);
    running.write(GOOD);
    running.looks().await;
    assert!(running.health.warnings().is_empty());
    assert_eq!(running.inspect().await.pending, None);
}

#[tokio::test]
async fn a_change_that_no_two_looks_have_seen_does_not_count() {
    let running = start().await;
    let renamed = GOOD.replace("MTTQ", "Mặt trận");
    let writing = async {
        // Written again and again between two looks, as by a slow copy.
        let lengths = (0..renamed.len()).step_by(renamed.len() / 40);
        for half in lengths.filter_map(|it| renamed.get(..it)) {
            running.write(half);
            tokio::time::sleep(Duration::from_millis(POLL_MS / 4)).await;
        }
    };
    let check = || assert_eq!(running.counts(), (2, 1));
    let watching = async {
        for _ in 0..60 {
            check();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::join!(writing, watching);
    running.write(&renamed);
    running.looks().await;
    assert_eq!(running.service.snapshot().organisations[1].name, "Ủy ban Mặt trận");
}

#[tokio::test]
async fn a_missing_folder_and_a_lost_file_change_nothing() {
    let running = start().await;
    fs::remove_file(running.folder.path().join("all.yaml")).unwrap();
    running.looks().await;
    assert_eq!((running.counts(), running.health.warnings().len()), ((2, 1), 1));
    fs::remove_dir(running.folder.path()).unwrap();
    running.looks().await;
    assert_eq!((running.counts(), running.health.warnings().len()), ((2, 1), 1));
    assert_eq!(running.inspect().await.mistakes[0].fault.clone().unwrap().code, "LT-REG-012");
    fs::create_dir(running.folder.path()).unwrap();
    running.write(GOOD);
    running.looks().await;
    assert!(running.health.warnings().is_empty());
}

#[tokio::test]
async fn an_operator_puts_a_loss_in_force_and_the_record_outlives_a_restart() {
    let running = start().await;
    running.write("organisations:\n  - {key: other, name: B}\n");
    running.looks().await;
    let pending = running.inspect().await.pending.unwrap();
    assert_eq!(running.apply("another revision", "why").await.unwrap_err().code, "LT-REG-020");
    assert_eq!(running.apply(&pending.revision, " ").await.unwrap_err().code, "LT-REG-003");
    assert_eq!(running.counts(), (2, 1));
    running.apply(&pending.revision, "the province was merged").await.unwrap();
    assert_eq!(running.counts(), (1, 0));
    let again = running.apply(&pending.revision, "again").await.unwrap_err();
    assert_eq!(again.code, "LT-REG-020");
    running.looks().await;
    assert!(running.health.warnings().is_empty());
    let running = running.restart().await;
    running.wait_for_counts((1, 0)).await;
    let forced = running.inspect().await.forced.remove(0);
    assert_eq!((forced.actor.as_str(), forced.reason.as_str()), ("lan", "the province was merged"));
    assert_eq!(forced.to_revision, pending.revision);
    assert_eq!(forced.losses.unwrap().applications, ["tinhuy-vanban"]);
}

#[tokio::test]
async fn a_restart_keeps_the_last_good_revision_although_the_folder_is_empty_or_broken() {
    let mut running = start().await;
    for text in ["", "organisations: 7\n", "organisations: [\n"] {
        let write = |folder: &Path| fs::write(folder.join("all.yaml"), text).unwrap();
        running = running.restart_with(write).await;
        running.looks().await;
        assert_eq!((running.counts(), running.health.is_ready()), ((2, 1), true), "{text:?}");
        assert_eq!(running.health.warnings().len(), 1, "{text:?}");
    }
    running.write(&GOOD.replace("MTTQ", "Mặt trận"));
    running.looks().await;
    let running = running.restart().await;
    running.wait_for_counts((2, 1)).await;
    assert_eq!(running.service.snapshot().organisations[1].name, "Ủy ban Mặt trận");
}

#[tokio::test]
async fn a_first_start_with_an_empty_folder_is_well() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder, tempfile::tempdir().unwrap());
    running.looks().await;
    assert!(running.health.is_ready() && running.health.warnings().is_empty());
    assert_eq!(running.inspect().await.revision.len(), 64);
    running.write(GOOD);
    running.wait_for_counts((2, 1)).await;
}

#[tokio::test]
async fn a_revision_that_cannot_be_stored_is_in_force_and_reported() {
    let state = tempfile::tempdir().unwrap();
    // A folder in the file's place.
    let blocked = state.path().join("registry.applied");
    fs::create_dir(&blocked).unwrap();
    let running = Running::start(folder(GOOD), state);
    running.wait_for_counts((2, 1)).await;
    running.looks().await;
    assert!(running.health.is_ready());
    assert!(running.health.warnings()[0].starts_with("registry.state: "));
    running.write("");
    running.looks().await;
    let revision = running.inspect().await.pending.unwrap().revision;
    assert_eq!(running.apply(&revision, "meant").await.unwrap_err().code, "LT-REG-021");
    assert_eq!(running.counts(), (2, 1), "a change without its record is not in force");
    fs::remove_dir(&blocked).unwrap();
    running.looks().await;
    running.apply(&revision, "meant").await.unwrap();
}

#[tokio::test]
async fn the_shared_case_emptied_for_two_seconds_changes_nothing() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/cases/C01-registry-emptied-live/good.yaml");
    let Ok(good) = fs::read_to_string(&case) else {
        println!("{} is not here; the project's own inputs are tried alone", case.display());
        return;
    };
    let running = Running::start(folder(&good), tempfile::tempdir().unwrap());
    running.wait_for_counts((2, 2)).await;
    let revision = running.service.snapshot().revision.clone();
    running.write("");
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(running.service.snapshot().revision, revision);
    }
    assert_eq!(running.health.warnings().len(), 1);
    running.write(&good);
    running.looks().await;
    assert_eq!(running.service.snapshot().revision, revision);
    assert!(running.health.warnings().is_empty());
}
