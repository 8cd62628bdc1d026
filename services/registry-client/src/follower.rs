//! Keeps a process's copy of the registry up to date.

use std::sync::Arc;

use anyhow::Context as _;
use chassis::Upstream;
use chassis::health::Health;
use proto::registry::v1::WatchRequest;
use proto::registry::v1::registry_client::RegistryClient;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::directory::Directory;

/// Largest snapshot that is read: a province has some thousands of organisations, about 1 kB each.
const SNAPSHOT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The snapshot in force, and the watch that replaces it. Clones share both.
///
/// A process that restarts a service passes the same follower in again, so the last snapshot stays
/// in force when the registry cannot be reached at that moment.
#[derive(Clone, Debug)]
pub struct RegistryFollower {
    /// Name of this follower in health and in the log.
    name: &'static str,
    current: watch::Sender<Arc<Directory>>,
}

impl RegistryFollower {
    /// A follower that has no snapshot yet, so nothing is allowed. `name` is its condition in
    /// health, and must differ from that of every other follower in the process.
    pub fn new(name: &'static str) -> Self {
        Self { name, current: watch::Sender::new(Arc::default()) }
    }

    /// The snapshot in force. Take it once for each message, so that one decision sees one state.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.current.borrow())
    }

    /// Puts another snapshot in force and wakes every subscriber.
    pub fn replace(&self, directory: Directory) {
        self.current.send_replace(Arc::new(directory));
    }

    /// The snapshots, for a task that acts on every change. The first one it sees may be empty.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Directory>> {
        self.current.subscribe()
    }

    /// Waits until a first snapshot is in force.
    pub async fn wait_until_ready(&self) {
        let mut snapshots = self.subscribe();
        let is_read = |it: &Arc<Directory>| !it.is_empty();
        if snapshots.wait_for(is_read).await.is_err() {
            // Cannot happen: `self` holds the sender.
            std::future::pending::<()>().await;
        }
    }

    /// Follows the registry until `shutdown`; a watch that breaks is started again by
    /// [`chassis::supervise()`].
    ///
    /// Health says whether there is a snapshot before this function returns its future, so that a
    /// process is never ready between its start and the first poll.
    pub fn follow(
        &self,
        registry: Upstream,
        health: Health,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> {
        if self.directory().is_empty() {
            health.unwell(self.name, "the registry has not been read yet");
        } else {
            health.well(self.name);
        }
        let follower = self.clone();
        async move {
            let watch = || follower.watch(registry.clone(), &health, &shutdown);
            chassis::supervise(follower.name, &shutdown, watch).await;
        }
    }

    async fn watch(
        &self,
        registry: Upstream,
        health: &Health,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut client =
            RegistryClient::new(registry).max_decoding_message_size(SNAPSHOT_BYTES_MAX);
        let request = WatchRequest { known_revision: self.directory().revision().to_owned() };
        let watching = async {
            let response = client.watch(request).await.context("the registry cannot be watched")?;
            let mut snapshots = response.into_inner();
            let broken = "the registry's watch broke";
            while let Some(snapshot) = snapshots.message().await.context(broken)? {
                tracing::info!(service = self.name, revision = snapshot.revision, "registry read");
                self.replace(Directory::new(snapshot));
                health.well(self.name);
            }
            anyhow::bail!("the registry ended its watch")
        };
        tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            outcome = watching => outcome,
        }
    }
}

#[cfg(test)]
#[path = "follower/tests.rs"]
mod tests;
