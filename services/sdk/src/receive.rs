//! Messages as they come: delivered one after the other in each conversation, each answered.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use proto::exchange::v1::settle_request::Answer;
use proto::exchange::v1::{
    Delivery as Handed, HelloResponse, ReceiveRequest, Refused, SettleRequest,
    Taken as TakenAnswer, Unavailable,
};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use crate::serve::{DRAIN, ServeError, link};
use crate::settle::Settler;
use crate::{Application, Client, DeliverError, Delivery};

/// How long giving back what was not begun may take.
const GIVE_BACK: Duration = Duration::from_secs(5);

/// Delivers what comes until `stop`, which it gives itself when the link breaks. What was begun by
/// then is finished and answered, and what was not begun is given back.
pub(crate) async fn receive<A: Application>(
    application: Arc<A>,
    mut client: Client,
    hello: HelloResponse,
    stop: &CancellationToken,
) -> Result<(), ServeError> {
    let request = ReceiveRequest { session: hello.session.clone(), in_hand_max: 0 };
    let mut deliveries = client.receive(request).await.map_err(link)?.into_inner();
    let mut work = Work {
        application,
        settler: Settler::new(client.clone()),
        client,
        session: hello.session,
        lines: Lines::default(),
        working: JoinSet::new(),
    };
    let outcome = work.go_on(&mut deliveries, stop).await;
    stop.cancel();
    work.finish(&mut deliveries).await;
    outcome
}

/// What one session has in hand.
struct Work<A> {
    application: Arc<A>,
    settler: Settler,
    client: Client,
    session: String,
    lines: Lines,
    /// Each gives back its conversation.
    working: JoinSet<Result<String, ServeError>>,
}

impl<A: Application> Work<A> {
    async fn go_on(
        &mut self,
        deliveries: &mut Streaming<Handed>,
        stop: &CancellationToken,
    ) -> Result<(), ServeError> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(done) = self.working.join_next(), if !self.working.is_empty() => {
                    self.done(done)?;
                }
                handed = deliveries.message() => {
                    let ended = || Status::unavailable("the gateway ended the stream");
                    let handed = handed.map_err(link)?;
                    self.begin(handed.ok_or_else(|| ServeError::Link(ended()))?);
                }
            }
        }
    }

    /// Begins a delivery, or puts it in line behind an earlier one of its conversation.
    fn begin(&mut self, handed: Handed) {
        if let Some(first) = self.lines.join(handed) {
            self.start(first);
        }
    }

    fn start(&mut self, handed: Handed) {
        let delivery =
            Delivery { handed, session: self.session.clone(), client: self.client.clone() };
        let settler = self.settler.clone();
        self.working.spawn(one(self.application.clone(), delivery, settler));
    }

    fn done(
        &mut self,
        done: Result<Result<String, ServeError>, JoinError>,
    ) -> Result<(), ServeError> {
        if let Some(next) = self.lines.next(&done??) {
            self.start(next);
        }
        Ok(())
    }

    /// Finishes what was begun; then gives back what was not, so that the bus need not wonder
    /// whether the application has it. The stream stays open until then: its end is the session's.
    async fn finish(mut self, deliveries: &mut Streaming<Handed>) {
        let working = &mut self.working;
        let finished = async { while working.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, finished).await.is_err() {
            tracing::warn!("deliveries were cut off");
        }
        let mut left = self.lines.left();
        while let Ok(Ok(Some(handed))) =
            tokio::time::timeout(Duration::ZERO, deliveries.message()).await
        {
            left.push(handed);
        }
        let mut giving_back = JoinSet::new();
        for handed in left {
            let request = settling(&self.session, &handed);
            let request = SettleRequest { answer: Some(not_begun()), ..request };
            let settler = self.settler.clone();
            giving_back.spawn(async move { settler.settle(request).await });
        }
        let given_back = async { while giving_back.join_next().await.is_some() {} };
        if tokio::time::timeout(GIVE_BACK, given_back).await.is_err() {
            tracing::warn!("deliveries were not given back");
        }
    }
}

