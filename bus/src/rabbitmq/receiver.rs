//! Receiving from queues: each window is settled by one cumulative acknowledgement.

use std::{mem, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use lapin::{
    Acker, BasicProperties,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    connection::{Link, RabbitMq},
    topology::{CONTROL, is_missing},
    wire,
};
use crate::{
    channel::Channel,
    error::{BrokerError, ReceiveError},
    message::{Message, WINDOW_BYTES},
    receive::{
        FailureStore, Handle, PendingWindow, ReceiveContext, Receiver, process_window,
        wait_for_capacity,
    },
    uninterrupted::uninterrupted,
    verdict::Disposition,
};

/// Prefetch of a listener; broadcasts are rare and small.
const BROADCASTS_PREFETCH: u16 = 64;

/// The most broadcasts in the queue of a listener; the broker drops the oldest.
const BROADCASTS_MAX: i32 = 1_024;

/// A handler that took longer to have capacity is slow: fewer messages are then prefetched, so that
/// other receivers of the channel can take them.
const SLOW_CAPACITY: Duration = Duration::from_secs(1);

/// Why a consumer was closed without an error.
enum ConsumerEnd {
    Shutdown,
    NoCapacity,
    CapacityChanged,
}

/// A consumer on its link. The link is the first field, so it is closed before the consumer is
/// dropped: otherwise the broker would cancel the consumer first, and start the next one with later
/// messages than those that are unsettled here.
#[derive(Debug)]
struct LinkConsumer {
    link: Link,
    deliveries: lapin::Consumer,
    /// How many unsettled messages the broker delivers.
    prefetch: u16,
}

pub(crate) async fn receive<K: FailureStore, H: Handle>(
    bus: &RabbitMq,
    receiver: &Receiver<K>,
    handler: &H,
    shutdown: &CancellationToken,
) -> Result<(), ReceiveError> {
    loop {
        // A handler without capacity has no link, so no delivery waits unsettled for it.
        let capacity = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            failed = bus.publisher_failed() => return Err(ReceiveError::Publisher(failed)),
            capacity = wait_for_capacity(handler) => capacity,
        };
        let (link, channel) = (bus.consuming_link().await?, &receiver.channel);
        let prefetch = prefetch(capacity, receiver.window);
        let mut consumer = open_consumer(bus, link, (channel, channel.name()), prefetch).await?;
        let end = consume(bus, &mut consumer, (receiver, handler), shutdown).await;
        bus.close(&consumer.link).await;
        match end? {
            ConsumerEnd::Shutdown => return Ok(()),
            ConsumerEnd::NoCapacity => {
                tracing::info!(%channel, "handler has no capacity, link closed");
            }
            ConsumerEnd::CapacityChanged => {
                tracing::debug!(%channel, "capacity of handler changed, link renewed");
            }
        }
    }
}

/// The prefetch for a capacity: at most two windows, one that is handled and one that arrives
/// meanwhile.
fn prefetch(capacity: usize, window: u16) -> u16 {
    u16::try_from(capacity).unwrap_or(u16::MAX).min(window.max(1).saturating_mul(2))
}

