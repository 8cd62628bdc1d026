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

use crate::check::{check, stamp};
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

/// Serves the registry; clones share it.
#[derive(Clone, Debug)]
pub struct Service {
    state: watch::Sender<Arc<Snapshot>>,
    ended: CancellationToken,
}

impl Default for Service {
    fn default() -> Self {
        Self { state: watch::Sender::new(Arc::default()), ended: CancellationToken::new() }
    }
}

impl Service {
    /// A registry that allows nothing until [`run`] has read its folder.
    pub fn new() -> Self {
        Self::default()
    }

    /// The state in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.state.borrow().clone()
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
                self.replace(snapshot);
                return Ok(());
            }
            Err(mistakes) => mistakes,
        };
        for it in &mistakes {
            let (file, line) = (it.file.as_str(), it.line);
            tracing::error!(file, line, error = %it.fault, "registry has a mistake");
        }
        health.unwell("registry", format!("{} mistakes in its folder", mistakes.len()));
        anyhow::ensure!(
            !self.snapshot().revision.is_empty(),
            "the registry folder {} has {} mistakes; `lienthong registry check` lists them",
            config.folder.display(),
            mistakes.len()
        );
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
/// changes nothing; each is logged and readiness says so.
///
/// # Errors
///
/// The first reading finds mistakes: a registry without a good state does not start.
pub async fn run(
    config: Config,
    service: Service,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut seen = None;
    loop {
        let folder = config.folder.clone();
        let now = tokio::task::spawn_blocking(move || stamp(&folder)).await?;
        if seen.as_ref() != Some(&now) {
            let folder = config.folder.clone();
            let checked = tokio::task::spawn_blocking(move || check(&folder)).await?;
            service.take(checked, &health, &config)?;
            seen = Some(now);
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(Duration::from_millis(config.poll_ms)) => {}
        }
    }
    // Watches would otherwise keep a draining server waiting.
    service.ended.cancel();
    Ok(())
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
        let begin = (self.state.subscribe(), known, self.ended.clone());
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
