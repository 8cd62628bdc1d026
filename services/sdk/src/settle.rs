//! Answers on their way back: those that are ready go together, and nobody waits for others.

use std::time::Duration;

use prost::Message as _;
use proto::exchange::v1::settled::Outcome;
use proto::exchange::v1::{SettleBatchRequest, SettleRequest, Settled};
use proto::fault::v1::Fault;
use tokio::sync::oneshot;
use tonic::Status;

use crate::Client;
use crate::gather::Gather;
use crate::serve::ServeError;

/// How often an answer is given again when the gateway does not hear it.
const SETTLES: u32 = 5;

/// An answer, and whoever waits until it was heard; one that is let go of never was.
type Waiting = (SettleRequest, oneshot::Sender<()>);

/// Gives answers to the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Settler(Gather<Waiting>);

impl Settler {
    pub(crate) fn new(client: Client) -> Self {
        Self(Gather::new(|(it, _)| it.encoded_len(), move |waiting| call(client.clone(), waiting)))
    }

    /// Gives an answer until the gateway has heard it.
    pub(crate) async fn settle(&self, request: SettleRequest) -> Result<(), ServeError> {
        let (heard, hearing) = oneshot::channel();
        let is_heard = self.0.leave((request, heard)).await && hearing.await.is_ok();
        let failed = || ServeError::Link(Status::unavailable("an answer could not be given"));
        if is_heard { Ok(()) } else { Err(failed()) }
    }
}

/// Gives answers together, and those that were not heard again.
async fn call(mut client: Client, mut waiting: Vec<Waiting>) {
    let mut pause = Duration::from_millis(100);
    for _ in 0..SETTLES {
        let items = waiting.iter().map(|(it, _)| it.clone()).collect();
        match client.settle_batch(SettleBatchRequest { items }).await {
            Ok(response) => waiting = unheard(waiting, response.into_inner().results),
            Err(status) if Fault::from_status(&status).is_some_and(|it| !it.is_retryable()) => {
                tracing::warn!(error = %status.message(), "answers were not taken");
                waiting.drain(..).for_each(|(_, heard)| tell(heard));
            }
            Err(status) => tracing::debug!(error = %status.message(), "answers are given again"),
        }
        if waiting.is_empty() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause *= 3;
    }
}

/// Tells each whose answer was heard; the others are left.
fn unheard(waiting: Vec<Waiting>, results: Vec<Settled>) -> Vec<Waiting> {
    let mut results = results.into_iter();
    let mut left = Vec::new();
    for (request, heard) in waiting {
        let fault = match results.next().and_then(|it| it.outcome) {
            Some(Outcome::Settled(_)) => {
                tell(heard);
                continue;
            }
            Some(Outcome::Refused(refused)) => refused.fault.unwrap_or_default(),
            None => Fault::default(),
        };
        let code = &fault.code;
        if fault.is_retryable() || code.is_empty() {
            tracing::debug!(code, "answer is given again");
            left.push((request, heard));
        } else {
            // The bus decided otherwise meanwhile, and says so in the journal.
            tracing::warn!(code, "answer was not taken");
            tell(heard);
        }
    }
    left
}

fn tell(heard: oneshot::Sender<()>) {
    if heard.send(()).is_err() {
        tracing::debug!("nobody waits any more until the answer is heard");
    }
}