async fn consume<K: FailureStore, H: Handle>(
    bus: &RabbitMq,
    LinkConsumer { deliveries, prefetch: opened, .. }: &mut LinkConsumer,
    (receiver, handler): (&Receiver<K>, &H),
    shutdown: &CancellationToken,
) -> Result<ConsumerEnd, ReceiveError> {
    let failure_store_limit = bus.settings().failure_store_limit();
    let context = ReceiveContext { receiver, metrics: bus.metrics(), failure_store_limit };
    loop {
        let first = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(ConsumerEnd::Shutdown),
            failed = bus.publisher_failed() => return Err(ReceiveError::Publisher(failed)),
            next = deliveries.next() => unpack(next, &receiver.channel)?,
        };
        let asked = Instant::now();
        let capacity = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(ConsumerEnd::Shutdown),
            capacity = capacity_within(bus.settings().capacity_limit(), handler) => capacity,
        };
        let Some(capacity) = capacity else { return Ok(ConsumerEnd::NoCapacity) };
        let is_slow = asked.elapsed() >= SLOW_CAPACITY;
        let wanted = prefetch(capacity, receiver.window);
        let count_max = capacity.min(receiver.window.max(1).into());
        let mut window = take_window(first, deliveries, count_max, &receiver.channel)?;
        process_window(&context, handler, &mut window.decoded, window.dead_letters).await?;
        let begun = Instant::now();
        settle(bus, &window.last).await?;
        context.metrics.record_settled(&receiver.channel, begun.elapsed());
        // Only when the capacity doubled or halved, so that small changes do not renew the link.
        if wanted / 2 >= *opened || (is_slow && wanted <= *opened / 2) {
            return Ok(ConsumerEnd::CapacityChanged);
        }
    }
}

async fn open_consumer(
    bus: &RabbitMq,
    link: Link,
    (channel, queue): (&Channel, &str),
    prefetch: u16,
) -> Result<LinkConsumer, ReceiveError> {
    bus.call("set prefetch", link.basic_qos(prefetch, BasicQosOptions { global: false })).await?;
    let tag = format!("{}.{}", bus.settings().name, Uuid::now_v7());
    let tag: String = tag.chars().filter(char::is_ascii).take(200).collect();
    let (bus, queue) = (bus.clone(), queue.to_owned());
    // A caller that goes away meanwhile lets the consumer be closed with its link, as all others are.
    let consuming = uninterrupted(async move {
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let consuming = link.basic_consume(queue.into(), tag.into(), options, arguments);
        let consuming = bus.call("consume", consuming).await;
        consuming.map(|deliveries| LinkConsumer { link, deliveries, prefetch })
    });
    match consuming.await {
        Ok(consumer) => Ok(consumer),
        Err(error) if is_missing(&error) => {
            Err(ReceiveError::NoChannel { channel: channel.clone() })
        }
        Err(error) => Err(error.into()),
    }
}

async fn capacity_within<H: Handle>(limit: Duration, handler: &H) -> Option<usize> {
    tokio::time::timeout(limit, wait_for_capacity(handler)).await.ok()
}

/// The parts of one delivery.
struct Delivery {
    properties: BasicProperties,
    body: Bytes,
    acker: Acker,
}

/// The next delivery of a consumer's stream. The stream ends when the broker cancels the consumer; an
/// empty queue does not end it.
fn unpack(
    next: Option<lapin::Result<lapin::message::Delivery>>,
    channel: &Channel,
) -> Result<Delivery, ReceiveError> {
    let delivery = next
        .ok_or_else(|| ReceiveError::ConsumerCancelled { channel: channel.clone() })?
        .map_err(|source| BrokerError::Failed { call: "receive", source: source.into() })?;
    let lapin::message::Delivery { properties, data, acker, .. } = delivery;
    Ok(Delivery { properties, body: data.into(), acker })
}

/// A window of deliveries.
struct Window {
    decoded: DecodedMessages,
    /// Deliveries that could not be decoded.
    dead_letters: Vec<(Message, Disposition)>,
    /// Acknowledges the whole window.
    last: Acker,
}

/// Messages and the bytes they were decoded from. A second copy of a message is needed only when it
/// failed, and is then decoded again, so that no message is copied otherwise.
#[derive(Default)]
struct DecodedMessages {
    messages: Vec<Message>,
    encoded: Vec<(BasicProperties, Bytes)>,
}

