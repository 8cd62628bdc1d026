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
    types::{AMQPValue, FieldTable},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    CLOSED_NORMALLY, RabbitMq,
    topology::{CONTROL, is_missing},
    wire,
};
use crate::{
    channel::Channel,
    message::Message,
    receive::{
        FailureStore, Handle, Held, ReceiveError, Receiver, Stand, WINDOW_BYTES, capacity, step,
    },
    verdict::Disposition,
};

/// Broadcasts that may lie at a listener; they are rare and small.
const BROADCASTS_AHEAD: u16 = 64;

/// Broadcasts that wait for a listener at the broker; the oldest go first.
const BROADCASTS_MAX: i32 = 1_024;

/// Hands that are waited for longer than this are slow: what lies before them is then better taken
/// by somebody else.
const SLOW_HANDS: Duration = Duration::from_secs(1);

/// How a time at a link came to its good end.
enum Ended {
    Shutdown,
    NoHands,
    OtherHands,
}

/// A consumer on its link.
#[derive(Debug)]
struct Consuming {
    link: lapin::Channel,
    deliveries: lapin::Consumer,
    /// How many messages the broker sends ahead of their settling.
    ahead: u16,
}

impl Drop for Consuming {
    /// Closes the link before the consumer goes, whatever ends it: a consumer that is taken away
    /// first lets the next one begin behind messages that still lie here.
    fn drop(&mut self) {
        // The first poll hands the frame over; whether it is answered is nobody's concern.
        drop(self.link.close(CLOSED_NORMALLY, "done".into()).now_or_never());
    }
}

pub(crate) async fn receive<K: FailureStore, H: Handle>(
    bus: &RabbitMq,
    receiver: &Receiver<K>,
    handler: &H,
    shutdown: &CancellationToken,
) -> Result<(), ReceiveError> {
    loop {
        // Without hands there is no link, so nothing lies unsettled at somebody who sleeps.
        let hands = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            failed = bus.publisher_failed() => return Err(ReceiveError::Publisher(failed)),
            hands = capacity(handler) => hands,
        };
        let (link, channel) = (bus.consuming_link().await?, &receiver.channel);
        let ahead = ahead(hands, receiver.window);
        let mut consuming = open(bus, link, (channel, channel.name()), ahead).await?;
        let ended = consume(bus, &mut consuming, (receiver, handler), shutdown).await;
        bus.close(&consuming.link).await;
        match ended? {
            Ended::Shutdown => return Ok(()),
            Ended::NoHands => tracing::info!(%channel, "no free hands, link closed"),
            Ended::OtherHands => tracing::debug!(%channel, "more or fewer hands, link renewed"),
        }
    }
}

/// How much is sent ahead: no more than there are hands for, and at most twice the window, of which
/// one arrives while the other is worked on.
fn ahead(hands: usize, window: u16) -> u16 {
    u16::try_from(hands).unwrap_or(u16::MAX).min(window.max(1).saturating_mul(2))
}

async fn consume<K: FailureStore, H: Handle>(
    bus: &RabbitMq,
    Consuming { deliveries, ahead: opened, .. }: &mut Consuming,
    (receiver, handler): (&Receiver<K>, &H),
    shutdown: &CancellationToken,
) -> Result<Ended, ReceiveError> {
    let keep_limit = bus.settings().keep_limit();
    let stand = Stand { receiver, metrics: bus.metrics(), keep_limit };
    loop {
        let first = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(Ended::Shutdown),
            failed = bus.publisher_failed() => return Err(ReceiveError::Publisher(failed)),
            next = deliveries.next() => taken(next, &receiver.channel)?,
        };
        let asked = Instant::now();
        let hands = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(Ended::Shutdown),
            hands = hands_within(bus.settings().hands_limit(), handler) => hands,
        };
        let Some(hands) = hands else { return Ok(Ended::NoHands) };
        let (is_slow, now) = (asked.elapsed() >= SLOW_HANDS, ahead(hands, receiver.window));
        let most = hands.min(receiver.window.max(1).into());
        let mut window = fill(first, deliveries, most, &receiver.channel)?;
        step(&stand, handler, &mut window.readable, window.buried).await?;
        let begun = Instant::now();
        settle(bus, &window.last).await?;
        stand.metrics.settled(&receiver.channel, begun.elapsed());
        // Halves and doubles only, so that hands that come and go do not renew the link each time.
        if now / 2 >= *opened || (is_slow && now <= *opened / 2) {
            return Ok(Ended::OtherHands);
        }
    }
}