/// Deliveries by conversation: the first of each is being worked on, the others wait behind it.
#[derive(Debug, Default)]
struct Lines(HashMap<String, VecDeque<Handed>>);

impl Lines {
    /// Puts one in line; it comes back when it is its turn at once.
    fn join(&mut self, handed: Handed) -> Option<Handed> {
        match self.0.get_mut(&handed.conversation) {
            Some(line) => {
                line.push_back(handed);
                None
            }
            None => {
                self.0.insert(handed.conversation.clone(), VecDeque::new());
                Some(handed)
            }
        }
    }

    /// The next of a conversation whose first is done.
    fn next(&mut self, conversation: &str) -> Option<Handed> {
        let next = self.0.get_mut(conversation).and_then(VecDeque::pop_front);
        if next.is_none() {
            self.0.remove(conversation);
        }
        next
    }

    /// What waits and will not be begun.
    fn left(&mut self) -> Vec<Handed> {
        self.0.drain().flat_map(|(_, line)| line).collect()
    }
}

/// Delivers one message and answers for it; gives back its conversation.
async fn one<A: Application>(
    application: Arc<A>,
    delivery: Delivery,
    settler: Settler,
) -> Result<String, ServeError> {
    let conversation = delivery.handed.conversation.clone();
    let request = settling(&delivery.session, &delivery.handed);
    let answer = match ask(&*application, &delivery).await {
        Ok(Some(taken)) => Ok(taken),
        Ok(None) => application.deliver(delivery).await,
        Err(error) => Err(error),
    };
    settler.settle(SettleRequest { answer: Some(answered(answer)), ..request }).await?;
    Ok(conversation)
}

fn settling(session: &str, handed: &Handed) -> SettleRequest {
    SettleRequest {
        session: session.to_owned(),
        message_id: handed.message_id.clone(),
        lease: handed.lease,
        answer: None,
    }
}

async fn ask(
    application: &impl Application,
    delivery: &Delivery,
) -> Result<Option<crate::Taken>, DeliverError> {
    if !delivery.handed.ask_first {
        return Ok(None);
    }
    application.has(delivery.message_id()).await
}

/// The longest texts that the contract takes, characters. What is beyond is cut here, so that answers
/// that go together fit into a call.
const REFERENCE_MAX: usize = 200;
const REASON_MAX: usize = 1_000;

fn answered(answer: Result<crate::Taken, DeliverError>) -> Answer {
    let cut = |text: String, most: usize| text.chars().take(most).collect::<String>();
    match answer {
        Ok(taken) => Answer::Taken(TakenAnswer { reference: cut(taken.reference, REFERENCE_MAX) }),
        Err(DeliverError::Refused { reason }) => {
            Answer::Refused(Refused { reason: cut(reason, REASON_MAX) })
        }
        Err(DeliverError::Unavailable { source }) => {
            let reason = cut(source.to_string(), REASON_MAX);
            Answer::Unavailable(Unavailable { reason, retry_after_ms: 0 })
        }
    }
}

/// The adapter stops before it began: any adapter of the application may have it at once.
fn not_begun() -> Answer {
    let reason = "the adapter stopped before it began".to_owned();
    Answer::Unavailable(Unavailable { reason, retry_after_ms: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_an_answer_are_bounded() {
        let long = "ệ".repeat(5_000);
        let taken = answered(Ok(crate::Taken { reference: long.clone() }));
        assert_eq!(taken, Answer::Taken(TakenAnswer { reference: "ệ".repeat(200) }));
        let refused = answered(Err(DeliverError::Refused { reason: long.clone() }));
        assert_eq!(refused, Answer::Refused(Refused { reason: "ệ".repeat(1_000) }));
        let away = answered(Err(DeliverError::Unavailable { source: long.into() }));
        let reason = "ệ".repeat(1_000);
        assert_eq!(away, Answer::Unavailable(Unavailable { reason, retry_after_ms: 0 }));
        let short = answered(Ok(crate::Taken { reference: "số 7".to_owned() }));
        assert_eq!(short, Answer::Taken(TakenAnswer { reference: "số 7".to_owned() }));
    }
}
