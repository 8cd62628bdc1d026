//! Formats are loaded from their folder: what is new comes into force, and a mistake changes nothing.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use chassis::Upstream;
use chassis::health::Health;
use parking_lot::Mutex;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::format_store_server::{FormatStore, FormatStoreServer};
use proto::journal::v1::*;
use proto::registry::v1::registry_administration_client::RegistryAdministrationClient;
use proto::registry::v1::registry_administration_server::RegistryAdministrationServer;
use proto::registry::v1::{FormatDescription, InspectRequest, InspectResponse};
use registry::{FormatEngine, FormatFile, FormatSources, FormatsConfig, Service};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::GOOD;

/// An engine of texts `NAME VERSION`; it panics at the text `panic`.
#[derive(Debug)]
struct Words;

impl FormatEngine for Words {
    fn shipped(&self) -> Vec<FormatDescription> {
        let names = ["edxml.document", "edxml.status"];
        names.map(|name| FormatDescription { name: name.to_owned(), ..Default::default() }).into()
    }

    fn load(&self, files: &[FormatFile]) -> Vec<Result<FormatDescription, Fault>> {
        let load = |it: &FormatFile| {
            assert_ne!(it.text, "panic");
            let words: Vec<&str> = it.text.trim().splitn(2, ' ').collect();
            let version = words.get(1).and_then(|it| it.split(' ').next()?.parse().ok());
            Ok(FormatDescription {
                name: words[0].to_owned(),
                version: version.ok_or_else(|| Fault::new(&code::LT_FMT_020))?,
                hash: format!("hash of {}", it.text),
                title: String::new(),
                file: it.file.clone(),
                text: it.text.clone(),
            })
        };
        files.iter().map(load).collect()
    }
}

/// A store that keeps what it gets, refuses these hashes, or cannot be called.
#[derive(Clone, Debug, Default)]
struct Store(Arc<Mutex<StoreState>>);

#[derive(Debug, Default)]
struct StoreState {
    is_away: bool,
    stored: Vec<String>,
    conflicts: Vec<StoredFormat>,
}

#[tonic::async_trait]
impl FormatStore for Store {
    async fn store_formats(
        &self,
        request: Request<StoreFormatsRequest>,
    ) -> Result<Response<StoreFormatsResponse>, Status> {
        let mut state = self.0.lock();
        if state.is_away {
            return Err(Status::unavailable("away"));
        }
        let hashes = request.into_inner().formats.into_iter().map(|it| it.hash);
        state.stored.extend(hashes);
        Ok(Response::new(StoreFormatsResponse { conflicts: state.conflicts.clone() }))
    }

