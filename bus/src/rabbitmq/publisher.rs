//! The publisher: one actor that owns one link and publishes windows.
//!
//! When two tasks share a link, lapin can report a refused publish as confirmed, and it may attach a
//! returned message to the confirm of another one. So the actor shares its link with no other task,
//! and returned messages are matched by their ids once the whole window is confirmed.

use std::{collections::HashSet, future::Future, pin::pin, sync::Arc, time::Duration};

use futures::{StreamExt, poll};
use lapin::{Confirmation, ConnectionStatus, PublisherConfirm, options::BasicPublishOptions};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{
    connection::{Link, RabbitMq},
    wire,
    wire::OutgoingMessage,
};
use crate::{
    channel::Channel,
    error::{BrokerError, PublishError, PublisherFailure},
    message::{Message, MessageId, WINDOW_BYTES},
    metrics::Metrics,
    publish::Publish,
};

/// How often a wait for a confirm checks whether the broker blocks publishing.
const BLOCKED_INTERVAL: Duration = Duration::from_millis(200);

type Outcome = Result<(), PublishError>;

/// Publishes through the actor, which ends with the last clone.
#[derive(Clone, Debug)]
pub struct RabbitMqPublisher {
    requests: mpsc::Sender<Request>,
    connection: ConnectionStatus,
    metrics: Metrics,
    limit: Duration,
    _actor: Arc<JoinSet<()>>,
}

#[derive(Debug)]
struct Request {
    batch: Vec<(Channel, Message)>,
    reply: oneshot::Sender<Vec<Outcome>>,
}

impl RabbitMqPublisher {
    pub(crate) async fn open(bus: &RabbitMq) -> Result<Self, BrokerError> {
        let link = bus.publishing_link().await?;
        let (requests, queue) = mpsc::channel(bus.settings().requests_max.max(1));
        let mut actor = JoinSet::new();
        actor.spawn(run(bus.clone(), link, queue));
        let connection = bus.publishing().status().clone();
        let (metrics, limit) = (bus.metrics().clone(), bus.settings().publish_limit());
        Ok(Self { requests, connection, metrics, limit, _actor: Arc::new(actor) })
    }

