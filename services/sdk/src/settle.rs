//! Settling deliveries: answers that are ready at the same time share one call.

use std::time::Duration;

use call_batcher::{BatchLimits, CallBatcher};
use prost::Message as _;
use proto::exchange::v1::settled::Outcome;
use proto::exchange::v1::{SettleBatchRequest, SettleRequest, Settled};
use proto::fault::v1::Fault;
use tonic::Status;

use crate::client::Client;
use crate::error::ServeError;

/// Maximum number of times an answer is sent.
const ATTEMPTS_MAX: u32 = 5;
/// Pause after the first failed attempt. Each further pause is three times as long.
const PAUSE: Duration = Duration::from_millis(100);

/// Limits of one call, within those of the contract (256 answers). Eight calls in flight: fewer
/// would delay conversations whose next delivery waits for this answer, more would make smaller
/// batches.
const LIMITS: BatchLimits =
    BatchLimits { items_max: 256, bytes_max: 1024 * 1024, in_flight_max: 8 };

/// Whether the gateway recorded an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    /// Recorded, or refused for good: sending it again changes nothing.
    Final,
    /// Not recorded: send it again.
    Failed,
}

/// Sends answers to the gateway in batches. Clones share the queue.
#[derive(Clone, Debug)]
pub(crate) struct SettleBatcher(CallBatcher<SettleRequest, Attempt>);

impl SettleBatcher {
    pub(crate) fn new(client: Client) -> Self {
        let size = |it: &SettleRequest| it.encoded_len();
        let handler = move |requests| settle_batch(client.clone(), requests);
        Self(CallBatcher::spawn(LIMITS.items_max, size, LIMITS, handler))
    }

    /// Sends an answer until the gateway has recorded or finally refused it.
    pub(crate) async fn settle(&self, request: SettleRequest) -> Result<(), ServeError> {
        let mut pause = PAUSE;
        for _ in 0..ATTEMPTS_MAX {
            if self.0.call(request.clone()).await == Ok(Attempt::Final) {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause *= 3;
        }
        Err(ServeError::Link(Status::unavailable("an answer could not be given")))
    }
}

/// Sends answers in one call; one outcome each, in their order.
async fn settle_batch(mut client: Client, requests: Vec<SettleRequest>) -> Vec<Attempt> {
    let count = requests.len();
    match client.settle_batch(SettleBatchRequest { items: requests }).await {
        Ok(response) => {
            let outcomes = response.into_inner().results.into_iter().map(judge);
            outcomes.chain(std::iter::repeat(Attempt::Failed)).take(count).collect()
        }
        Err(status) if Fault::from_status(&status).is_some_and(|it| !it.is_retryable()) => {
            tracing::warn!(error = %status.message(), "answers were refused");
            vec![Attempt::Final; count]
        }
        Err(status) => {
            tracing::debug!(error = %status.message(), "answers are sent again");
            vec![Attempt::Failed; count]
        }
    }
}

fn judge(result: Settled) -> Attempt {
    let fault = match result.outcome {
        Some(Outcome::Settled(_)) => return Attempt::Final,
        Some(Outcome::Refused(refused)) => refused.fault.unwrap_or_default(),
        None => Fault::default(),
    };
    let code = &fault.code;
    if fault.is_retryable() || code.is_empty() {
        tracing::debug!(code, "answer is sent again");
        Attempt::Failed
    } else {
        // Another session settled the message meanwhile; the journal has recorded this answer too.
        tracing::warn!(code, "answer was refused");
        Attempt::Final
    }
}
