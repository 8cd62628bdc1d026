//! The receive loop of one application: takes deliveries from its channel, begins them in the
//! journal and queues them for a session.

use std::sync::Arc;

use bus::{Body, Channel, Handle, Message, MessageId, Receiver, Verdict, Verdicts};
use chassis::trace::{Operation, SpanMessage, message_span, traceparent};
use futures::future::join_all;
use journal_client::{JournalFailureStore, to_fault, to_journal_claim};
use proto::envelope::InvalidEnvelope;
use proto::exchange::v1::{DeliveredBody, Delivery, delivery};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::begun::Answer;
use proto::journal::v1::{Begun, Envelope, Settlement};
use tokio_util::sync::CancellationToken;

use crate::close::unsent_settlement;
use crate::fault::unavailable;
use crate::gateway::Gateway;
use crate::session::{InFlight, Session};
use crate::sessions::ApplicationSessions;

/// Deliveries of one window. Each may have an inline body of 256 KiB, so a window holds at most
/// 16 MiB.
const WINDOW: u16 = 64;
/// Sessions that are tried for one window before it is retried later: sessions may end one after
/// another while the journal begins it.
const SESSIONS_TRIED_MAX: usize = 3;

/// Receives from an application's channel until `shutdown`.
pub(crate) async fn receive_deliveries(
    gateway: Arc<Gateway>,
    sessions: Arc<ApplicationSessions>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let application = sessions.application.as_str();
    gateway.bus.declare_delivery(application).await?;
    let (journal, clock) = (gateway.journal.clone(), gateway.clock.clone());
    let receiver = Receiver {
        channel: Channel::delivery(application)?,
        window: WINDOW,
        failure_store: JournalFailureStore::new(journal, clock, "gateway", application),
    };
    let bus = gateway.bus.clone();
    let handler = Arc::new(DeliveryHandler { gateway, sessions });
    Ok(bus.receive(receiver, handler, shutdown).await?)
}

struct DeliveryHandler {
    gateway: Arc<Gateway>,
    sessions: Arc<ApplicationSessions>,
}

impl Handle for DeliveryHandler {
    async fn capacity(&self) -> usize {
        self.sessions.capacity().await
    }

    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        for _ in 0..SESSIONS_TRIED_MAX {
            let Some(session) = self.sessions.with_most_capacity() else { break };
            match self.begin(&session, &window).await {
                Ok(begun) => return self.enqueue_window(&session, window, begun).await,
                Err(fault) if fault.code == code::LT_JNL_004.code => {
                    // The same adapter has opened a newer session at another gateway, and the
                    // journal has returned what the older one had.
                    self.gateway.sessions.remove(&session.id);
                    drop(session.close());
                }
                Err(fault) => {
                    tracing::warn!(error = %fault, "deliveries were not begun");
                    self.revert_begin(&session, &window).await;
                    break;
                }
            }
        }
        let fault = bus::Fault::new(code::LT_SYS_002.code, "no session could take a delivery");
        Verdicts::all(window.len(), Verdict::Retry(fault))
    }
}

impl DeliveryHandler {
    async fn begin(&self, session: &Session, window: &[Message]) -> Result<Vec<Begun>, Fault> {
        let message_ids = window.iter().map(|it| it.id.to_string()).collect();
        let begun = self.gateway.journal.begin(session.id.clone(), message_ids).await;
        let begun = begun.map_err(|status| to_fault(&status))?;
        if begun.len() == window.len() {
            return Ok(begun);
        }
        Err(unavailable("journal").detail("the answer has another number of messages"))
    }

    /// Returns a window to the journal, which may have begun it although its answer was lost. A
    /// message that the session has from an earlier window stays in flight.
    async fn revert_begin(&self, session: &Session, window: &[Message]) {
        let ids = window.iter().map(|it| it.id.to_string());
        let unsent = ids.filter(|id| session.in_flight(id).is_none());
        let settlements = unsent.map(|id| unsent_settlement(id, 0)).collect();
        self.gateway.settle_unsent(session, settlements).await;
    }