    pub(crate) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

impl Publish for RabbitMqPublisher {
    async fn publish(&self, batch: Vec<(Channel, Message)>) -> Vec<Outcome> {
        let count = batch.len();
        if count == 0 {
            return Vec::new();
        }
        // A broker that is short of memory or disk does not read the connection.
        if self.connection.blocked() {
            return refuse_all(&batch);
        }
        let (reply, outcomes) = oneshot::channel();
        let until = Instant::now() + self.limit;
        match timeout_at(until, self.requests.reserve()).await {
            Ok(Ok(permit)) => permit.send(Request { batch, reply }),
            Ok(Err(_ended)) => {
                return (0..count).map(|_| Err(PublishError::NotSent { source: None })).collect();
            }
            Err(_elapsed) => return refuse_all(&batch),
        }
        match timeout_at(until, outcomes).await {
            Ok(Ok(outcomes)) => outcomes,
            _ => (0..count).map(|_| Err(PublishError::Unknown { source: None })).collect(),
        }
    }
}

fn refuse_all(batch: &[(Channel, Message)]) -> Vec<Outcome> {
    let refused = |channel: &Channel| Err(PublishError::Refused { channel: channel.clone() });
    batch.iter().map(|(channel, _)| refused(channel)).collect()
}

/// Publishes requests until every publisher is dropped or the link fails.
async fn run(bus: RabbitMq, link: Link, mut requests: mpsc::Receiver<Request>) {
    let mut events = pin!(bus.publishing().events_listener());
    let failed = loop {
        let outcome = tokio::select! {
            request = requests.recv() => match request {
                Some(first) => publish_requests(&bus, &link, first, &mut requests).await,
                None => break None,
            },
            Some(event) = events.next() => check_event(event),
        };
        if let Err(failed) = outcome {
            break Some(failed);
        }
    };
    let Some(failed) = failed else { return bus.close(&link).await };
    tracing::error!(error = &*failed as &dyn std::error::Error, "publisher ended");
    bus.report_failure(Arc::clone(&failed));
    requests.close();
    while let Some(Request { batch, reply }) = requests.recv().await {
        let source = || Some(Arc::clone(&failed));
        // The send fails when the caller no longer waits, here and below.
        drop(
            reply.send(
                batch.iter().map(|_| Err(PublishError::NotSent { source: source() })).collect(),
            ),
        );
    }
}

/// Checks an event of the connection between publishes. Only its end is a failure; whether it is
/// blocked is checked before each publish.
fn check_event(event: lapin::Event) -> Result<(), Arc<PublisherFailure>> {
    if let lapin::Event::Error(source) = event {
        let error = BrokerError::Failed { call: "keep connection", source: source.into() };
        return Err(Arc::new(PublisherFailure::Link(error)));
    }
    if let lapin::Event::ConnectionBlocked(reason) = event {
        tracing::warn!(reason, "broker blocks publishing");
    }
    Ok(())
}

/// Publishes the first request and those in the queue behind it, up to a window, and replies to each.
async fn publish_requests(
    bus: &RabbitMq,
    link: &Link,
    first: Request,
    requests: &mut mpsc::Receiver<Request>,
) -> Result<(), Arc<PublisherFailure>> {
    let window = usize::from(bus.settings().window.max(1));
    let mut messages = Vec::new();
    let mut replies = Vec::new();
    let mut next = Some(first);
    while let Some(Request { mut batch, reply }) = next {
        // A caller whose time limit passed publishes the request again if it is still due.
        if !reply.is_closed() {
            replies.push((reply, batch.len()));
            messages.append(&mut batch);
        }
        next = if messages.len() < window { requests.try_recv().ok() } else { None };
    }
    let mut outcomes = Vec::with_capacity(messages.len());
    let mut failed = None;
    let mut messages = messages.into_iter().peekable();
    while messages.peek().is_some() {
        let part = take_window(&mut messages, window);
        match &failed {
            None => failed = publish_window(bus, link, part, &mut outcomes).await.err(),
            Some(failed) => {
                let source = || Some(Arc::clone(failed));
                outcomes
                    .extend(part.iter().map(|_| Err(PublishError::NotSent { source: source() })));
            }
        }
    }
    let mut outcomes = outcomes.into_iter();
    for (reply, count) in replies {
        drop(reply.send(outcomes.by_ref().take(count).collect()));
    }
    failed.map_or(Ok(()), Err)
}

/// The next messages that fit into a window; at least one.
fn take_window(
    messages: &mut std::iter::Peekable<std::vec::IntoIter<(Channel, Message)>>,
    window: usize,
) -> Vec<(Channel, Message)> {
    let mut part = Vec::with_capacity(window.min(messages.len()));
    let mut bytes = 0;
    while let Some(next) = messages.next_if(|(_, message)| {
        part.is_empty() || (part.len() < window && bytes + message.bytes() <= WINDOW_BYTES)
    }) {
        bytes += next.1.bytes();
        part.push(next);
    }
    part
}

/// Publishes a window, awaits its confirms, and adds an outcome for each message. After an error the
/// link cannot be used any more, and outcomes may be unknown.
pub(super) async fn publish_window(
    bus: &RabbitMq,
    link: &Link,
    window: Vec<(Channel, Message)>,
    outcomes: &mut Vec<Outcome>,
) -> Result<(), Arc<PublisherFailure>> {
    let mut until = Instant::now() + bus.settings().call_limit();
    let begin = outcomes.len();
    let mut sent = Vec::with_capacity(window.len());
    let mut in_flight = Vec::with_capacity(window.len());
    for (channel, message) in window {
        let id = message.id;
        match wire::encode_message(&channel, message) {
            Err(invalid) => outcomes.push(Err(PublishError::Invalid(invalid))),
            Ok(outgoing) => {
                let mut publish = Box::pin(send(link, outgoing));
                // The first poll puts all frames of the message into the client's queue, so the
                // order is that of the window; the rest of the future awaits their writing.
                let begun = poll!(&mut publish);
                in_flight.push((outcomes.len(), begun, publish));
                outcomes.push(Ok(()));
            }
        }
        sent.push((id, channel));
    }
    let mut failed = None;
    let mut returned = HashSet::new();
    for (index, begun, publish) in in_flight {
        let confirming = async {
            let confirm = match begun {
                std::task::Poll::Ready(begun) => begun?,
                std::task::Poll::Pending => publish.await?,
            };
            confirm.await
        };
        let failure = match await_confirm(bus, &mut until, confirming).await {
            Some(Ok(confirmation)) => {
                let channel = &sent[index - begin].1;
                outcomes[index] = read_confirmation(confirmation, channel, &mut returned);
                continue;
            }
            Some(Err(source)) => PublisherFailure::Link(BrokerError::Failed {
                call: "publish",
                source: source.into(),
            }),
            None => PublisherFailure::Unconfirmed,
        };
        let failed: &Arc<_> = failed.get_or_insert_with(|| Arc::new(failure));
        outcomes[index] = Err(PublishError::Unknown { source: Some(Arc::clone(failed)) });
    }
    mark_returned(&returned, &sent, &mut outcomes[begin..]);
    failed.map_or(Ok(()), Err)
}

/// The confirm, if it comes before `until`. A broker that blocks publishing sends no confirms, so the
/// time limit begins again when it unblocks.
async fn await_confirm<T>(
    bus: &RabbitMq,
    until: &mut Instant,
    confirm: impl Future<Output = T>,
) -> Option<T> {
    let mut confirm = pin!(confirm);
    loop {
        let check = Instant::now() + BLOCKED_INTERVAL;
        if let Ok(confirmed) = timeout_at(check.min(*until), confirm.as_mut()).await {
            return Some(confirmed);
        }
        if bus.is_blocked() {
            *until = Instant::now() + bus.settings().call_limit();
        } else if Instant::now() >= *until {
            return None;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that publishes")]
async fn send(link: &Link, outgoing: OutgoingMessage) -> lapin::Result<PublisherConfirm> {
    let options = BasicPublishOptions { mandatory: outgoing.mandatory, immediate: false };
    link.basic_publish(
        outgoing.exchange,
        outgoing.routing_key,
        options,
        &outgoing.body,
        outgoing.properties,
    )
    .await
}

/// The outcome of a confirm. A returned message that is attached to it is added to `returned`,
/// because it may belong to another confirm.
fn read_confirmation(
    confirmation: Confirmation,
    channel: &Channel,
    returned: &mut HashSet<(MessageId, String)>,
) -> Outcome {
    let refused = || Err(PublishError::Refused { channel: channel.clone() });
    let (outcome, attached) = match confirmation {
        Confirmation::Ack(attached) => (Ok(()), attached),
        Confirmation::Nack(attached) => (refused(), attached),
        // Every publishing link selects confirms; without one the outcome is unknown.
        Confirmation::NotRequested => (Err(PublishError::Unknown { source: None }), None),
    };
    if let Some(attached) = attached
        && let Some(id) = wire::message_id(&attached.properties)
    {
        returned.insert((id, attached.routing_key.to_string()));
    }
    outcome
}

/// Marks returned messages as unroutable, by id and channel.
fn mark_returned(
    returned: &HashSet<(MessageId, String)>,
    sent: &[(MessageId, Channel)],
    outcomes: &mut [Outcome],
) {
    if returned.is_empty() {
        return;
    }
    for ((id, channel), outcome) in sent.iter().zip(outcomes) {
        if returned.contains(&(*id, channel.name().to_owned())) {
            *outcome = Err(PublishError::Unroutable { channel: channel.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use lapin::message::{BasicReturnMessage, Delivery};
    use uuid::Uuid;

    use super::*;

    fn returned(id: MessageId, channel: &Channel) -> BasicReturnMessage {
        let mut delivery = Delivery::mock(1, "".into(), channel.name().into(), false, Vec::new());
        delivery.properties =
            lapin::BasicProperties::default().with_message_id(id.to_string().into());
        BasicReturnMessage { delivery, reply_code: 312, reply_text: "NO_ROUTE".into() }
    }

    #[test]
    fn a_returned_message_is_matched_by_its_id_and_not_by_its_confirm() {
        let channels = [Channel::intake(0), Channel::intake(1)];
        let ids = [1, 2, 2, 3].map(|id| MessageId::new(Uuid::from_u128(id)));
        // The second and the third have the same id and go to two channels.
        let sent: Vec<_> = [0, 0, 1, 0]
            .iter()
            .zip(ids)
            .map(|(channel, id)| (id, channels[*channel].clone()))
            .collect();
        let confirmations = [
            Confirmation::Ack(Some(returned(ids[2], &channels[1]))),
            Confirmation::Ack(None),
            Confirmation::Ack(None),
            Confirmation::Nack(None),
        ];
        let mut attached = HashSet::new();
        let mut outcomes: Vec<_> = confirmations
            .into_iter()
            .zip(&sent)
            .map(|(confirmation, (_, channel))| {
                read_confirmation(confirmation, channel, &mut attached)
            })
            .collect();
        mark_returned(&attached, &sent, &mut outcomes);
        assert!(
            matches!(
                &outcomes[..],
                [
                    Ok(()),
                    Ok(()),
                    Err(PublishError::Unroutable { channel }),
                    Err(PublishError::Refused { .. })
                ] if *channel == channels[1]
            ),
            "{outcomes:?}"
        );
    }

    #[test]
    fn windows_are_bounded_by_count_and_by_bytes() {
        let message = |bytes: usize| {
            let body = crate::message::Body::Inline(vec![0; bytes].into());
            let (id, attributes) = (MessageId::new(Uuid::nil()), crate::message::Attributes::new());
            (Channel::intake(0), Message { id, conversation: String::new(), attributes, body })
        };
        let large = WINDOW_BYTES / 3;
        let sizes = [0, 0, 0, large, large, large, large, 2 * WINDOW_BYTES, 0];
        let batch: Vec<_> = sizes.map(message).into();
        let mut messages = batch.into_iter().peekable();
        let mut lengths = Vec::new();
        while messages.peek().is_some() {
            lengths.push(take_window(&mut messages, 4).len());
        }
        assert_eq!(lengths, [4, 3, 1, 1]);
    }
}
