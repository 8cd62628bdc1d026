//! The way to an adapter: windows from its channel, begun in the journal, into its hands.

use std::sync::Arc;

use bus::{Body, Channel, Handle, Message, Receiver, Verdict, Verdicts};
use chassis::trace::{About, Operation, message_span, traceparent};
use proto::envelope::InvalidEnvelope;
use proto::exchange::v1::{DeliveredBody, Delivery, delivery};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::begun::Answer;
use proto::journal::v1::{BeginRequest, Begun, Envelope, Settlement};
use tokio_util::sync::CancellationToken;

use crate::body::stored;
use crate::fault::away;
use crate::gateway::{Gateway, unsent_ending};
use crate::keep::Keeper;
use crate::session::{InFlight, Session};
use crate::sessions::ApplicationSessions;

/// Windows of deliveries: small, because each may bring a quarter of a megabyte.
const WINDOW: u16 = 64;
/// Sessions that may end under a window before it is brought back later.
const SESSIONS_TRIED: usize = 3;

/// Takes from an application's channel for as long as one of its adapters is connected.
pub(crate) async fn receive(
    gateway: Arc<Gateway>,
    sessions: Arc<ApplicationSessions>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let application = sessions.application.clone();
    gateway.bus.declare_delivery(&application).await?;
    let receiver = Receiver {
        channel: Channel::delivery(&application)?,
        window: WINDOW,
        failure_store: Keeper::new(gateway.journal.clone(), gateway.clock.clone(), application),
    };
    let bus = gateway.bus.clone();
    let handler = Arc::new(Deliverer { gateway, sessions });
    Ok(bus.receive(receiver, handler, shutdown).await?)
}

struct Deliverer {
    gateway: Arc<Gateway>,
    sessions: Arc<ApplicationSessions>,
}

impl Handle for Deliverer {
    async fn capacity(&self) -> usize {
        self.sessions.capacity().await
    }

    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        for _ in 0..SESSIONS_TRIED {
            let Some(session) = self.sessions.with_most_capacity() else { break };
            match self.begin(&session, &window).await {
                Ok(begun) => return self.hand_over(&session, window, begun).await,
                Err(fault) if fault.code == code::LT_JNL_004.code => {
                    // A newer one of the same adapter is open elsewhere.
                    self.gateway.sessions.remove(&session.id);
                    drop(session.close());
                }
                Err(fault) => {
                    tracing::warn!(error = %fault, "deliveries were not begun");
                    self.undo(&session, &window).await;
                    break;
                }
            }
        }
        let fault = bus::Fault::new(code::LT_SYS_002.code, "no adapter could be handed anything");
        Verdicts::all(window.len(), Verdict::Retry(fault))
    }
}

impl Deliverer {
    async fn begin(&self, session: &Session, window: &[Message]) -> Result<Vec<Begun>, Fault> {
        let request = BeginRequest {
            session: session.id.clone(),
            message_ids: window.iter().map(|it| it.id.to_string()).collect(),
        };
        let mut journal = self.gateway.journal.clone();
        let begun = self.gateway.within(journal.begin(request)).await?.messages;
        if begun.len() == window.len() {
            return Ok(begun);
        }
        Err(away("journal").detail("it answered for another window"))
    }

    /// The journal may have begun what it never answered for; nobody has those in hand.
    async fn undo(&self, session: &Session, window: &[Message]) {
        let mut settlements = Vec::new();
        for id in window.iter().map(|it| it.id.to_string()) {
            if session.in_flight(&id).is_none() {
                settlements.push(unsent_ending(id, 0));
            }
        }
        self.gateway.unsent(session, settlements).await;
    }

    async fn hand_over(
        &self,
        session: &Session,
        window: Vec<Message>,
        begun: Vec<Begun>,
    ) -> Verdicts {
        let mut verdicts = Verdicts::undecided(window.len());
        let mut unsent = Vec::new();
        let mut handed = 0;
        for (place, (message, begun)) in window.into_iter().zip(begun).enumerate() {
            let is_due = begun.answer() == Answer::Deliver;
            let (verdict, ending) = self.one(session, message, begun);
            let is_handed = is_due && ending.is_none() && matches!(verdict, Verdict::Done);
            handed += usize::from(is_handed);
            verdicts.decide(place, verdict);
            unsent.extend(ending);
        }
        self.gateway.metrics.deliveries(handed, unsent.len());
        // From Begin on the journal has them; it is told what did not leave this house.
        let told = unsent.into_iter().map(|it| self.gateway.settle(session.lease_owner(), it));
        for outcome in futures::future::join_all(told).await {
            if let Err(fault) = outcome {
                tracing::warn!(session = session.id, error = %fault, "delivery waits for its lease");
            }
        }
        verdicts
    }

    fn one(
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
        let ending = unsent_ending(message.id.to_string(), begun.lease);
        match self.delivery(message, begun) {
            Ok((delivery, held)) => {
                let is_handed = session.enqueue(delivery, held);
                (Verdict::Done, (!is_handed).then_some(ending))
            }
            Err(error) => {
                let fault = bus::Fault::new(code::LT_GW_005.code, error.to_string());
                (Verdict::Reject(fault), None)
            }
        }
    }

    fn delivery(
        &self,
        message: Message,
        begun: Begun,
    ) -> Result<(Delivery, InFlight), InvalidEnvelope> {
        let mut envelope = Envelope::from_attributes(message.id.to_string(), &message.attributes)?;
        let span = message_span(
            Operation::Receive,
            About {
                destination: &self.sessions.application,
                message_id: &envelope.id,
                conversation: &envelope.conversation,
                traceparent: &envelope.traceparent,
            },
        );
        let here = traceparent(&span);
        if !here.is_empty() {
            envelope.traceparent = here;
        }
        let (body, claim) = match message.body {
            Body::Inline(bytes) => (delivery::Body::Inline(bytes), None),
            Body::Claim(claim) => {
                let claim = stored(&claim);
                let by_part = DeliveredBody { size: claim.size, sha256: claim.sha256.clone() };
                (delivery::Body::ByPart(by_part), Some(claim))
            }
        };
        let held = InFlight {
            lease: begun.lease,
            attachments: begun.attachments.clone(),
            body: claim,
            lease_until_us: begun.lease_until_us,
            conversation: envelope.conversation.clone(),
            traceparent: envelope.traceparent.clone(),
        };
        let delivery = Delivery {
            sender_name: self.gateway.registered.now().name(&envelope.sender),
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
        };
        Ok((delivery, held))
    }
}