    async fn enqueue_window(
        &self,
        session: &Session,
        window: Vec<Message>,
        begun: Vec<Begun>,
    ) -> Verdicts {
        let mut verdicts = Verdicts::undecided(window.len());
        let mut unsent = Vec::new();
        let mut queued = 0;
        for (index, (message, begun)) in window.into_iter().zip(begun).enumerate() {
            let is_due = begun.answer() == Answer::Deliver;
            let (verdict, settlement) = self.enqueue(session, message, begun);
            let is_queued = is_due && settlement.is_none() && matches!(verdict, Verdict::Done);
            queued += usize::from(is_queued);
            verdicts.decide(index, verdict);
            unsent.extend(settlement);
        }
        self.gateway.metrics.count_deliveries(queued, unsent.len());
        // The journal has leased them, so it must learn which ones no adapter will get.
        let workers = &self.gateway.workers;
        let settles = unsent.into_iter().map(|it| workers.settle(session.lease_owner(), it));
        for outcome in join_all(settles).await {
            if let Err(fault) = outcome {
                tracing::warn!(session = session.id, error = %fault, "delivery waits for its lease");
            }
        }
        verdicts
    }

    /// Queues one delivery. The settlement returns its lease when the session cannot take it.
    fn enqueue(
        &self,
        session: &Session,
        message: Message,
        begun: Begun,
    ) -> (Verdict, Option<Settlement>) {
        match begun.answer() {
            Answer::Deliver => {}
            Answer::InHandElsewhere | Answer::AlreadyDone | Answer::Hold => {
                return (Verdict::Done, None);
            }
            Answer::Unknown | Answer::Unspecified => {
                let detail = "the journal does not know this message";
                let fault = bus::Fault::new(code::LT_JNL_005.code, detail);
                return (Verdict::Reject(fault), None);
            }
        }
        let settlement = unsent_settlement(message.id.to_string(), begun.lease);
        match self.to_delivery(message, begun) {
            Ok((delivery, in_flight)) => {
                let is_queued = session.enqueue(delivery, in_flight);
                (Verdict::Done, (!is_queued).then_some(settlement))
            }
            Err(error) => {
                let fault = bus::Fault::new(code::LT_GW_005.code, error.to_string());
                (Verdict::Reject(fault), None)
            }
        }
    }

    fn to_delivery(
        &self,
        message: Message,
        begun: Begun,
    ) -> Result<(Delivery, InFlight), InvalidEnvelope> {
        let mut envelope = Envelope::from_attributes(message.id.to_string(), &message.attributes)?;
        let span = message_span(
            Operation::Receive,
            SpanMessage {
                destination: &self.sessions.application,
                message_id: &envelope.id,
                conversation: &envelope.conversation,
                traceparent: &envelope.traceparent,
            },
        );
        let current = traceparent(&span);
        if !current.is_empty() {
            envelope.traceparent = current;
        }
        let (body, claim) = match message.body {
            Body::Inline(bytes) => (delivery::Body::Inline(bytes), None),
            Body::Claim(claim) => {
                let claim = to_journal_claim(&claim);
                let by_part = DeliveredBody { size: claim.size, sha256: claim.sha256.clone() };
                (delivery::Body::ByPart(by_part), Some(claim))
            }
        };
        let in_flight = InFlight {
            lease: begun.lease,
            attachments: begun.attachments.clone(),
            body: claim,
            lease_until_us: begun.lease_until_us,
            conversation: envelope.conversation.clone(),
            traceparent: envelope.traceparent.clone(),
        };
        let delivery = Delivery {
            sender_name: self.gateway.registry.directory().organisation_name(&envelope.sender),
            message_id: envelope.id,
            lease: begun.lease,
            r#type: envelope.r#type,
            format: envelope.format,
            format_version: envelope.format_version,
            conversation: envelope.conversation,
            sequence: envelope.sequence,
            sender: envelope.sender,
            body: Some(body),
            attachments: begun.attachments,
            attempt: begun.attempt,
            ask_first: begun.ask_first,
            lease_until_us: begun.lease_until_us,
            urgency: envelope.urgency,
            occurred_at_us: envelope.occurred_at_us,
            accepted_at_us: envelope.accepted_at_us,
            index: begun.index,
            traceparent: envelope.traceparent,
            tracestate: envelope.tracestate,
            copy_of: first_delivery(&envelope.copy_of, &self.sessions.application),
        };
        Ok((delivery, in_flight))
    }
}

/// The id that the first message with the same content had for this application: an id is derived
/// from the submitted message and the channel, so it is known without a look-up. Empty: no copy.
fn first_delivery(copy_of: &str, application: &str) -> String {
    let first = copy_of.parse::<MessageId>().ok();
    let channel = Channel::delivery(application).ok();
    let derived = first.zip(channel).map(|(first, channel)| first.derive(&channel.to_string()));
    derived.map_or_else(String::new, |it| it.to_string())
}
