//! Items on their way out: small ones that are ready go together.

use proto::exchange::v1::submit_request::Body;
use proto::exchange::v1::submitted::Outcome;
use proto::exchange::v1::{SubmitBatchRequest, SubmitRequest, SubmitResponse};
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
        let small = Gather::new(|(it, _)| size(it), move |waiting| call(own.clone(), waiting));
        Self { client, small }
    }

    /// Gives an item once, together with others if it is small.
    pub(crate) async fn submit(&self, request: SubmitRequest) -> Answer {
        if !request.attachments.is_empty() || size(&request) == 0 {
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

/// Bytes of the body, if it is in the call.
fn size(request: &SubmitRequest) -> usize {
    match &request.body {
        Some(Body::Inline(bytes)) => bytes.len(),
        Some(Body::Part(_)) | None => 0,
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
        Err(status) => vec![Err(status); count],
    }
}

fn told(outcome: Option<Outcome>) -> Answer {
    match outcome {
        Some(Outcome::Submitted(response)) => Ok(response),
        Some(Outcome::Refused(refused)) => Err(refused.fault.unwrap_or_default().into()),
        None => Err(Status::unavailable("the gateway did not say what became of the item")),
    }
}
