//! How many messages a second a relay carries: received, published onward, confirmed, settled.
//!
//! `cargo bench -p lienthong-bus` prints one line for each transport and window.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, read by people")]

#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../tests/it/node.rs"]
mod node;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bus::{
    Body, Bus, Channel, Disposition, FailureStore, FailureStoreError, Handle, Message, MessageId,
    Publish, Publisher, Receiver, Settings, Verdict, Verdicts,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const MESSAGES: usize = 60_000;
/// The size of a typical document without attachments.
const BODY_BYTES: usize = 1_300;

#[derive(Clone)]
struct NoFailureStore;

impl FailureStore for NoFailureStore {
    async fn store_failures(
        &self,
        _failures: Vec<(Message, Disposition)>,
    ) -> Result<(), FailureStoreError> {
        Err(FailureStoreError::new("no message should fail"))
    }
}

#[derive(Clone)]
struct Relay {
    publisher: Publisher,
    onward: Channel,
    carried: Arc<AtomicUsize>,
    enough: CancellationToken,
}

impl Handle for Relay {
    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        let count = window.len();
        let next = |message: Message| {
            let id = message.id.derive(self.onward.name());
            (self.onward.clone(), Message { id, ..message })
        };
        let outcomes = self.publisher.publish(window.into_iter().map(next).collect()).await;
        if self.carried.fetch_add(count, Ordering::Relaxed) + count >= MESSAGES {
            self.enough.cancel();
        }
        outcomes.into_iter().map(|outcome| outcome.map(|()| Verdict::Done).unwrap()).collect()
    }
}

fn message(number: u128) -> Message {
    let names = [
        "source",
        "sender",
        "type",
        "format",
        "recipient",
        "urgency",
        "occurredat",
        "acceptedat",
        "sequence",
        "attempt",
        "traceparent",
    ];
    Message {
        id: MessageId::new(Uuid::from_u128(number)),
        conversation: Uuid::from_u128(number % 500).to_string(),
        attributes: names
            .map(|name| (name.into(), "2026-11-24T12:00:00Z tinhuy".to_owned()))
            .into(),
        body: Body::Inline(vec![b'x'; BODY_BYTES].into()),
    }
}

async fn measure(name: &str, bus: Bus, window: u16) {
    let publisher = bus.publisher().await.unwrap();
    let onward = bus.declare_delivery("onward").await.unwrap();
    let from = Channel::intake(0);
    let begun = Instant::now();
    for batch in 0..MESSAGES / 250 {
        let numbers = (batch * 250..(batch + 1) * 250).map(|number| number as u128);
        let batch = numbers.map(|number| (from.clone(), message(number))).collect();
        for outcome in publisher.publish(batch).await {
            outcome.unwrap();
        }
    }
    let published = begun.elapsed();
    let enough = CancellationToken::new();
    let carried = Arc::new(AtomicUsize::new(0));
    let relay = Relay { publisher, onward, carried, enough: enough.clone() };
    let begun = Instant::now();
    let receiver = Receiver { channel: from, window, failure_store: NoFailureStore };
    bus.receive(receiver, relay, enough).await.unwrap();
    let rate = |time: Duration| MESSAGES as f64 / time.as_secs_f64();
    println!(
        "{name}, window {window}: published {:.0}/s in batches of 250, relayed {:.0}/s",
        rate(published),
        rate(begun.elapsed())
    );
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let unbounded = Settings {
        channel_messages_max: 2 * MESSAGES,
        channel_bytes_max: usize::MAX,
        ..Settings::default()
    };
    for window in [1, 256] {
        measure("embedded", Bus::embedded(unbounded.clone()), window).await;
    }
    let node = tokio::task::spawn_blocking(|| node::Node::start(3)).await.unwrap();
    for (host, window) in [(0, 1), (1, 64), (2, 256)] {
        let bus =
            Bus::connect(Settings { url: node.url(host), ..Settings::default() }).await.unwrap();
        bus.declare_topology().await.unwrap();
        measure("rabbitmq", bus, window).await;
    }
}
