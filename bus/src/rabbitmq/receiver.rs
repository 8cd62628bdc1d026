//! Receiving from queues: windows in, one cumulative acknowledgement out.

use std::{mem, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use lapin::{
    Acker, BasicProperties,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::FieldTable,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    RabbitMq,
    topology::{CONTROL, is_missing},
    wire,
};
use crate::{
    channel::Channel,
    message::Message,
    receive::{Handle, Held, Keep, ReceiveError, Receiver, free_hands, step},
    verdict::Fate,
};

/// Broadcasts that may lie at a listener; they are rare and small.
const BROADCASTS_AHEAD: u16 = 64;

/// How a time at a link came to its good end.
enum Ended {
    Shutdown,
    NoHands,
}

pub(crate) async fn receive<K: Keep, H: Handle>(
    bus: &RabbitMq,
    receiver: &Receiver<K>,
    handler: &H,
    shutdown: &CancellationToken,
) -> Result<(), ReceiveError> {
    loop {
        // Without hands there is no link, so nothing lies unsettled at somebody who sleeps.
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            failed = bus.failed() => return Err(ReceiveError::Publisher(failed)),
            _hands = free_hands(handler) => {}
        }
        let link = bus.consuming_link().await?;
        let ended = consume(bus, &link, (receiver, handler), shutdown).await;
        // A link that failed is closed already.
        if ended.is_ok() {
            bus.close(&link).await;
        }
        match ended? {
            Ended::Shutdown => return Ok(()),
            Ended::NoHands => {
                tracing::info!(channel = %receiver.channel, "no free hands, link closed");
            }
        }
    }
}

async fn consume<K: Keep, H: Handle>(
    bus: &RabbitMq,
    link: &lapin::Channel,
    (receiver, handler): (&Receiver<K>, &H),
    shutdown: &CancellationToken,
) -> Result<Ended, ReceiveError> {
    let window = receiver.window.max(1);
    // Twice the window: the next one arrives while this one is worked on.
    let ahead = window.saturating_mul(2);
    let mut deliveries =
        open(bus, link, (&receiver.channel, receiver.channel.name()), ahead).await?;
    loop {
        let first = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(Ended::Shutdown),
            failed = bus.failed() => return Err(ReceiveError::Publisher(failed)),
            next = deliveries.next() => taken(next, &receiver.channel)?,
        };
        let hands = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(Ended::Shutdown),
            hands = hands_within(bus.settings().hands_limit(), handler) => hands,
        };
        let Some(hands) = hands else { return Ok(Ended::NoHands) };
        let mut window = fill(first, &mut deliveries, hands.min(window.into()), &receiver.channel)?;
        step(&receiver.keeper, handler, &mut window.readable, window.buried).await?;
        settle(bus, &window.last).await?;
    }
}

async fn open(
    bus: &RabbitMq,
    link: &lapin::Channel,
    (channel, queue): (&Channel, &str),
    ahead: u16,
) -> Result<lapin::Consumer, ReceiveError> {
    bus.call("set prefetch", link.basic_qos(ahead, BasicQosOptions { global: false })).await?;
    let tag = format!("{}.{}", bus.settings().name, Uuid::now_v7());
    let consuming = link.basic_consume(
        queue.into(),
        tag.chars().filter(char::is_ascii).take(200).collect::<String>().into(),
        BasicConsumeOptions::default(),
        FieldTable::default(),
    );
    match bus.call("consume", consuming).await {
        Ok(deliveries) => Ok(deliveries),
        Err(error) if is_missing(&error) => {
            Err(ReceiveError::NoChannel { channel: channel.clone() })
        }
        Err(error) => Err(error.into()),
    }
}

async fn hands_within<H: Handle>(limit: Duration, handler: &H) -> Option<usize> {
    tokio::time::timeout(limit, free_hands(handler)).await.ok()
}

/// One delivery, taken apart.
struct Taken {
    properties: BasicProperties,
    body: Bytes,
    acker: Acker,
}

/// What the consumer's stream gave. Its end is a consumer that the broker dropped, not a quiet
/// channel.
fn taken(
    next: Option<lapin::Result<lapin::message::Delivery>>,
    channel: &Channel,
) -> Result<Taken, ReceiveError> {
    let delivery = next
        .ok_or_else(|| ReceiveError::ConsumerCancelled { channel: channel.clone() })?
        .map_err(|source| super::BrokerError::Failed { call: "receive", source })?;
    let lapin::message::Delivery { properties, data, acker, .. } = delivery;
    Ok(Taken { properties, body: data.into(), acker })
}

