//! The channels in the memory of one process: bounded, ordered, at least once while it lives.
//!
//! They need no file: every message is a row of the journal, which publishes it again after a
//! restart unless it is settled.

mod queue;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::queue::{InFlight, Queue};
use crate::{
    channel::{Channel, Kind},
    error::{ProbeError, PublishError, ReceiveError},
    message::{Attributes, Body, Message, MessageId},
    metrics::Metrics,
    receive::{
        FailureStore, Handle, PendingWindow, ReceiveContext, Receiver, process_window,
        wait_for_capacity,
    },
    settings::Settings,
};

/// How many broadcasts a listener may be behind; they are rare and small.
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

/// Receives broadcasts from the moment it was opened.
#[derive(Debug)]
pub struct EmbeddedListener(broadcast::Receiver<Message>);

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

    pub(crate) fn listen(&self) -> EmbeddedListener {
        EmbeddedListener(self.0.broadcasts.subscribe())
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
        for (index, (channel, message)) in batch.into_iter().enumerate() {
            match message.check() {
                Ok(()) => by_channel.entry(channel).or_default().push((index, message)),
                Err(invalid) => outcomes[index] = Err(PublishError::Invalid(invalid)),
            }
        }
        let puts = by_channel.into_iter().map(|(channel, messages)| self.put(channel, messages));
        for (index, error) in join_all(puts).await.into_iter().flatten() {
            outcomes[index] = Err(error);
        }
        outcomes
    }

    /// Puts messages on one channel; the indices of those that it refused.
    async fn put(
        &self,
        channel: Channel,
        messages: Vec<(usize, Message)>,
    ) -> Vec<(usize, PublishError)> {
        if channel.kind() == Kind::Control {
            for (_, message) in messages {
                // The error of a broadcast without listeners; it is not a lost message.
                drop(self.0.broadcasts.send(message));
            }
            return Vec::new();
        }
        let Some(queue) = self.queue(&channel) else {
            let unroutable =
                |(index, _)| (index, PublishError::Unroutable { channel: channel.clone() });
            return messages.into_iter().map(unroutable).collect();
        };
        // Waiting pays off for intake, whose receiver takes messages all the time. An application may
        // be disconnected, and waiting for it would delay messages for others.
        let limit = match channel.kind() {
            Kind::Intake => self.0.settings.full_channel_limit(),
            Kind::Delivery | Kind::Control | Kind::Undeliverable | Kind::Probe => Duration::ZERO,
        };
        let refused_indices = queue.put(messages, limit).await;
        let refused = |index| (index, PublishError::Refused { channel: channel.clone() });
        refused_indices.into_iter().map(refused).collect()
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

impl PendingWindow for InFlight {
    fn take_messages(&mut self) -> Vec<Message> {
        // Copies: the originals return to the queue when the window is not settled.
        self.messages().to_vec()
    }

    fn message(&self, index: usize) -> Message {
        self.messages()[index].clone()
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
    let _exclusive = match channel.kind() {
        Kind::Intake => tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            exclusive = Arc::clone(&queue).lock_exclusive() => Some(exclusive),
        },
        Kind::Delivery | Kind::Control | Kind::Undeliverable | Kind::Probe => None,
    };
    let window_max = usize::from(receiver.window.max(1));
    let failure_store_limit = bus.settings().failure_store_limit();
    let context = ReceiveContext { receiver, metrics: bus.metrics(), failure_store_limit };
    loop {
        let capacity = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            capacity = wait_for_work(&queue, handler) => capacity,
        };
        // Another receiver of the channel may have taken the messages during the wait.
        let Some(mut in_flight) = queue.take(capacity.min(window_max)) else { continue };
        process_window(&context, handler, &mut in_flight, Vec::new()).await?;
        in_flight.settle();
    }
}

/// Waits for a message, and then for the capacity of the handler.
async fn wait_for_work<H: Handle>(queue: &Queue, handler: &H) -> usize {
    queue.wait_until_filled().await;
    wait_for_capacity(handler).await
}

/// Publishes a probe on its channel and receives one from it.
pub(crate) async fn send_probe(bus: &Embedded) -> Result<(), ProbeError> {
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
        queue.wait_until_filled().await;
        if let Some(in_flight) = queue.take(1) {
            in_flight.settle();
            return Ok(());
        }
    }
}

impl EmbeddedListener {
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
