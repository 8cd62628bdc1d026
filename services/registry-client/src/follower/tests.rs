//! The follower against a registry whose watches break.

use std::pin::Pin;

use futures::{Stream, StreamExt as _};
use proto::registry::v1::Snapshot;
use proto::registry::v1::registry_server::{Registry, RegistryServer};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::{Request, Response, Status};

use super::*;

/// A registry that sends what the test sends; each watch takes the next item and then ends.
struct BreakingRegistry {
    snapshots: Arc<tokio::sync::Mutex<mpsc::Receiver<Snapshot>>>,
    known_revisions: mpsc::Sender<String>,
}

#[tonic::async_trait]
impl Registry for BreakingRegistry {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Snapshot, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.known_revisions.send(request.into_inner().known_revision).await.unwrap();
        let snapshots = Arc::clone(&self.snapshots);
        let one = async move { snapshots.lock().await.recv().await.ok_or(Status::aborted("over")) };
        Ok(Response::new(futures::stream::once(one).boxed()))
    }
}

fn snapshot(revision: &str) -> Snapshot {
    Snapshot { revision: revision.to_owned(), ..Snapshot::default() }
}

#[tokio::test(start_paused = true)]
async fn a_broken_watch_is_started_again_and_the_last_snapshot_stays_in_force() {
    let (snapshots, receiver) = mpsc::channel(1);
    let (known_revisions, mut known) = mpsc::channel(1);
    let snapshots_shared = Arc::new(tokio::sync::Mutex::new(receiver));
    let registry = BreakingRegistry { snapshots: snapshots_shared, known_revisions };
    let registry = Upstream::local(RegistryServer::new(registry));
    let (health, shutdown) = (Health::new(), CancellationToken::new());
    let follower = RegistryFollower::new("registry copy");
    assert!(follower.directory().is_empty());
    assert!(health.is_ready());

    let following = follower.follow(registry, health.clone(), shutdown.clone());
    assert_eq!(health.failures(), ["registry copy: the registry has not been read yet"]);
    let mut tasks = JoinSet::new();
    tasks.spawn(following);
    let mut changes = follower.subscribe();
    for (before, revision) in [("", "1"), ("1", "2")] {
        assert_eq!(known.recv().await.unwrap(), before);
        assert_eq!(follower.directory().revision(), before);
        snapshots.send(snapshot(revision)).await.unwrap();
        changes.changed().await.unwrap();
        follower.wait_until_ready().await;
        assert_eq!(follower.directory().revision(), revision);
        assert!(health.is_ready());
    }
    assert_eq!(known.recv().await.unwrap(), "2");
    shutdown.cancel();
    tasks.join_next().await.unwrap().unwrap();
    assert_eq!(follower.directory().revision(), "2");
}

#[tokio::test]
async fn a_follower_that_has_a_snapshot_is_ready_at_the_next_start() {
    let follower = RegistryFollower::new("registry copy");
    follower.replace(Directory::new(snapshot("1")));
    let (known_revisions, _known) = mpsc::channel(1);
    let (_snapshots, receiver) = mpsc::channel(1);
    let snapshots = Arc::new(tokio::sync::Mutex::new(receiver));
    let registry = BreakingRegistry { snapshots, known_revisions };
    let registry = Upstream::local(RegistryServer::new(registry));
    let health = Health::new();
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    let following = follower.follow(registry, health.clone(), shutdown);
    assert!(health.is_ready());
    following.await;
    assert!(health.is_ready());
}
