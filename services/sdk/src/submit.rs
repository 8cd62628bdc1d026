//! Items on their way out: small ones that are ready go together.

use prost::Message as _;
use proto::exchange::v1::submit_request::Body;
use proto::exchange::v1::submitted::Outcome;
use proto::exchange::v1::{SubmitBatchRequest, SubmitRequest, SubmitResponse};
use proto::fault::v1::Fault;
use tokio::sync::oneshot;
use tonic::Status;

use crate::Client;
use crate::gather::Gather;

type Answer = Result<SubmitResponse, Status>;

/// An item, and whoever waits for its receipt.
type Waiting = (SubmitRequest, oneshot::Sender<Answer>);

/// Gives items to the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Submitter {
    client: Client,
    small: Gather<Waiting>,
}

impl Submitter {
    pub(crate) fn new(client: Client) -> Self {
        let own = client.clone();
        let bytes = |(it, _): &Waiting| it.encoded_len();
        let small = Gather::new(bytes, move |waiting| call(own.clone(), waiting));
        Self { client, small }
    }

    /// Gives an item once, together with others if it is small.
    pub(crate) async fn submit(&self, request: SubmitRequest) -> Answer {
        let is_small =
            matches!(request.body, Some(Body::Inline(_))) && request.attachments.is_empty();
        if !is_small {
            return self.submit_alone(request).await;
        }
        let (answer, answered) = oneshot::channel();
        let is_left = self.small.leave((request, answer)).await;
        let lost = || Status::unavailable("the item could not be submitted");
        if is_left { answered.await.map_err(|_gone| lost())? } else { Err(lost()) }
    }

    /// Gives an item once, by itself: what others are in trouble for is not its own.
    pub(crate) async fn submit_alone(&self, request: SubmitRequest) -> Answer {
        alone(self.client.clone(), request).await
    }
}

async fn alone(mut client: Client, request: SubmitRequest) -> Answer {
    client.submit(request).await.map(tonic::Response::into_inner)
}

async fn call(client: Client, waiting: Vec<Waiting>) {
    let (items, answers): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
    for (answer, outcome) in answers.into_iter().zip(together(client, items).await) {
        if answer.send(outcome).is_err() {
            tracing::debug!("nobody waits any more for a receipt");
        }
    }
}

/// Gives items in one call: an answer for each.
async fn together(mut client: Client, mut items: Vec<SubmitRequest>) -> Vec<Answer> {
    let count = items.len();
    if let Some(only) = items.pop_if(|_| count == 1) {
        return vec![alone(client, only).await];
    }
    match client.submit_batch(SubmitBatchRequest { items }).await {
        Ok(response) => {
            let results = response.into_inner().results.into_iter().map(|it| told(it.outcome));
            results.chain(std::iter::repeat_with(|| told(None))).take(count).collect()
        }
        Err(status) => vec![Err(of_the_call(status)); count],
    }
}

/// What a call with several items failed with, for each of them. A call that is refused as a whole
/// says nothing about any one item, so each is to be tried again, and then goes alone.
fn of_the_call(status: Status) -> Status {
    match Fault::from_status(&status) {
        Some(fault) if fault.is_retryable() => status,
        _ => Status::unavailable(format!("several items together: {}", status.message())),
    }
}

fn told(outcome: Option<Outcome>) -> Answer {
    match outcome {
        Some(Outcome::Submitted(response)) => Ok(response),
        Some(Outcome::Refused(refused)) => Err(refused.fault.unwrap_or_default().into()),
        None => Err(Status::unavailable("the gateway did not say what became of the item")),
    }
}
