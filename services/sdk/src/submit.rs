//! Submitting items: small ones that are ready at the same time share one call.

use call_batcher::{BatchLimits, CallBatcher};
use prost::Message as _;
use proto::exchange::v1::submit_request::Body;
use proto::exchange::v1::submitted::Outcome;
use proto::exchange::v1::{SubmitBatchRequest, SubmitRequest, SubmitResponse, Submitted};
use proto::fault::v1::Fault;
use tonic::Status;

use crate::client::Client;

/// Limits of one call, within those of the contract (256 items, 2 MiB). Eight calls in flight:
/// fewer would delay senders that wait for each receipt, more would make smaller batches.
const LIMITS: BatchLimits =
    BatchLimits { items_max: 256, bytes_max: 1024 * 1024, in_flight_max: 8 };

type SubmitResult = Result<SubmitResponse, Status>;

/// Submits items to the gateway, small ones in batches. Clones share the queue.
#[derive(Clone, Debug)]
pub(crate) struct SubmitBatcher {
    client: Client,
    small_items: CallBatcher<SubmitRequest, SubmitResult>,
}

impl SubmitBatcher {
    pub(crate) fn new(client: Client) -> Self {
        let size = |it: &SubmitRequest| it.encoded_len();
        let batch_client = client.clone();
        let handler = move |items| submit_batch(batch_client.clone(), items);
        Self { client, small_items: CallBatcher::spawn(LIMITS.items_max, size, LIMITS, handler) }
    }

    /// Submits an item once; a small one may share its call with others.
    pub(crate) async fn submit(&self, request: SubmitRequest) -> SubmitResult {
        let is_small =
            matches!(request.body, Some(Body::Inline(_))) && request.attachments.is_empty();
        if !is_small {
            return self.submit_alone(request).await;
        }
        match self.small_items.call(request).await {
            Ok(result) => result,
            Err(_unanswered) => Err(Status::unavailable("the item could not be submitted")),
        }
    }

    /// Submits an item once in a call of its own, which no other item can make fail.
    pub(crate) async fn submit_alone(&self, request: SubmitRequest) -> SubmitResult {
        submit_one(self.client.clone(), request).await
    }
}

async fn submit_one(mut client: Client, request: SubmitRequest) -> SubmitResult {
    client.submit(request).await.map(tonic::Response::into_inner)
}

/// Submits items in one call; one result each, in their order.
async fn submit_batch(mut client: Client, mut items: Vec<SubmitRequest>) -> Vec<SubmitResult> {
    let count = items.len();
    if let Some(only) = items.pop_if(|_| count == 1) {
        return vec![submit_one(client, only).await];
    }
    match client.submit_batch(SubmitBatchRequest { items }).await {
        Ok(response) => {
            let results = response.into_inner().results.into_iter().map(to_result);
            let missing = || to_result(Submitted::default());
            results.chain(std::iter::repeat_with(missing)).take(count).collect()
        }
        Err(status) => vec![Err(to_item_status(status)); count],
    }
}

/// The status for each item of a failed call. The gateway refuses a call as a whole for its size,
/// which does not concern any one item: the status is then a transient one, so that each item is
/// submitted again in a call of its own.
fn to_item_status(status: Status) -> Status {
    match Fault::from_status(&status) {
        Some(fault) if fault.is_retryable() => status,
        _ => Status::unavailable(format!("several items together: {}", status.message())),
    }
}

fn to_result(submitted: Submitted) -> SubmitResult {
    match submitted.outcome {
        Some(Outcome::Submitted(response)) => Ok(response),
        Some(Outcome::Refused(refused)) => Err(refused.fault.unwrap_or_default().into()),
        None => Err(Status::unavailable("the gateway gave no outcome for the item")),
    }
}
