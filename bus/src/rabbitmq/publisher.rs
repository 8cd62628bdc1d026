//! The publisher: one actor that owns one link, and answers for windows.
//!
//! A link that two tasks share can report a refused publish as taken, and a returned message may
//! be attached to any confirm of its time. So nobody shares the link, and returns are matched by
//! name when the whole window is confirmed.

use std::{collections::HashSet, future::Future, pin::pin, sync::Arc, time::Duration};

use futures::{StreamExt, poll};
use lapin::{Confirmation, ConnectionStatus, PublisherConfirm, options::BasicPublishOptions};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{BrokerError, RabbitMq, wire, wire::Sealed};
use crate::{
    channel::Channel,
    message::{Message, MessageId},
    metrics::Metrics,
    publish::{Publish, PublishError, PublisherFailure},
    receive::WINDOW_BYTES,
};

/// How often somebody who waits for the broker looks whether it blocks publishing.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

type Outcome = Result<(), PublishError>;

/// Puts messages on channels through an actor. The actor ends with the last clone.
#[derive(Clone, Debug)]
pub struct Publisher {
    requests: mpsc::Sender<Request>,
    connection: ConnectionStatus,
    metrics: Metrics,
    limit: Duration,
    _actor: Arc<JoinSet<()>>,
}

#[derive(Debug)]
struct Request {
    batch: Vec<(Channel, Message)>,
    answer: oneshot::Sender<Vec<Outcome>>,
}

impl Publisher {
    pub(crate) async fn open(bus: &RabbitMq) -> Result<Self, BrokerError> {
        let link = bus.publishing_link().await?;
        let (requests, waiting) = mpsc::channel(bus.settings().requests_max.max(1));
        let mut actor = JoinSet::new();
        actor.spawn(run(bus.clone(), link, waiting));
        let connection = bus.0.publishing.status().clone();
        let (metrics, limit) = (bus.metrics().clone(), bus.settings().publish_limit());
        Ok(Self { requests, connection, metrics, limit, _actor: Arc::new(actor) })
    }

