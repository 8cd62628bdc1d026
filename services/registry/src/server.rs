//! The gRPC server: the folder's last snapshot without a mistake, and every change of it.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chassis::health::Health;
use futures::Stream;
use proto::registry::v1::registry_server::Registry;
use proto::registry::v1::{Snapshot, WatchRequest};
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::check::check;
use crate::mistake::Mistake;
use crate::yaml_files::folder_state;

/// Default values and descriptions of the configuration section `registry`.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// The configuration section `registry`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder of YAML files.
    pub folder: PathBuf,
    /// Interval between two checks of the folder for changes, milliseconds.
    pub poll_ms: u64,
}

/// The registry. Clones share its state, which outlives [`run`]: after a restart the last snapshot
/// is still in force.
#[derive(Clone, Debug)]
pub struct Service {
    snapshot: watch::Sender<Arc<Snapshot>>,
    mistakes: watch::Sender<Arc<Vec<Mistake>>>,
    /// Ends the watches when the current [`run`] ends.
    run_end: watch::Sender<CancellationToken>,
    formats: Option<Arc<[String]>>,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            snapshot: watch::Sender::new(Arc::default()),
            mistakes: watch::Sender::new(Arc::default()),
            run_end: watch::Sender::new(CancellationToken::new()),
            formats: None,
        }
    }
}

impl Service {
    /// A registry that allows nothing until [`run`] has read its folder.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same registry, which accepts only these formats in its applications.
    #[must_use]
    pub fn with_formats(self, formats: impl IntoIterator<Item = String>) -> Self {
        Self { formats: Some(formats.into_iter().collect()), ..self }
    }

    /// The snapshot in force; empty before the first.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.borrow().clone()
    }

    /// The mistakes in the folder as it is now. While there are some, an earlier snapshot is in
    /// force.
    pub fn mistakes(&self) -> Arc<Vec<Mistake>> {
        self.mistakes.borrow().clone()
    }

    /// The token that ends the watches of this run; a new one when the last run has ended.
    fn begin_run(&self) -> CancellationToken {
        self.run_end.send_if_modified(|token| {
            let has_ended = token.is_cancelled();
            if has_ended {
                *token = CancellationToken::new();
            }
            has_ended
        });
        self.run_end.borrow().clone()
    }

    /// Puts a snapshot in force, or reports the mistakes that prevent it.
    fn apply(
        &self,
        checked: Result<Snapshot, Vec<Mistake>>,
        health: &Health,
        config: &Config,
    ) -> anyhow::Result<()> {
        let mistakes = match checked {
            Ok(snapshot) => {
                health.well("registry");
                self.mistakes.send_replace(Arc::default());
                self.replace(snapshot);
                return Ok(());
            }
            Err(mistakes) => mistakes,
        };
        for it in &mistakes {
            let (file, line) = (it.file.as_str(), it.line);
            tracing::warn!(file, line, error = %it.fault, "registry has a mistake");
        }
        let count = mistakes.len();
        self.mistakes.send_replace(Arc::new(mistakes));
        if self.snapshot().revision.is_empty() {
            health.unwell("registry", format!("{count} mistakes in its folder"));
            anyhow::bail!(
                "the registry folder {} has {count} mistakes; `lienthong registry check` lists them",
                config.folder.display(),
            );
        }
        // A warning and not a failure: an earlier snapshot is in force, so calls can be answered.
        health.warn(
            "registry",
            format!("{count} mistakes in its folder; the last snapshot stays in force"),
        );
        tracing::warn!(mistakes = count, "registry keeps its last snapshot in force");
        Ok(())
    }

    fn replace(&self, snapshot: Snapshot) {
        self.snapshot.send_if_modified(|current| {
            let has_changed = current.revision != snapshot.revision;
            if has_changed {
                tracing::info!(revision = snapshot.revision, "registry changed");
                *current = Arc::new(snapshot);
            }
            has_changed
        });
    }
}

/// Reads the folder, and again whenever it changes, until `shutdown`. A folder with mistakes
/// changes nothing; each mistake is logged.
///
/// # Errors
///
/// The folder has mistakes and no earlier snapshot is in force.
pub async fn run(
    config: Config,
    service: Service,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    // A watch never ends by itself, so an open one would hold up a server that drains.
    let _run_end = service.begin_run().drop_guard();
    let mut last_state = None;
    loop {
        let folder = config.folder.clone();
        let state = tokio::task::spawn_blocking(move || folder_state(&folder)).await?;
        if last_state.as_ref() != Some(&state) {
            let (folder, formats) = (config.folder.clone(), service.formats.clone());
            let check_folder = move || check(&folder, formats.as_deref());
            let checked = tokio::task::spawn_blocking(check_folder).await?;
            service.apply(checked, &health, &config)?;
            last_state = Some(state);
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(Duration::from_millis(config.poll_ms)) => {}
        }
    }
}

type Snapshots = Pin<Box<dyn Stream<Item = Result<Snapshot, Status>> + Send>>;

#[tonic::async_trait]
impl Registry for Service {
    type WatchStream = Snapshots;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let known_revision = request.into_inner().known_revision;
        let run_end = self.run_end.borrow().clone();
        let begin = (self.snapshot.subscribe(), known_revision, run_end);
        let changes =
            futures::stream::unfold(begin, |(mut snapshots, mut known, run_end)| async move {
                let is_new = |it: &Arc<Snapshot>| !it.revision.is_empty() && it.revision != known;
                let snapshot = tokio::select! {
                    () = run_end.cancelled() => return None,
                    snapshot = snapshots.wait_for(is_new) => Arc::clone(&*snapshot.ok()?),
                };
                known.clone_from(&snapshot.revision);
                Some((Ok(Snapshot::clone(&snapshot)), (snapshots, known, run_end)))
            });
        Ok(Response::new(Box::pin(changes)))
    }
}
