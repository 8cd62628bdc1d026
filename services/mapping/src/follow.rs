//! This service's copy of the registry, which outlives the registry's absence.

use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use chassis::Upstream;
use proto::registry::v1::WatchRequest;
use proto::registry::v1::registry_client::RegistryClient;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::directory::Directory;

/// Largest state of the registry that is taken.
const SNAPSHOT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The state in force; clones share it.
#[derive(Clone, Debug)]
pub struct Registered {
    current: Arc<ArcSwap<Directory>>,
    revision: watch::Sender<String>,
}

impl Default for Registered {
    fn default() -> Self {
        Self { current: Arc::default(), revision: watch::Sender::new(String::new()) }
    }
}

impl Registered {
    /// Nothing is known yet, so nothing is allowed.
    pub fn new() -> Self {
        Self::default()
    }

    /// The state now. Keep it for one message only.
    pub fn now(&self) -> Arc<Directory> {
        self.current.load_full()
    }

    /// Puts another state in force.
    pub fn replace(&self, directory: Directory) {
        let revision = directory.revision().to_owned();
        self.current.store(Arc::new(directory));
        self.revision.send_replace(revision);
    }

    /// Waits until a first state is in force.
    pub async fn ready(&self) {
        let mut revisions = self.revision.subscribe();
        if revisions.wait_for(|it| !it.is_empty()).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Follows the registry until `shutdown`. The copy stays in force when this fails.
///
/// # Errors
///
/// The registry went away; start again.
pub async fn follow(
    registry: Upstream,
    registered: Registered,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut client = RegistryClient::new(registry).max_decoding_message_size(SNAPSHOT_BYTES_MAX);
    let request = WatchRequest { known_revision: registered.now().revision().to_owned() };
    let watching = async {
        let mut states =
            client.watch(request).await.context("the registry cannot be watched")?.into_inner();
        while let Some(state) = states.message().await.context("the registry's watch broke")? {
            tracing::info!(revision = state.revision, "registry read");
            registered.replace(Directory::new(state));
        }
        anyhow::bail!("the registry ended its watch")
    };
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        ended = watching => ended,
    }
}