/// The deliveries that have arrived, beginning with `first`. It does not wait for more, so with
/// light traffic a window has one message; with large messages it is short.
fn take_window(
    first: Delivery,
    deliveries: &mut lapin::Consumer,
    count_max: usize,
    channel: &Channel,
) -> Result<Window, ReceiveError> {
    let mut window = Window {
        decoded: DecodedMessages::default(),
        dead_letters: Vec::new(),
        last: first.acker.clone(),
    };
    let mut next = Some(first);
    let (mut count, mut bytes) = (0, 0);
    while let Some(Delivery { properties, body, acker }) = next {
        count += 1;
        bytes += body.len();
        window.last = acker;
        match wire::decode_message(&properties, &body) {
            Ok(message) => {
                window.decoded.messages.push(message);
                window.decoded.encoded.push((properties, body));
            }
            Err(reason) => {
                window.dead_letters.push(wire::dead_letter(&properties, &body, &reason));
            }
        }
        let may_grow = count < count_max && bytes < WINDOW_BYTES;
        let ready = if may_grow { deliveries.next().now_or_never() } else { None };
        next = ready.map(|ready| unpack(ready, channel)).transpose()?;
    }
    Ok(window)
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that settles")]
async fn settle(bus: &RabbitMq, last: &Acker) -> Result<(), ReceiveError> {
    // `multiple` settles the whole window, because every earlier delivery of this link is settled.
    // `false` means that the link is closed; the broker delivers the window again.
    let acknowledged = bus.call("settle", last.ack(BasicAckOptions { multiple: true })).await?;
    if acknowledged { Ok(()) } else { Err(ReceiveError::NotSettled) }
}

impl PendingWindow for DecodedMessages {
    fn take_messages(&mut self) -> Vec<Message> {
        mem::take(&mut self.messages)
    }

    fn message(&self, index: usize) -> Message {
        let (properties, body) = &self.encoded[index];
        wire::decode_message(properties, body)
            .unwrap_or_else(|reason| wire::dead_letter(properties, body, &reason).0)
    }
}

/// Consumes one delivery of a channel and settles it, whatever it contains.
pub(super) async fn consume_one(bus: &RabbitMq, channel: &Channel) -> Result<(), ReceiveError> {
    let link = bus.consuming_link().await?;
    let mut consumer = open_consumer(bus, link, (channel, channel.name()), 1).await?;
    let Delivery { acker, .. } = unpack(consumer.deliveries.next().await, channel)?;
    settle(bus, &acker).await?;
    bus.close(&consumer.link).await;
    Ok(())
}

/// Receives broadcasts from an exclusive queue, which the broker deletes with the listener. A
/// listener that falls behind loses the oldest broadcasts.
#[derive(Debug)]
pub struct RabbitMqListener {
    bus: RabbitMq,
    consumer: LinkConsumer,
}

impl RabbitMqListener {
    pub(crate) async fn open(bus: &RabbitMq) -> Result<Self, ReceiveError> {
        let link = bus.consuming_link().await?;
        let queue = format!("control.{}", Uuid::now_v7());
        let options = QueueDeclareOptions::exclusive().auto_delete();
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(BROADCASTS_MAX));
        let declaring = link.queue_declare(queue.as_str().into(), options, arguments);
        bus.call("declare listener", declaring).await?;
        let binding = link.queue_bind(
            queue.as_str().into(),
            CONTROL.into(),
            "".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bus.call("bind listener", binding).await?;
        let channel = (&Channel::control(), queue.as_str());
        let consumer = open_consumer(bus, link, channel, BROADCASTS_PREFETCH).await?;
        Ok(Self { bus: bus.clone(), consumer })
    }

    pub(crate) async fn next(&mut self) -> Result<Message, ReceiveError> {
        let channel = Channel::control();
        loop {
            let next = self.consumer.deliveries.next().await;
            let Delivery { properties, body, acker } = unpack(next, &channel)?;
            settle(&self.bus, &acker).await?;
            match wire::decode_message(&properties, &body) {
                Ok(message) => return Ok(message),
                // A broadcast only says that a state changed, so an invalid one is not stored.
                Err(error) => tracing::warn!(%error, "broadcast cannot be decoded"),
            }
        }
    }
}
