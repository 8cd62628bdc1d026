//! The way to an adapter: windows from its channel, begun in the journal, into its hands.

use std::sync::Arc;

use bus::{Body, Channel, Handle, Message, Receiver, Verdict, Verdicts};
use proto::envelope::InvalidEnvelope;
use proto::exchange::v1::{Delivery, DeliveredBody, delivery};
use proto::fault::code;
use proto::journal::v1::begun::Answer;
use proto::journal::v1::ending::Answer as Ending;
use proto::journal::v1::{BeginRequest, Begun, Envelope};
use tokio_util::sync::CancellationToken;

use crate::gateway::Gateway;
use crate::keep::Keeper;
use crate::session::{InHand, Session};
use crate::submit::stored;

/// Windows of deliveries: small, because each may bring a quarter of a megabyte.
const WINDOW: u16 = 64;

/// Takes from an application's channel for as long as one of its adapters is connected.
pub(crate) async fn receive(
    gateway: Gateway,
    application: String,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    gateway.bus.declare_delivery(&application).await?;
    let receiver = Receiver {
        channel: Channel::delivery(&application)?,
        window: WINDOW,
        keeper: Keeper::new(gateway.journal.clone(), gateway.component.clone()),
    };
    let bus = gateway.bus.clone();
    let handler = Arc::new(Deliverer { gateway, application });
    Ok(bus.receive(receiver, handler, shutdown).await?)
}

struct Deliverer {
    gateway: Gateway,
    application: String,
}

impl Deliverer {
    /// The session with the most free hands.
    async fn freest(&self) -> Option<Arc<Session>> {
        let sessions = self.gateway.sessions.of(&self.application).await;
        sessions.into_iter().max_by_key(|it| it.free_hands())
    }
}

impl Handle for Deliverer {
    async fn free_hands(&self) -> usize {
        match self.freest().await {
            Some(session) => {
                let free = session.free_hands();
                if free == 0 {
                    session.hand().await;
                }
                free
            }
            None => 0,
        }
    }

    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        let away = || Verdict::Retry(bus::Fault::new(code::LT_SYS_002.code, "no adapter is connected"));
        let Some(session) = self.freest().await else {
            return Verdicts::all(window.len(), away());
        };
        let request = BeginRequest {
            session: session.id.clone(),
            message_ids: window.iter().map(|it| it.id.to_string()).collect(),
        };
        let mut journal = self.gateway.journal.clone();
        let begun = match journal.begin(request).await {
            Ok(begun) => begun.into_inner().messages,
            Err(status) => {
                tracing::warn!(error = status.message(), "deliveries were not begun");
                if status.code() == tonic::Code::FailedPrecondition {
                    self.gateway.sessions.remove(&session.id).await;
                }
                return Verdicts::all(window.len(), away());
            }
        };
        let mut verdicts = Verdicts::undecided(window.len());
        for (place, (message, begun)) in window.into_iter().zip(begun).enumerate() {
            verdicts.decide(place, self.one(&session, message, begun).await);
        }
        verdicts
    }
}

impl Deliverer {
    async fn one(&self, session: &Session, message: Message, begun: Begun) -> Verdict {
        match begun.answer() {
            Answer::Deliver => {}
            Answer::InHandElsewhere | Answer::AlreadyDone | Answer::Hold => return Verdict::Done,
            Answer::Unknown | Answer::Unspecified => {
                let detail = "the journal does not know this message";
                return Verdict::Reject(bus::Fault::new(code::LT_JNL_005.code, detail));
            }
        }
        let ending = (message.id.to_string(), begun.lease);
        let handed = match self.delivery(message, begun) {
            Ok((delivery, held)) => session.hand_over(delivery, held).await,
            Err(error) => return Verdict::Reject(bus::Fault::new(code::LT_GW_005.code, error.to_string())),
        };
        if !handed {
            // From Begin on the journal has it; it is told that nothing left this house.
            self.gateway.end(&session.id, ending, Ending::Unsent(true)).await;
        }
        Verdict::Done
    }

    fn delivery(&self, message: Message, begun: Begun) -> Result<(Delivery, InHand), InvalidEnvelope> {
        let envelope = Envelope::from_attributes(&message.attributes)?;
        let (body, claim) = match message.body {
            Body::Inline(bytes) => (delivery::Body::Inline(bytes), None),
            Body::Claim(claim) => {
                let claim = stored(&claim);
                let by_part = DeliveredBody { size: claim.size, sha256: claim.sha256.clone() };
                (delivery::Body::ByPart(by_part), Some(claim))
            }
        };
        let held = InHand {
            attachments: begun.attachments.clone(),
            body: claim,
            lease_until_us: begun.lease_until_us,
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
        };
        Ok((delivery, held))
    }
}
