//! The limit: relays over two quorum queues with the client library alone.
//!
//! As fast as the broker's guarantees allow: windows of 256 with the next one published while the
//! confirms of the one before are on their way, persistent, mandatory, one cumulative
//! acknowledgement a window, several pairs of queues side by side. No more is on its way at a time
//! than on the system, so that neither of them measures a backlog.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::join_all;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer,
    PublisherConfirm,
};
use lienthong_tests::measure::{ProcessGroup, processor_time};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uuid::Uuid;

const WINDOW: usize = 256;
const PREFETCH: u16 = 512;

/// A relay that makes no progress for this long is ended.
const STILL_MAX: Duration = Duration::from_secs(60);

/// How many messages are relayed, and their size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) in_flight: usize,
}

/// The best rate of the relays.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    /// Messages a second.
    pub(crate) rate: f64,
    /// Pairs of queues side by side.
    pub(crate) pairs: usize,
    /// Messages of the run.
    pub(crate) messages: usize,
    /// Processor time of each group during the run.
    pub(crate) processor: Vec<Duration>,
}

/// The best rate of one, two and four pairs of queues, each after a warm-up.
pub(crate) async fn limit(url: &str, load: Load, groups: &[ProcessGroup]) -> Limit {
    let mut best: Option<Limit> = None;
    for pairs in [1, 2, 4] {
        let warm = Load { messages: load.messages / 10, ..load };
        relays(url, warm, pairs).await;
        let before: Vec<_> = groups.iter().map(processor_time).collect();
        let rate = relays(url, load, pairs).await;
        let processor_time = groups.iter().map(processor_time).zip(before);
        let processor = processor_time.map(|(now, then)| now.saturating_sub(then)).collect();
        eprintln!("  {pairs} pairs of queues: {rate:.0} a second");
        if best.as_ref().is_none_or(|it| it.rate < rate) {
            best = Some(Limit { rate, pairs, messages: load.messages, processor });
        }
    }
    best.unwrap()
}

/// Messages a second from the first publish until the last is consumed.
async fn relays(url: &str, load: Load, pairs: usize) -> f64 {
    let publishing = connect(url).await;
    let consuming = connect(url).await;
    let share = Load {
        messages: (load.messages / pairs).max(1),
        in_flight: (load.in_flight / pairs).max(WINDOW),
        ..load
    };
    let mut ready = Vec::new();
    for pair in 0..pairs {
        ready.push(Pair::open(&publishing, &consuming, pair).await);
    }
    let begun = Instant::now();
    let mut working = JoinSet::new();
    for pair in ready {
        pair.work(share, &mut working);
    }
    let mut last = begun;
    while let Some(done) = working.join_next().await {
        last = last.max(done.unwrap());
    }
    // The channels are closing already, which the library reports as an invalid state.
    drop(publishing.close(200, "done".into()).await);
    drop(consuming.close(200, "done".into()).await);
    (share.messages * pairs) as f64 / (last - begun).as_secs_f64()
}

/// Two queues with their publisher, relay and consumer.
struct Pair {
    queues: [String; 2],
    source: Channel,
    relayed: Consumer,
    onward: Channel,
    consumed: Consumer,
}

impl Pair {
    async fn open(publishing: &Connection, consuming: &Connection, pair: usize) -> Self {
        let queues = [format!("raw.{pair}.1"), format!("raw.{pair}.2")];
        let setup = consuming.create_channel().await.unwrap();
        for queue in &queues {
            let mut arguments = FieldTable::default();
            arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            setup.queue_declare(queue.as_str().into(), options, arguments).await.unwrap();
        }
        Self {
            source: confirmed(publishing).await,
            relayed: consumer(consuming, &queues[0]).await,
            onward: confirmed(publishing).await,
            consumed: consumer(consuming, &queues[1]).await,
            queues,
        }
    }

