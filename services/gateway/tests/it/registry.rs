//! A simulated registry: two applications with a valid token, and a disabled one.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::Stream;
use proto::message::v1::{Organisation, ReceiverClass};
use proto::registry::v1::registry_server::Registry;
use proto::registry::v1::{Application, Snapshot, WatchRequest};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

/// A registry that sends every snapshot, and counts its watches.
#[derive(Clone)]
pub(crate) struct SimulatedRegistry {
    snapshots: watch::Receiver<Snapshot>,
    watch_count: Arc<AtomicUsize>,
}

impl SimulatedRegistry {
    pub(crate) fn new(snapshots: watch::Receiver<Snapshot>, watch_count: Arc<AtomicUsize>) -> Self {
        Self { snapshots, watch_count }
    }
}

#[tonic::async_trait]
impl Registry for SimulatedRegistry {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Snapshot, Status>> + Send>>;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        self.watch_count.fetch_add(1, Ordering::SeqCst);
        let snapshots = futures::StreamExt::map(WatchStream::new(self.snapshots.clone()), Ok);
        Ok(Response::new(Box::pin(snapshots)))
    }
}

pub(crate) fn snapshot() -> Snapshot {
    let application = |id: &str, disabled: bool| Application {
        id: id.to_owned(),
        organisation: id.trim_end_matches("-app").to_owned(),
        receiver_class: ReceiverClass::Neither.into(),
        token_sha256: vec![bus::Claim::from_content(format!("token-{id}").as_bytes()).sha256_hex()],
        in_hand_max: 4,
        lease_ms: 60_000,
        disabled,
        ..Application::default()
    };
    let organisation = |key: &str| Organisation { key: key.to_owned(), ..Organisation::default() };
    Snapshot {
        revision: "1".to_owned(),
        organisations: vec![organisation("a"), organisation("c"), organisation("d")],
        applications: vec![
            application("a-app", false),
            application("c-app", true),
            application("d-app", false),
        ],
        ..Snapshot::default()
    }
}
