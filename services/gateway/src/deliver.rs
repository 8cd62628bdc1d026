//! The receive loop of one application: takes deliveries from its channel, begins them in the
//! journal and queues them for a session.

use std::sync::Arc;
use std::time::Duration;

use bus::{Body, Bus, Channel, Handle, Message, MessageId, Receiver, Verdict, Verdicts};
use chassis::trace::{Operation, SpanMessage, message_span, traceparent};
use futures::future::join_all;
use journal_client::{JournalFailureStore, copy_digest, to_fault, to_journal_claim};
use proto::envelope::{BUS, InvalidEnvelope};
use proto::exchange::v1::{DeliveredBody, Delivery, delivery};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::begun::Answer;
use proto::journal::v1::{Begun, Envelope};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::close::unsent_settlement;
use crate::fault::unavailable;
use crate::gateway::Gateway;
use crate::session::reservation::Reservation;
use crate::session::{InFlight, Session};
use crate::sessions::ApplicationSessions;

/// Deliveries of one window. Each may have an inline body of 256 KiB, so a window holds at most
/// 16 MiB.
const WINDOW: u16 = 64;
/// How long a window waits for a session that asks, when those that asked went away meanwhile. In
/// this time a gateway holds messages that another one could deliver.
const ASKING_WAIT: Duration = Duration::from_secs(2);

/// A message and its place in the window.
type Indexed = (usize, Message);

/// Receives from an application's channel until `shutdown`.
pub(crate) async fn receive_deliveries(
    gateway: Arc<Gateway>,
    sessions: Arc<ApplicationSessions>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let application = sessions.application.clone();
    let channel = Channel::delivery(&application)?;
    let bus = gateway.bus.clone();
    let handler = Arc::new(DeliveryHandler { gateway, sessions });
    bus.run("delivery", &shutdown, |bus| {
        let (handler, shutdown) = (handler.clone(), shutdown.clone());
        let (journal, clock) = (handler.gateway.journal.clone(), handler.gateway.clock.clone());
        let failure_store = JournalFailureStore::new(journal, clock, "gateway", &application);
        let receiver = Receiver { channel: channel.clone(), window: WINDOW, failure_store };
        receive(bus, receiver, handler, shutdown)
    })
    .await;
    Ok(())
}

async fn receive(
    bus: Bus,
    receiver: Receiver<JournalFailureStore>,
    handler: Arc<DeliveryHandler>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    // A broker that lost the channel has it again before it is received from.
    bus.declare_delivery(handler.sessions.application.as_str()).await?;
    Ok(bus.receive(receiver, handler, shutdown).await?)
}

#[derive(Clone)]
struct DeliveryHandler {
    gateway: Arc<Gateway>,
    sessions: Arc<ApplicationSessions>,
}

impl Handle for DeliveryHandler {
    async fn capacity(&self) -> usize {
        self.sessions.capacity().await
    }

    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        let mut verdicts = Verdicts::undecided(window.len());
        let mut waiting: Vec<Indexed> = window.into_iter().enumerate().collect();
        let until = Instant::now() + ASKING_WAIT;
        while !waiting.is_empty() {
            let reserving = self.sessions.wait_and_reserve(waiting.len());
            let Ok(reservations) = timeout_at(until, reserving).await else { break };
            let shares = reservations.into_iter().map(|reservation| {
                let rest = waiting.split_off(reservation.count.min(waiting.len()));
                let share = std::mem::replace(&mut waiting, rest);
                self.deliver_to_the_end(reservation, share)
            });
            for (decided, undecided) in join_all(shares.collect::<Vec<_>>()).await {
                decided.into_iter().for_each(|(index, it)| verdicts.decide(index, it));
                waiting.extend(undecided);
            }
        }
        for (index, _) in waiting {
            verdicts.decide(index, Verdict::Retry(no_session()));
        }
        verdicts
    }
}

fn no_session() -> bus::Fault {
    bus::Fault::new(code::LT_SYS_002.code, "no session could take a delivery")
}

impl DeliveryHandler {
    /// Delivers in a task of its own, which ends in order when the connection to the broker is lost
    /// meanwhile: the journal's answer names leases that somebody has to have.
    async fn deliver_to_the_end(
        &self,
        reservation: Reservation,
        share: Vec<Indexed>,
    ) -> (Vec<(usize, Verdict)>, Vec<Indexed>) {
        let handler = self.clone();
        let delivering = async move { handler.deliver(reservation, share).await };
        // Undecided messages of a task that panicked come again.
        self.gateway.open_work.spawn(delivering.in_current_span()).await.unwrap_or_default()
    }

