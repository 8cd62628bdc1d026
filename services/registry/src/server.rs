//! The service: the folder's last good state, and every change of it.

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
use crate::folder::stamp;
use crate::mistake::Mistake;

/// Defaults and words of the section `registry`.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// The section `registry`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder of YAML files.
    pub folder: PathBuf,
    /// How often the folder is looked at for changes, milliseconds.
    pub poll_ms: u64,
}

/// Serves the registry; clones share it. Made once, it keeps the last good state while [`run`] ends
/// and starts again.
#[derive(Clone, Debug)]
pub struct Service {
    state: watch::Sender<Arc<Snapshot>>,
    mistakes: watch::Sender<Arc<Vec<Mistake>>>,
    /// Ends the watches of one [`run`].
    ended: watch::Sender<CancellationToken>,
    formats: Option<Arc<[String]>>,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            state: watch::Sender::new(Arc::default()),
            mistakes: watch::Sender::new(Arc::default()),
            ended: watch::Sender::new(CancellationToken::new()),
            formats: None,
        }
    }
}

impl Service {
    /// A registry that allows nothing until [`run`] has read its folder.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with the names that its applications' formats may have.
    #[must_use]
    pub fn knowing(self, formats: impl IntoIterator<Item = String>) -> Self {
        Self { formats: Some(formats.into_iter().collect()), ..self }
    }

    /// The state in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.state.borrow().clone()
    }

    /// What is wrong with the folder as it is now; the state in force is the one before.
    pub fn mistakes(&self) -> Arc<Vec<Mistake>> {
        self.mistakes.borrow().clone()
    }

    /// The end of this run; a new one, when the last run has ended.
    fn begin(&self) -> CancellationToken {
        self.ended.send_if_modified(|ended| {
            let is_over = ended.is_cancelled();
            if is_over {
                *ended = CancellationToken::new();
            }
            is_over
        });
        self.ended.borrow().clone()
    }

    fn take(
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
        // What is in force is good, and serving it is all that anybody waits for.
        health.warn(
            "registry",
            format!("{count} mistakes in its folder; the state before is in force"),
        );
        tracing::warn!(mistakes = count, "the registry's last good state stays in force");
        Ok(())
    }

    fn replace(&self, snapshot: Snapshot) {
        self.state.send_if_modified(|now| {
            let changes = now.revision != snapshot.revision;
            if changes {
                tracing::info!(revision = snapshot.revision, "registry changed");
                *now = Arc::new(snapshot);
            }
            changes
        });
    }
}

/// Reads the folder, and again whenever it changes, until `shutdown`. A folder with mistakes
/// changes nothing; each is warned of.
///
/// # Errors
///
/// There are mistakes, and no good state was ever read: such a registry does not start.
pub async fn run(
    config: Config,
    service: Service,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    // Watches would otherwise keep a draining server waiting.
    let _ended = service.begin().drop_guard();
    let mut seen = None;
    loop {
        let folder = config.folder.clone();
        let now = tokio::task::spawn_blocking(move || stamp(&folder)).await?;
        if seen.as_ref() != Some(&now) {
            let (folder, formats) = (config.folder.clone(), service.formats.clone());
            let reading = move || check(&folder, formats.as_deref());
            let checked = tokio::task::spawn_blocking(reading).await?;
            service.take(checked, &health, &config)?;
            seen = Some(now);
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
        let known = request.into_inner().known_revision;
        let begin = (self.state.subscribe(), known, self.ended.borrow().clone());
        let changes = futures::stream::unfold(begin, |(mut states, mut known, ended)| async move {
            let fresh = |it: &Arc<Snapshot>| !it.revision.is_empty() && it.revision != known;
            let next = tokio::select! {
                () = ended.cancelled() => return None,
                next = states.wait_for(fresh) => Arc::clone(&*next.ok()?),
            };
            known.clone_from(&next.revision);
            Some((Ok(Snapshot::clone(&next)), (states, known, ended)))
        });
        Ok(Response::new(Box::pin(changes)))
    }
}
