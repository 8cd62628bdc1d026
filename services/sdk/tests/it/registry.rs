//! A simulated registry with one application, which can be asked whether it has a message.

use std::pin::Pin;

use futures::{Stream, StreamExt as _};
use proto::message::v1::{Organisation, ReceiverClass};
use proto::registry::v1::registry_server::Registry;
use proto::registry::v1::{Application, Snapshot, WatchRequest};
use tonic::{Request, Response, Status};

/// Token of the application.
pub(crate) const TOKEN: &str = "token-a-app";

#[derive(Clone, Debug)]
pub(crate) struct SimulatedRegistry;

#[tonic::async_trait]
impl Registry for SimulatedRegistry {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Snapshot, Status>> + Send>>;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let only = futures::stream::iter([Ok(snapshot())]);
        Ok(Response::new(Box::pin(only.chain(futures::stream::pending()))))
    }
}

fn snapshot() -> Snapshot {
    let application = Application {
        id: "a-app".to_owned(),
        organisation: "a".to_owned(),
        receiver_class: ReceiverClass::Askable.into(),
        token_sha256: vec![bus::Claim::from_content(TOKEN.as_bytes()).sha256_hex()],
        in_hand_max: 64,
        lease_ms: 60_000,
        ..Application::default()
    };
    let (revision, applications) = ("1".to_owned(), vec![application]);
    let organisations = vec![Organisation { key: "a".to_owned(), ..Organisation::default() }];
    Snapshot { revision, organisations, applications, ..Snapshot::default() }
}
