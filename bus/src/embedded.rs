//! The same channels in the memory of one process: bounded, ordered, at least once while it lives.
//!
//! Nothing is ever only in a channel, so it needs no file: after a restart the journal drives
//! again what was not through.

mod queue;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::queue::{InHand, Queue};
use crate::{
    channel::{Channel, Kind},
    message::{Attributes, Body, Message, MessageId},
    metrics::Metrics,
    publish::PublishError,
    receive::{FailureStore, Handle, Held, ReceiveError, Receiver, Stand, capacity, step},
    settings::Settings,
    transport::ProbeError,
};

/// Broadcasts a slow listener may be behind; they are rare and small.
const BROADCASTS_MAX: usize = 1_024;

/// The channels of one process. Clones share them.
#[derive(Clone)]
pub struct Embedded(Arc<Inner>);

struct Inner {
    settings: Settings,
    queues: watch::Sender<HashMap<Channel, Arc<Queue>>>,
    broadcasts: broadcast::Sender<Message>,
    metrics: Metrics,
}

/// Hears what is broadcast, from the moment it was made.
#[derive(Debug)]
pub struct Listener(broadcast::Receiver<Message>);

impl Embedded {
    pub(crate) fn new(settings: Settings) -> Self {
        let settings = Settings { partitions: settings.partitions.max(1), ..settings };
        let channels = (0..settings.partitions)
            .map(Channel::intake)
            .chain([Channel::undeliverable(), Channel::probe()]);
        let queues = channels.map(|channel| (channel, queue(&settings))).collect();
        Self(Arc::new(Inner {
            queues: watch::Sender::new(queues),
            broadcasts: broadcast::Sender::new(BROADCASTS_MAX),
            metrics: Metrics::new("lienthong"),
            settings,
        }))
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn declare(&self, channel: &Channel) {
        self.0.queues.send_if_modified(|queues| {
            let is_new = !queues.contains_key(channel);
            if is_new {
                queues.insert(channel.clone(), queue(&self.0.settings));
            }
            is_new
        });
    }

    pub(crate) fn listen(&self) -> Listener {
        Listener(self.0.broadcasts.subscribe())
    }

    fn queue(&self, channel: &Channel) -> Option<Arc<Queue>> {
        self.0.queues.borrow().get(channel).cloned()
    }

    pub(crate) async fn publish(
        &self,
        batch: Vec<(Channel, Message)>,
    ) -> Vec<Result<(), PublishError>> {
        let mut outcomes: Vec<_> = batch.iter().map(|_| Ok(())).collect();
        let mut by_channel: HashMap<Channel, Vec<(usize, Message)>> = HashMap::new();
        for (place, (channel, message)) in batch.into_iter().enumerate() {
            match message.check() {
                Ok(()) => by_channel.entry(channel).or_default().push((place, message)),
                Err(invalid) => outcomes[place] = Err(PublishError::Invalid(invalid)),
            }
        }
        let puts = by_channel.into_iter().map(|(channel, messages)| self.put(channel, messages));
        for (place, error) in join_all(puts).await.into_iter().flatten() {
            outcomes[place] = Err(error);
        }
        outcomes
    }

    /// Puts messages on one channel, and names the places of those that are not on it.
    async fn put(
        &self,
        channel: Channel,
        messages: Vec<(usize, Message)>,
    ) -> Vec<(usize, PublishError)> {
        if channel.kind() == Kind::Control {
            for (_, message) in messages {
                // An error says that nobody listens, which is nobody's loss.
                drop(self.0.broadcasts.send(message));
            }
            return Vec::new();
        }
        let Some(queue) = self.queue(&channel) else {
            let unroutable =
                |(place, _)| (place, PublishError::Unroutable { channel: channel.clone() });
            return messages.into_iter().map(unroutable).collect();
        };
        // A partition's receiver takes the next ones soon. An application may be asleep, and would
        // keep back what goes to others.
        let limit = match channel.kind() {
            Kind::Intake => self.0.settings.room_limit(),
            Kind::Delivery | Kind::Control | Kind::Undeliverable | Kind::Probe => Duration::ZERO,
        };
        let left = queue.put(messages, limit).await;
        let refused = |place| (place, PublishError::Refused { channel: channel.clone() });
        left.into_iter().map(refused).collect()
    }
}

fn queue(settings: &Settings) -> Arc<Queue> {
    Arc::new(Queue::new(settings.channel_messages_max, settings.channel_bytes_max))
}

impl fmt::Debug for Embedded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Embedded").finish_non_exhaustive()
    }
}

impl Held for InHand {
    fn messages(&mut self) -> Vec<Message> {
        self.held().to_vec()
    }

    fn message(&self, place: usize) -> Message {
        self.held()[place].clone()
    }
}

pub(crate) async fn receive<K: FailureStore, H: Handle>(
    bus: &Embedded,
    receiver: &Receiver<K>,
    handler: &H,
    shutdown: &CancellationToken,
) -> Result<(), ReceiveError> {
    let channel = &receiver.channel;
    let queue =
        bus.queue(channel).ok_or_else(|| ReceiveError::NoChannel { channel: channel.clone() })?;
    let _turn = match channel.kind() {
        Kind::Intake => tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            turn = Arc::clone(&queue).turn() => Some(turn),
        },
        Kind::Delivery | Kind::Control | Kind::Undeliverable | Kind::Probe => None,
    };
    let most = usize::from(receiver.window.max(1));
    let keep_limit = bus.settings().keep_limit();
    let stand = Stand { receiver, metrics: bus.metrics(), keep_limit };
    loop {
        let hands = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            hands = ready(&queue, handler) => hands,
        };
        // Another receiver of the channel may have been faster while the hands were asked for.
        let Some(mut in_hand) = queue.take(hands.min(most)) else { continue };
        step(&stand, handler, &mut in_hand, Vec::new()).await?;
        in_hand.settle();
    }
}

/// Waits for a message, and then for hands to put it into.
async fn ready<H: Handle>(queue: &Queue, handler: &H) -> usize {
    queue.filled().await;
    capacity(handler).await
}

/// Puts a probe on its channel and takes one from it.
pub(crate) async fn probe(bus: &Embedded) -> Result<(), ProbeError> {
    let channel = Channel::probe();
    let probe = Message {
        id: MessageId::new(Uuid::now_v7()),
        conversation: String::new(),
        attributes: Attributes::new(),
        body: Body::Inline(Bytes::new()),
    };
    for outcome in bus.publish(vec![(channel.clone(), probe)]).await {
        outcome?;
    }
    let queue = bus.queue(&channel).ok_or(ReceiveError::NoChannel { channel })?;
    loop {
        queue.filled().await;
        if let Some(in_hand) = queue.take(1) {
            in_hand.settle();
            return Ok(());
        }
    }
}

impl Listener {
    pub(crate) async fn next(&mut self) -> Result<Message, ReceiveError> {
        match self.0.recv().await {
            Ok(message) => Ok(message),
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                Err(ReceiveError::Missed { missed })
            }
            Err(broadcast::error::RecvError::Closed) => {
                Err(ReceiveError::ConsumerCancelled { channel: Channel::control() })
            }
        }
    }
}