    pub(crate) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

impl Publish for Publisher {
    async fn publish(&self, batch: Vec<(Channel, Message)>) -> Vec<Outcome> {
        let count = batch.len();
        if count == 0 {
            return Vec::new();
        }
        // Nothing would be written while the broker is short of memory or disk.
        if self.connection.blocked() {
            return refused(&batch);
        }
        let (answer, answered) = oneshot::channel();
        let until = Instant::now() + self.limit;
        match timeout_at(until, self.requests.reserve()).await {
            Ok(Ok(place)) => place.send(Request { batch, answer }),
            Ok(Err(_ended)) => {
                return (0..count).map(|_| Err(PublishError::NotSent { source: None })).collect();
            }
            Err(_elapsed) => return refused(&batch),
        }
        match timeout_at(until, answered).await {
            Ok(Ok(outcomes)) => outcomes,
            _ => (0..count).map(|_| Err(PublishError::Unknown { source: None })).collect(),
        }
    }
}

fn refused(batch: &[(Channel, Message)]) -> Vec<Outcome> {
    let refused = |channel: &Channel| Err(PublishError::Refused { channel: channel.clone() });
    batch.iter().map(|(channel, _)| refused(channel)).collect()
}

/// Serves requests until nobody can make any, or the link fails.
async fn run(bus: RabbitMq, link: lapin::Channel, mut requests: mpsc::Receiver<Request>) {
    let mut events = pin!(bus.0.publishing.events_listener());
    let failed = loop {
        let served = tokio::select! {
            request = requests.recv() => match request {
                Some(first) => serve(&bus, &link, first, &mut requests).await,
                None => break None,
            },
            Some(event) = events.next() => heed(event),
        };
        if let Err(failed) = served {
            break Some(failed);
        }
    };
    let Some(failed) = failed else { return bus.close(&link).await };
    tracing::error!(error = &*failed as &dyn std::error::Error, "publisher ended");
    bus.0.failure.send_replace(Some(Arc::clone(&failed)));
    requests.close();
    while let Some(Request { batch, answer }) = requests.recv().await {
        let source = || Some(Arc::clone(&failed));
        // A caller that went away needs no answer, here and below.
        drop(
            answer.send(
                batch.iter().map(|_| Err(PublishError::NotSent { source: source() })).collect(),
            ),
        );
    }
}

/// What the connection tells between publishes. Only its end matters; a block is looked up where
/// somebody waits.
fn heed(event: lapin::Event) -> Result<(), Arc<PublisherFailure>> {
    if let lapin::Event::Error(source) = event {
        let error = BrokerError::Failed { call: "keep connection", source };
        return Err(Arc::new(PublisherFailure::Link(error)));
    }
    if let lapin::Event::ConnectionBlocked(reason) = event {
        tracing::warn!(reason, "the broker blocks publishing");
    }
    Ok(())
}

/// Publishes the first request and those that wait behind it, up to a window, and answers each.
async fn serve(
    bus: &RabbitMq,
    link: &lapin::Channel,
    first: Request,
    requests: &mut mpsc::Receiver<Request>,
) -> Result<(), Arc<PublisherFailure>> {
    let window = usize::from(bus.settings().window.max(1));
    let mut messages = Vec::new();
    let mut answers = Vec::new();
    let mut next = Some(first);
    while let Some(Request { mut batch, answer }) = next {
        // Whoever gave up on a request publishes it again, if it is still due.
        if !answer.is_closed() {
            answers.push((answer, batch.len()));
            messages.append(&mut batch);
        }
        next = if messages.len() < window { requests.try_recv().ok() } else { None };
    }
    let mut outcomes = Vec::with_capacity(messages.len());
    let mut failed = None;
    let mut messages = messages.into_iter().peekable();
    while messages.peek().is_some() {
        let part = cut(&mut messages, window);
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
    for (answer, count) in answers {
        drop(answer.send(outcomes.by_ref().take(count).collect()));
    }
    failed.map_or(Ok(()), Err)
}

/// The next messages that make a window: at least one, and neither too many nor too large.
fn cut(
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

/// Publishes a window, awaits all its confirms, and adds an outcome for each message. With an
/// error the link is of no more use, and outcomes may be unknown.
pub(super) async fn publish_window(
    bus: &RabbitMq,
    link: &lapin::Channel,
    window: Vec<(Channel, Message)>,
    outcomes: &mut Vec<Outcome>,
) -> Result<(), Arc<PublisherFailure>> {
    let mut until = Instant::now() + bus.settings().call_limit();
    let begin = outcomes.len();
    let mut names = Vec::with_capacity(window.len());
    let mut on_the_way = Vec::with_capacity(window.len());
    for (channel, message) in window {
        let id = message.id;
        match wire::seal(&channel, message) {
            Err(invalid) => outcomes.push(Err(PublishError::Invalid(invalid))),
            Ok(sealed) => {
                let mut publish = Box::pin(send(link, sealed));
                // The first poll hands the frames over whole, so the order is ours; what is left
                // to await is their writing.
                let begun = poll!(&mut publish);
                on_the_way.push((outcomes.len(), begun, publish));
                outcomes.push(Ok(()));
            }
        }
        names.push((id, channel));
    }
    let mut failed = None;
    let mut returned = HashSet::new();
    for (place, begun, publish) in on_the_way {
        let answered = async {
            let confirm = match begun {
                std::task::Poll::Ready(begun) => begun?,
                std::task::Poll::Pending => publish.await?,
            };
            confirm.await
        };
        let failure = match patiently(bus, &mut until, answered).await {
            Some(Ok(confirmation)) => {
                let channel = &names[place - begin].1;
                outcomes[place] = judge(confirmation, channel, &mut returned);
                continue;
            }
            Some(Err(source)) => {
                PublisherFailure::Link(BrokerError::Failed { call: "publish", source })
            }
            None => PublisherFailure::Unconfirmed,
        };
        let failed: &Arc<_> = failed.get_or_insert_with(|| Arc::new(failure));
        outcomes[place] = Err(PublishError::Unknown { source: Some(Arc::clone(failed)) });
    }
    flag(&returned, &names, &mut outcomes[begin..]);
    failed.map_or(Ok(()), Err)
}

/// The answer, if it comes before `until`. While the broker blocks publishing it owes none: the
/// time begins anew when it goes on.
async fn patiently<T>(
    bus: &RabbitMq,
    until: &mut Instant,
    answer: impl Future<Output = T>,
) -> Option<T> {
    let mut answer = pin!(answer);
    loop {
        let look = Instant::now() + LOOK_AGAIN;
        if let Ok(answered) = timeout_at(look.min(*until), answer.as_mut()).await {
            return Some(answered);
        }
        if bus.is_blocked() {
            *until = Instant::now() + bus.settings().call_limit();
        } else if Instant::now() >= *until {
            return None;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that publishes")]
async fn send(link: &lapin::Channel, sealed: Sealed) -> lapin::Result<PublisherConfirm> {
    let options = BasicPublishOptions { mandatory: sealed.mandatory, immediate: false };
    link.basic_publish(
        sealed.exchange,
        sealed.routing_key,
        options,
        &sealed.body,
        sealed.properties,
    )
    .await
}

/// What a confirm says, and, put aside, which message came back with it: rarely its own.
fn judge(
    confirmation: Confirmation,
    channel: &Channel,
    returned: &mut HashSet<(MessageId, String)>,
) -> Outcome {
    let refused = || Err(PublishError::Refused { channel: channel.clone() });
    let (outcome, back) = match confirmation {
        Confirmation::Ack(back) => (Ok(()), back),
        Confirmation::Nack(back) => (refused(), back),
        // Confirms were asked for when the link was opened; without one nothing is promised.
        Confirmation::NotRequested => (Err(PublishError::Unknown { source: None }), None),
    };
    if let Some(back) = back
        && let Some(id) = wire::name(&back.properties)
    {
        returned.insert((id, back.routing_key.to_string()));
    }
    outcome
}

/// Marks what came back, by its name.
fn flag(
    returned: &HashSet<(MessageId, String)>,
    names: &[(MessageId, Channel)],
    outcomes: &mut [Outcome],
) {
    if returned.is_empty() {
        return;
    }
    for ((id, channel), outcome) in names.iter().zip(outcomes) {
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
    fn a_return_belongs_to_the_message_it_names_and_not_to_the_confirm_it_came_with() {
        let channels = [Channel::intake(0), Channel::intake(1)];
        let ids = [1, 2, 2, 3].map(|id| MessageId::new(Uuid::from_u128(id)));
        // The second and the third have one name, and go to two channels.
        let names: Vec<_> = [0, 0, 1, 0]
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
        let mut back = HashSet::new();
        let mut outcomes: Vec<_> = confirmations
            .into_iter()
            .zip(&names)
            .map(|(confirmation, (_, channel))| judge(confirmation, channel, &mut back))
            .collect();
        flag(&back, &names, &mut outcomes);
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
    fn windows_are_cut_by_number_and_by_size() {
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
            lengths.push(cut(&mut messages, 4).len());
        }
        assert_eq!(lengths, [4, 3, 1, 1]);
    }
}