    /// Spawns publisher, relay and consumer; each returns the time of its last message.
    fn work(self, load: Load, working: &mut JoinSet<Instant>) {
        let [first, second] = self.queues;
        let permits = Arc::new(Semaphore::new(load.in_flight));
        working.spawn(publish_windows(self.source, first, load, permits.clone()));
        working.spawn(relay_windows(self.relayed, load.messages, Next::Queue(self.onward, second)));
        working.spawn(relay_windows(self.consumed, load.messages, Next::End(permits)));
    }
}

async fn connect(url: &str) -> Connection {
    Connection::connect(url, ConnectionProperties::default()).await.unwrap()
}

async fn confirmed(connection: &Connection) -> Channel {
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    channel
}

async fn consumer(connection: &Connection, queue: &str) -> Consumer {
    let channel = connection.create_channel().await.unwrap();
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await.unwrap();
    let options = BasicConsumeOptions::default();
    channel.basic_consume(queue.into(), "raw".into(), options, FieldTable::default()).await.unwrap()
}

async fn within<T>(doing: impl Future<Output = T>) -> T {
    tokio::time::timeout(STILL_MAX, doing).await.unwrap()
}

/// Publishes window after window while fewer than `in_flight` messages are unconsumed.
async fn publish_windows(
    channel: Channel,
    queue: String,
    load: Load,
    permits: Arc<Semaphore>,
) -> Instant {
    let body = vec![b'x'; load.bytes];
    let mut open = Vec::new();
    for from in (0..load.messages).step_by(WINDOW) {
        let count = WINDOW.min(load.messages - from);
        within(permits.acquire_many(u32::try_from(count).unwrap())).await.unwrap().forget();
        let bodies = vec![body.as_slice(); count];
        let before = std::mem::replace(&mut open, publish(&channel, &queue, bodies).await);
        all_confirmed(before).await;
    }
    all_confirmed(open).await;
    Instant::now()
}

/// Where a consumed window goes.
enum Next {
    Queue(Channel, String),
    End(Arc<Semaphore>),
}

/// Consumes what is ready, publishes it onward, and acknowledges each window as a whole once its
/// publishes are confirmed; the next window is consumed meanwhile.
async fn relay_windows(consumer: Consumer, messages: usize, next: Next) -> Instant {
    let mut ready = consumer.ready_chunks(WINDOW);
    let mut count = 0;
    let mut open: Option<(Vec<PublisherConfirm>, Delivery)> = None;
    while count < messages {
        let window = within(ready.next()).await.unwrap();
        let window: Vec<_> = window.into_iter().map(Result::unwrap).collect();
        count += window.len();
        let confirms = match &next {
            Next::Queue(onward, queue) => {
                publish(onward, queue, window.iter().map(|it| it.data.as_ref()).collect()).await
            }
            Next::End(permits) => {
                permits.add_permits(window.len());
                Vec::new()
            }
        };
        let last = window.into_iter().next_back().unwrap();
        if let Some(before) = open.replace((confirms, last)) {
            settle(before).await;
        }
    }
    let done = Instant::now();
    settle(open.unwrap()).await;
    done
}

#[expect(clippy::disallowed_methods, reason = "this measures the client library without our bus")]
async fn settle((confirms, last): (Vec<PublisherConfirm>, Delivery)) {
    all_confirmed(confirms).await;
    assert!(within(last.acker.ack(BasicAckOptions { multiple: true })).await.unwrap());
}

#[expect(clippy::disallowed_methods, reason = "this measures the client library without our bus")]
async fn publish(channel: &Channel, queue: &str, bodies: Vec<&[u8]>) -> Vec<PublisherConfirm> {
    let mut confirms = Vec::with_capacity(bodies.len());
    for body in bodies {
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_message_id(Uuid::now_v7().to_string().into());
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let confirm =
            channel.basic_publish("".into(), queue.into(), options, body, properties).await;
        confirms.push(confirm.unwrap());
    }
    confirms
}

async fn all_confirmed(confirms: Vec<PublisherConfirm>) {
    for confirm in within(join_all(confirms)).await {
        // A returned message is confirmed too; only an empty confirm means that a queue has it.
        assert!(matches!(confirm.unwrap(), Confirmation::Ack(None)));
    }
}