async fn open(
    bus: &RabbitMq,
    link: lapin::Channel,
    (channel, queue): (&Channel, &str),
    ahead: u16,
) -> Result<Consuming, ReceiveError> {
    bus.call("set prefetch", link.basic_qos(ahead, BasicQosOptions { global: false })).await?;
    let tag = format!("{}.{}", bus.settings().name, Uuid::now_v7());
    let consuming = link.basic_consume(
        queue.into(),
        tag.chars().filter(char::is_ascii).take(200).collect::<String>().into(),
        BasicConsumeOptions::default(),
        FieldTable::default(),
    );
    match bus.call("consume", consuming).await {
        Ok(deliveries) => Ok(Consuming { link, deliveries, ahead }),
        Err(error) if is_missing(&error) => {
            Err(ReceiveError::NoChannel { channel: channel.clone() })
        }
        Err(error) => Err(error.into()),
    }
}

async fn hands_within<H: Handle>(limit: Duration, handler: &H) -> Option<usize> {
    tokio::time::timeout(limit, capacity(handler)).await.ok()
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
    buried: Vec<(Message, Disposition)>,
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
/// Large messages make short windows.
fn fill(
    first: Taken,
    deliveries: &mut lapin::Consumer,
    most: usize,
    channel: &Channel,
) -> Result<Window, ReceiveError> {
    let mut window =
        Window { readable: Readable::default(), buried: Vec::new(), last: first.acker.clone() };
    let mut next = Some(first);
    let (mut count, mut bytes) = (0, 0);
    while let Some(Taken { properties, body, acker }) = next {
        count += 1;
        bytes += body.len();
        window.last = acker;
        match wire::open(&properties, &body) {
            Ok(message) => {
                window.readable.messages.push(message);
                window.readable.raw.push((properties, body));
            }
            Err(why) => window.buried.push(wire::bury(&properties, &body, &why)),
        }
        let has_room = count < most && bytes < WINDOW_BYTES;
        let ready = if has_room { deliveries.next().now_or_never() } else { None };
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
    let mut consuming = open(bus, link, (channel, channel.name()), 1).await?;
    let Taken { acker, .. } = taken(consuming.deliveries.next().await, channel)?;
    settle(bus, &acker).await?;
    bus.close(&consuming.link).await;
    Ok(())
}

/// Hears what is broadcast, on a queue of its own that goes with it. One that is further behind than
/// that queue holds hears only the latest.
#[derive(Debug)]
pub struct Listener {
    bus: RabbitMq,
    consuming: Consuming,
}

impl Listener {
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
        let consuming = open(bus, link, (&Channel::control(), &queue), BROADCASTS_AHEAD).await?;
        Ok(Self { bus: bus.clone(), consuming })
    }

    pub(crate) async fn next(&mut self) -> Result<Message, ReceiveError> {
        let channel = Channel::control();
        loop {
            let next = self.consuming.deliveries.next().await;
            let Taken { properties, body, acker } = taken(next, &channel)?;
            settle(&self.bus, &acker).await?;
            match wire::open(&properties, &body) {
                Ok(message) => return Ok(message),
                // A broadcast is a hint, so there is nothing to keep of one that is none.
                Err(error) => tracing::warn!(%error, "broadcast cannot be read"),
            }
        }
    }
}