    async fn list_formats(
        &self,
        _: Request<ListFormatsRequest>,
    ) -> Result<Response<ListFormatsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_format(
        &self,
        _: Request<GetFormatRequest>,
    ) -> Result<Response<GetFormatResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

/// A running registry over two folders.
struct Running {
    folders: TempDir,
    service: Service,
    store: Store,
    health: Health,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Running {
    /// A registry in which these descriptions lie from the start.
    async fn start(registry: &str, formats: &[(&str, &str)]) -> Self {
        let folders = tempfile::tempdir().unwrap();
        fs::create_dir_all(folders.path().join("registry")).unwrap();
        fs::create_dir_all(folders.path().join("formats")).unwrap();
        fs::write(folders.path().join("registry/all.yaml"), registry).unwrap();
        for (file, text) in formats {
            fs::write(folders.path().join("formats").join(file), text).unwrap();
        }
        Self::start_in(folders, Store::default()).await
    }

    async fn start_in(folders: TempDir, store: Store) -> Self {
        let config = FormatsConfig {
            folder: folders.path().join("formats"),
            description_bytes_max: 100,
            descriptions_max: 10,
            total_bytes_max: 1000,
        };
        let upstream = Upstream::local(FormatStoreServer::new(store.clone()));
        let sources = FormatSources { config, engine: Arc::new(Words), store: Some(upstream) };
        let service = Service::new().with_formats(sources);
        let (health, stop, mut tasks) = (Health::new(), CancellationToken::new(), JoinSet::new());
        let config = registry::Config {
            folder: folders.path().join("registry"),
            poll_ms: 10,
            state_file: folders.path().join("state"),
        };
        tasks.spawn(registry::run(config, service.clone(), health.clone(), stop.clone()));
        Self { folders, service, store, health, stop, tasks }
    }

    async fn restart(mut self) -> Self {
        self.stop.cancel();
        self.tasks.join_next().await.unwrap().unwrap().unwrap();
        Self::start_in(self.folders, self.store).await
    }

    async fn wait_until_ready(&self) {
        while self.service.snapshot().revision.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn write_format(&self, file: &str, text: &str) {
        fs::write(self.folders.path().join("formats").join(file), text).unwrap();
    }

    fn remove_format(&self, file: &str) {
        fs::remove_file(self.folders.path().join("formats").join(file)).unwrap();
    }

    fn write_registry(&self, text: &str) {
        fs::write(self.folders.path().join("registry/all.yaml"), text).unwrap();
    }

    /// Texts of the loaded formats that watchers have.
    fn texts(&self) -> Vec<String> {
        self.service.snapshot().formats.iter().map(|it| it.text.clone()).collect()
    }

    /// Codes of the mistakes in the folder of formats.
    fn codes(&self) -> Vec<String> {
        self.service.format_mistakes().iter().map(|it| it.fault.code.clone()).collect()
    }

    /// Waits until watchers have these formats, and the folder has these mistakes.
    async fn wait_for(&self, texts: &[&str], codes: &[&str]) {
        for _ in 0..500 {
            if self.texts() == texts && self.codes() == codes {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!((self.texts(), self.codes()), (strings(texts), strings(codes)));
    }

    async fn inspect(&self) -> InspectResponse {
        let server = RegistryAdministrationServer::new(self.service.clone());
        let mut client = RegistryAdministrationClient::new(Upstream::local(server));
        client.inspect(InspectRequest {}).await.unwrap().into_inner()
    }
}

fn strings(of: &[&str]) -> Vec<String> {
    of.iter().map(|it| (*it).to_owned()).collect()
}

fn using(format: &str) -> String {
    GOOD.replace("gives: [edxml.document]", &format!("gives: [edxml.document, {format}]"))
}

#[tokio::test]
async fn a_dropped_description_is_sent_to_watchers_and_may_be_named_at_once() {
    let running = Running::start(GOOD, &[]).await;
    running.wait_until_ready().await;
    let before = running.service.snapshot().revision.clone();
    running.write_format("letter.yaml", "letter 1");
    running.write_registry(&using("letter"));
    running.wait_for(&["letter 1"], &[]).await;
    for _ in 0..500 {
        if running.service.snapshot().applications[0].gives.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(running.service.snapshot().applications[0].gives, ["edxml.document", "letter"]);
    assert_ne!(running.service.snapshot().revision, before);
    assert_eq!(running.store.0.lock().stored, ["hash of letter 1"]);
    let state = running.inspect().await;
    assert_eq!((state.shipped_formats.len(), state.loaded_formats.len()), (2, 1));
    assert_eq!(state.loaded_formats[0].text, "", "a list has no texts");
    assert_eq!(state.revision, running.service.snapshot().revision);
}

#[tokio::test]
async fn a_mistake_keeps_the_last_version_over_a_restart_and_is_shown() {
    let running = Running::start(&using("letter"), &[("letter.yaml", "letter 1")]).await;
    running.wait_for(&["letter 1"], &[]).await;
    for (text, code) in [
        ("letter", "LT-FMT-020"),
        ("letter 1 changed", "LT-FMT-027"),
        ("other 2", "LT-FMT-030"),
        (&"letter 2 ".repeat(20), "LT-FMT-025"),
    ] {
        running.write_format("letter.yaml", text);
        running.wait_for(&["letter 1"], &[code]).await;
    }
    assert!(running.health.is_ready(), "it is a warning");
    let state = running.inspect().await;
    assert_eq!(state.format_mistakes[0].file, "letter.yaml");
    let running = running.restart().await;
    running.wait_for(&["letter 1"], &["LT-FMT-025"]).await;
    running.write_format("letter.yaml", "letter 2");
    running.wait_for(&["letter 2"], &[]).await;
}

#[tokio::test]
async fn a_format_in_use_stays_without_its_file_until_nobody_uses_it() {
    let running = Running::start(&using("letter"), &[("letter.yaml", "letter 1")]).await;
    running.wait_for(&["letter 1"], &[]).await;
    running.write_format("form.yaml", "form 1");
    running.wait_for(&["form 1", "letter 1"], &[]).await;
    running.remove_format("letter.yaml");
    running.remove_format("form.yaml");
    running.wait_for(&["letter 1"], &["LT-FMT-028"]).await;
    let running = running.restart().await;
    running.wait_for(&["letter 1"], &["LT-FMT-028"]).await;
    running.write_registry(GOOD);
    running.wait_for(&[], &[]).await;
}

#[tokio::test]
async fn a_format_comes_into_force_once_the_journal_keeps_it() {
    let running = Running::start(GOOD, &[]).await;
    running.wait_until_ready().await;
    running.store.0.lock().is_away = true;
    running.write_format("letter.yaml", "letter 1");
    running.wait_for(&[], &["LT-FMT-032"]).await;
    running.store.0.lock().is_away = false;
    running.wait_for(&["letter 1"], &[]).await;
    let other = StoredFormat {
        hash: "other".into(),
        name: "letter".into(),
        version: 2,
        ..Default::default()
    };
    running.store.0.lock().conflicts = vec![other];
    running.write_format("letter.yaml", "letter 2");
    running.wait_for(&["letter 1"], &["LT-FMT-027"]).await;
    running.write_format("letter.yaml", "letter 3");
    running.wait_for(&["letter 3"], &[]).await;
}

#[tokio::test]
async fn the_very_first_start_does_not_wait_for_the_journal() {
    let folders = tempfile::tempdir().unwrap();
    for (path, text) in
        [("registry/all.yaml", &*using("letter")), ("formats/letter.yaml", "letter 1")]
    {
        let path = folders.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let store = Store::default();
    store.0.lock().is_away = true;
    let running = Running::start_in(folders, store).await;
    running.wait_for(&["letter 1"], &[]).await;
    assert_eq!(running.service.snapshot().applications.len(), 1);
}

#[tokio::test]
async fn a_description_that_ends_the_engine_changes_nothing() {
    let running = Running::start(GOOD, &[("letter.yaml", "letter 1")]).await;
    running.wait_for(&["letter 1"], &[]).await;
    running.write_format("broken.yaml", "panic");
    tokio::time::sleep(Duration::from_millis(200)).await;
    running.wait_for(&["letter 1"], &[]).await;
    running.write_format("broken.yaml", "broken 1");
    running.wait_for(&["broken 1", "letter 1"], &[]).await;
}

#[tokio::test]
async fn a_registry_that_names_a_broken_description_says_so() {
    let running = Running::start(GOOD, &[("letter.yaml", "letter")]).await;
    running.wait_for(&[], &["LT-FMT-020"]).await;
    running.write_registry(&using("letter"));
    for _ in 0..500 {
        if !running.service.mistakes().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(running.service.mistakes()[0].fault.code, "LT-REG-022");
    running.write_format("letter.yaml", "letter 1");
    running.wait_for(&["letter 1"], &[]).await;
    for _ in 0..500 {
        if running.service.mistakes().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(*running.service.mistakes(), []);
}