    /// Begins messages for a session and queues them: their verdicts, and the messages that another
    /// session may have because this one is closed.
    async fn deliver(
        &self,
        reservation: Reservation,
        share: Vec<Indexed>,
    ) -> (Vec<(usize, Verdict)>, Vec<Indexed>) {
        let session = reservation.session.clone();
        let lease = self.gateway.lease_numbers.next(self.gateway.clock.now_us());
        match self.begin(&session, lease, &share).await {
            Ok(begun) => (self.enqueue(reservation, share, begun).await, Vec::new()),
            Err(fault) if fault.code == code::LT_JNL_004.code => {
                // The same adapter has opened a newer session at another gateway, and the journal
                // has returned what the older one had.
                self.gateway.sessions.remove(&session.id);
                drop(session.close());
                (Vec::new(), share)
            }
            Err(fault) => {
                tracing::warn!(error = %fault, "deliveries were not begun");
                self.revert_begin(&session, lease, &share).await;
                let retry = |(index, _)| (index, Verdict::Retry(no_session()));
                (share.into_iter().map(retry).collect(), Vec::new())
            }
        }
    }

    async fn begin(
        &self,
        session: &Session,
        lease: u64,
        share: &[Indexed],
    ) -> Result<Vec<Begun>, Fault> {
        let application = self.sessions.application.as_str();
        let copy = |it: &Message| (it.id.to_string(), copy_digest(it, application));
        let copies = share.iter().map(|(_, it)| copy(it)).collect();
        let begun = self.gateway.journal.begin(session.id.clone(), lease, copies).await;
        let begun = begun.map_err(|status| to_fault(&status))?;
        if begun.len() == share.len() {
            return Ok(begun);
        }
        Err(unavailable("journal").detail("the answer has another number of messages"))
    }

    /// Returns messages to the journal, which may have begun them although its answer was lost. A
    /// message that the session has under another lease stays in flight.
    async fn revert_begin(&self, session: &Session, lease: u64, share: &[Indexed]) {
        let unsent = share.iter().map(|(_, it)| unsent_settlement(it.id.to_string(), lease));
        self.gateway.settle_unsent(session, unsent.collect()).await;
    }

    /// Queues what the journal leased. What the session does not take any more goes back to the
    /// journal at once, which publishes it for another session.
    async fn enqueue(
        &self,
        reservation: Reservation,
        share: Vec<Indexed>,
        begun: Vec<Begun>,
    ) -> Vec<(usize, Verdict)> {
        let session = reservation.session.clone();
        let (mut verdicts, mut deliveries) = (Vec::new(), Vec::new());
        for ((index, message), begun) in share.into_iter().zip(begun) {
            let (verdict, delivery) = self.judge(message, begun);
            verdicts.push((index, verdict));
            deliveries.extend(delivery);
        }
        let count = deliveries.len();
        let unsent = reservation.enqueue(deliveries);
        self.gateway.metrics.count_deliveries(count - unsent.len(), unsent.len());
        self.gateway.return_unsent(&session, unsent).await;
        verdicts
    }

    /// The verdict on a message, and the delivery to queue when the journal leased it.
    fn judge(&self, message: Message, begun: Begun) -> (Verdict, Option<(Delivery, InFlight)>) {
        match begun.answer() {
            Answer::Deliver => {}
            // The journal has raised the alarm about an altered copy, and publishes the genuine one.
            Answer::InHandElsewhere | Answer::AlreadyDone | Answer::Hold | Answer::Altered => {
                return (Verdict::Done, None);
            }
            Answer::Unknown | Answer::Unspecified => {
                let detail = "the journal does not know this message";
                let fault = bus::Fault::new(code::LT_JNL_005.code, detail);
                return (Verdict::Reject(fault), None);
            }
        }
        match self.to_delivery(message, begun) {
            Ok(delivery) => (Verdict::Done, Some(delivery)),
            Err(error) => {
                let fault = bus::Fault::new(code::LT_GW_005.code, error.to_string());
                (Verdict::Reject(fault), None)
            }
        }
    }

    /// The official name of a sender; the bus itself is in no registry.
    fn sender_name(&self, sender: &str) -> String {
        match sender {
            BUS => "Trục liên thông".to_owned(),
            _ => self.gateway.registry.directory().organisation_name(sender),
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
            sender_name: self.sender_name(&envelope.sender),
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
