//! Receiving: deliveries of one conversation run one after the other, and each is settled.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use proto::exchange::v1 as exchange;
use proto::exchange::v1::settle_request::Answer;
use proto::exchange::v1::{HelloResponse, ReceiveRequest, Refused, SettleRequest, Unavailable};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use crate::application::{Application, Taken};
use crate::client::Client;
use crate::delivery::Delivery;
use crate::error::{DeliverError, ServeError};
use crate::settle::SettleBatcher;

/// Time limit for returning deliveries that have not started.
const RETURN_LIMIT: Duration = Duration::from_secs(5);

/// Delivers messages until `stop`, which it cancels itself when the connection breaks. Then it
/// finishes deliveries in progress within `drain` and returns those that have not started.
pub(crate) async fn receive<A: Application>(
    application: Arc<A>,
    mut client: Client,
    hello: HelloResponse,
    (stop, drain): (&CancellationToken, Duration),
) -> Result<(), ServeError> {
    let request = ReceiveRequest { session: hello.session.clone(), in_hand_max: 0 };
    let response = client.receive(request).await.map_err(ServeError::from_status)?;
    let mut stream = response.into_inner();
    let mut session = Session {
        application,
        settle_batcher: SettleBatcher::new(client.clone()),
        client,
        id: hello.session,
        conversations: Conversations::default(),
        in_progress: JoinSet::new(),
    };
    let outcome = session.run(&mut stream, stop).await;
    stop.cancel();
    session.finish(&mut stream, drain).await;
    outcome
}

/// A session with its unsettled deliveries.
struct Session<A> {
    application: Arc<A>,
    settle_batcher: SettleBatcher,
    client: Client,
    id: String,
    conversations: Conversations,
    /// One task for each delivery in progress; it returns the conversation.
    in_progress: JoinSet<Result<String, ServeError>>,
}

impl<A: Application> Session<A> {
    async fn run(
        &mut self,
        stream: &mut Streaming<exchange::Delivery>,
        stop: &CancellationToken,
    ) -> Result<(), ServeError> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(finished) = self.in_progress.join_next(), if !self.in_progress.is_empty() => {
                    self.start_next(finished)?;
                }
                received = stream.message() => {
                    let ended = || Status::unavailable("the gateway ended the stream");
                    let delivery = received.map_err(ServeError::from_status)?;
                    let delivery = delivery.ok_or_else(|| ServeError::Link(ended()))?;
                    if let Some(first) = self.conversations.enqueue(delivery) {
                        self.start(first);
                    }
                }
            }
        }
    }

    /// Starts a delivery in a task of its own.
    fn start(&mut self, delivery: exchange::Delivery) {
        let application = self.application.clone();
        let settle_batcher = self.settle_batcher.clone();
        let (session, client) = (self.id.clone(), self.client.clone());
        self.in_progress.spawn(async move {
            let conversation = delivery.conversation.clone();
            let request = settle_request(&session, &delivery);
            let answer = deliver(&*application, delivery, (session, client)).await;
            settle_batcher.settle(SettleRequest { answer: Some(answer), ..request }).await?;
            Ok(conversation)
        });
    }

    /// Starts the next delivery of a conversation whose first one has finished.
    fn start_next(
        &mut self,
        finished: Result<Result<String, ServeError>, JoinError>,
    ) -> Result<(), ServeError> {
        if let Some(next) = self.conversations.dequeue(&finished??) {
            self.start(next);
        }
        Ok(())
    }

    /// Finishes deliveries in progress, and returns the others, so that the journal knows that the
    /// application does not have them. The stream stays open until then, because its end would close
    /// the session.
    async fn finish(mut self, stream: &mut Streaming<exchange::Delivery>, drain: Duration) {
        let in_progress = &mut self.in_progress;
        let finishing = async { while in_progress.join_next().await.is_some() {} };
        if tokio::time::timeout(drain, finishing).await.is_err() {
            tracing::warn!("deliveries were cut off");
        }
        let mut not_started = self.conversations.drain();
        while let Ok(Ok(Some(delivery))) =
            tokio::time::timeout(Duration::ZERO, stream.message()).await
        {
            not_started.push(delivery);
        }
        let mut returning = JoinSet::new();
        for delivery in not_started {
            let request = settle_request(&self.id, &delivery);
            let request = SettleRequest { answer: Some(not_started_answer()), ..request };
            let settle_batcher = self.settle_batcher.clone();
            returning.spawn(async move { settle_batcher.settle(request).await });
        }
        let returned = async { while returning.join_next().await.is_some() {} };
        if tokio::time::timeout(RETURN_LIMIT, returned).await.is_err() {
            tracing::warn!("deliveries were not returned");
        }
    }
}