/// What was ready, read as far as it can be.
struct Window {
    readable: Readable,
    buried: Vec<(Message, Fate)>,
    last: Acker,
}

/// Messages to hand over, and what they were read from: a second copy is rarely needed, and is
/// then read again, so nothing is copied on the usual way.
#[derive(Default)]
struct Readable {
    messages: Vec<Message>,
    raw: Vec<(BasicProperties, Bytes)>,
}

/// What is ready now, beginning with `first`: light traffic makes windows of one, and nobody waits.
fn fill(
    first: Taken,
    deliveries: &mut lapin::Consumer,
    most: usize,
    channel: &Channel,
) -> Result<Window, ReceiveError> {
    let mut window =
        Window { readable: Readable::default(), buried: Vec::new(), last: first.acker.clone() };
    let mut next = Some(first);
    let mut count = 0;
    while let Some(Taken { properties, body, acker }) = next {
        count += 1;
        window.last = acker;
        match wire::open(&properties, &body) {
            Ok(message) => {
                window.readable.messages.push(message);
                window.readable.raw.push((properties, body));
            }
            Err(why) => window.buried.push(wire::bury(&properties, &body, &why)),
        }
        let ready = if count < most { deliveries.next().now_or_never() } else { None };
        next = ready.map(|ready| taken(ready, channel)).transpose()?;
    }
    Ok(window)
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that settles")]
async fn settle(bus: &RabbitMq, last: &Acker) -> Result<(), ReceiveError> {
    // One acknowledgement for the whole window: no earlier one is open on this link.
    // `false` is the client's way to say the link is gone; the broker brings the window again.
    let acknowledged = bus.call("settle", last.ack(BasicAckOptions { multiple: true })).await?;
    if acknowledged { Ok(()) } else { Err(ReceiveError::NotSettled) }
}

impl Held for Readable {
    fn messages(&mut self) -> Vec<Message> {
        mem::take(&mut self.messages)
    }

    fn message(&self, place: usize) -> Message {
        let (properties, body) = &self.raw[place];
        wire::open(properties, body).unwrap_or_else(|why| wire::bury(properties, body, &why).0)
    }
}

/// Takes one message from a channel and settles it, whatever it is.
pub(super) async fn take_one(bus: &RabbitMq, channel: &Channel) -> Result<(), ReceiveError> {
    let link = bus.consuming_link().await?;
    let mut deliveries = open(bus, &link, (channel, channel.name()), 1).await?;
    let Taken { acker, .. } = taken(deliveries.next().await, channel)?;
    settle(bus, &acker).await?;
    bus.close(&link).await;
    Ok(())
}

/// Hears what is broadcast, on a queue of its own that goes with it.
#[derive(Debug)]
pub struct Listener {
    bus: RabbitMq,
    deliveries: lapin::Consumer,
    _link: lapin::Channel,
}

impl Listener {
    pub(crate) async fn open(bus: &RabbitMq) -> Result<Self, ReceiveError> {
        let link = bus.consuming_link().await?;
        let queue = format!("control.{}", Uuid::now_v7());
        let options = QueueDeclareOptions::exclusive().auto_delete();
        let declaring = link.queue_declare(queue.as_str().into(), options, FieldTable::default());
        bus.call("declare listener", declaring).await?;
        let binding = link.queue_bind(
            queue.as_str().into(),
            CONTROL.into(),
            "".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bus.call("bind listener", binding).await?;
        let deliveries = open(bus, &link, (&Channel::control(), &queue), BROADCASTS_AHEAD).await?;
        Ok(Self { bus: bus.clone(), deliveries, _link: link })
    }

    pub(crate) async fn next(&mut self) -> Result<Message, ReceiveError> {
        let channel = Channel::control();
        loop {
            let Taken { properties, body, acker } = taken(self.deliveries.next().await, &channel)?;
            settle(&self.bus, &acker).await?;
            match wire::open(&properties, &body) {
                Ok(message) => return Ok(message),
                // A broadcast is a hint, so there is nothing to keep of one that is none.
                Err(error) => tracing::warn!(%error, "broadcast cannot be read"),
            }
        }
    }
}