/// Unsettled deliveries by conversation. The first of each conversation is in progress and not in
/// its queue.
#[derive(Debug, Default)]
struct Conversations(HashMap<String, VecDeque<exchange::Delivery>>);

impl Conversations {
    /// Enqueues a delivery; returns it when its conversation has none in progress.
    fn enqueue(&mut self, delivery: exchange::Delivery) -> Option<exchange::Delivery> {
        match self.0.get_mut(&delivery.conversation) {
            Some(queue) => {
                queue.push_back(delivery);
                None
            }
            None => {
                self.0.insert(delivery.conversation.clone(), VecDeque::new());
                Some(delivery)
            }
        }
    }

    /// The next delivery of a conversation whose first one has finished.
    fn dequeue(&mut self, conversation: &str) -> Option<exchange::Delivery> {
        let next = self.0.get_mut(conversation).and_then(VecDeque::pop_front);
        if next.is_none() {
            self.0.remove(conversation);
        }
        next
    }

    /// Removes the deliveries that have not started.
    fn drain(&mut self) -> Vec<exchange::Delivery> {
        self.0.drain().flat_map(|(_, queue)| queue).collect()
    }
}

/// Delivers one message, after a lookup if its earlier answer was lost.
async fn deliver(
    application: &impl Application,
    delivery: exchange::Delivery,
    (session, client): (String, Client),
) -> Answer {
    if delivery.ask_first {
        match application.find_delivered(&delivery.message_id).await {
            Ok(Some(taken)) => return to_answer(Ok(taken)),
            Ok(None) => {}
            Err(error) => return to_answer(Err(error)),
        }
    }
    to_answer(application.deliver(Delivery::new(delivery, session, client)).await)
}

fn settle_request(session: &str, delivery: &exchange::Delivery) -> SettleRequest {
    SettleRequest {
        session: session.to_owned(),
        message_id: delivery.message_id.clone(),
        lease: delivery.lease,
        answer: None,
    }
}

/// Maximum lengths of the contract, characters. Longer texts are truncated here: the gateway would
/// refuse the whole call.
const REFERENCE_MAX: usize = 200;
const REASON_MAX: usize = 1_000;

fn to_answer(outcome: Result<Taken, DeliverError>) -> Answer {
    let truncate = |text: String, max: usize| text.chars().take(max).collect::<String>();
    match outcome {
        Ok(taken) => {
            Answer::Taken(exchange::Taken { reference: truncate(taken.reference, REFERENCE_MAX) })
        }
        Err(DeliverError::Refused { reason }) => {
            Answer::Refused(Refused { reason: truncate(reason, REASON_MAX) })
        }
        Err(DeliverError::Unavailable { source }) => {
            let reason = truncate(source.to_string(), REASON_MAX);
            Answer::Unavailable(Unavailable { reason, retry_after_ms: 0 })
        }
    }
}

/// The answer for a delivery that has not started: the bus may deliver it to any adapter at once.
fn not_started_answer() -> Answer {
    let reason = "the adapter stopped before the delivery began".to_owned();
    Answer::Unavailable(Unavailable { reason, retry_after_ms: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_an_answer_are_truncated_to_the_limits_of_the_contract() {
        let long = "ệ".repeat(5_000);
        let taken = to_answer(Ok(Taken { reference: long.clone() }));
        assert_eq!(taken, Answer::Taken(exchange::Taken { reference: "ệ".repeat(200) }));
        let refused = to_answer(Err(DeliverError::Refused { reason: long.clone() }));
        assert_eq!(refused, Answer::Refused(Refused { reason: "ệ".repeat(1_000) }));
        let unavailable = to_answer(Err(DeliverError::Unavailable { source: long.into() }));
        let reason = "ệ".repeat(1_000);
        assert_eq!(unavailable, Answer::Unavailable(Unavailable { reason, retry_after_ms: 0 }));
        let short = to_answer(Ok(Taken { reference: "số 7".to_owned() }));
        assert_eq!(short, Answer::Taken(exchange::Taken { reference: "số 7".to_owned() }));
    }
}
