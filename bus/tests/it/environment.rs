//! The test environment: a bus over either transport, and handlers and failure stores that record
//! their calls.

use std::{
    future::Future,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use bus::{
    Attributes, Body, Bus, Channel, Disposition, FailureStore, FailureStoreError, Handle, Message,
    MessageId, Publish, ReceiveError, Receiver, Settings, Verdict, Verdicts,
};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::node::Node;

/// The longest a test waits: enough for a busy machine, and short enough to end a hang.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(30);

const VIRTUAL_HOSTS: u16 = 40;

/// One broker for all tests; each test takes an unused virtual host.
static NODE: LazyLock<Node> = LazyLock::new(|| Node::start(VIRTUAL_HOSTS));
static NEXT: AtomicU16 = AtomicU16::new(0);

/// Settings with few partitions, for either transport.
pub(crate) fn settings() -> Settings {
    Settings { partitions: 2, ..Settings::default() }
}

/// The shared broker and a virtual host of its own.
pub(crate) async fn broker() -> (&'static Node, u16) {
    let node = tokio::task::spawn_blocking(|| &*NODE).await.unwrap();
    let host = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(host < VIRTUAL_HOSTS, "more tests than virtual hosts");
    (node, host)
}

/// A bus in memory.
pub(crate) async fn embedded(settings: Settings) -> Bus {
    Bus::embedded(settings)
}

/// A bus over the shared broker, with all its channels.
pub(crate) async fn rabbitmq(settings: Settings) -> Bus {
    let (node, host) = broker().await;
    let bus = Bus::connect(Settings { url: node.url(host), ..settings }).await.unwrap();
    bus.declare_topology().await.unwrap();
    bus
}

/// The message `number`, whose body is its number.
pub(crate) fn message(number: u64) -> Message {
    Message {
        id: id(number),
        conversation: format!("conversation {}", number % 7),
        attributes: Attributes::from([
            ("type".into(), "document".to_owned()),
            ("subject".into(), "Công văn số 7".to_owned()),
        ]),
        body: Body::Inline(number.to_string().into()),
    }
}

pub(crate) fn id(number: u64) -> MessageId {
    MessageId::new(Uuid::from_u128(number.into()))
}

/// The number in a body of [`message`].
pub(crate) fn number(message: &Message) -> u64 {
    let Body::Inline(bytes) = &message.body else { panic!("a claim has no number") };
    std::str::from_utf8(bytes).unwrap().parse().unwrap()
}

pub(crate) fn numbers(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(number).collect()
}

/// Publishes the numbered messages to a channel; all of them must succeed.
pub(crate) async fn publish(bus: &Bus, channel: &Channel, numbers: impl IntoIterator<Item = u64>) {
    let publisher = bus.publisher().await.unwrap();
    let batch = numbers.into_iter().map(|number| (channel.clone(), message(number))).collect();
    for outcome in publisher.publish(batch).await {
        outcome.unwrap();
    }
}

/// Waits until the recorded values satisfy a condition, and returns them.
pub(crate) async fn wait_until<T: Clone + Send + Sync>(
    recorded: &watch::Sender<Vec<T>>,
    condition: impl FnMut(&Vec<T>) -> bool,
) -> Vec<T> {
    let mut recorded = recorded.subscribe();
    let satisfied = timeout(WAIT_MAX, recorded.wait_for(condition)).await;
    satisfied.expect("not recorded in time").unwrap().clone()
}

/// Asserts that no value is recorded for a time much longer than recording one takes.
pub(crate) async fn assert_unchanged<T: Send + Sync>(recorded: &watch::Sender<Vec<T>>) {
    let mut changes = recorded.subscribe();
    let change = timeout(Duration::from_millis(300), changes.changed()).await;
    assert!(change.is_err(), "a value was recorded");
}

type Judge = dyn Fn(&Message) -> Verdict + Send + Sync;

/// A handler that records each window, and judges each message by a function.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) windows: Arc<watch::Sender<Vec<Vec<Message>>>>,
    judge: Arc<Judge>,
    /// The remaining capacity, which windows use up; `None` for unlimited.
    pub(crate) capacity: Arc<watch::Sender<Option<usize>>>,
}

impl Recorder {
    pub(crate) fn new(judge: impl Fn(&Message) -> Verdict + Send + Sync + 'static) -> Self {
        Self {
            windows: Arc::new(watch::Sender::new(Vec::new())),
            judge: Arc::new(judge),
            capacity: Arc::new(watch::Sender::new(None)),
        }
    }

    pub(crate) fn done() -> Self {
        Self::new(|_| Verdict::Done)
    }

    /// Waits until `count` messages were handled, and returns their numbers in order.
    pub(crate) async fn handled(&self, count: usize) -> Vec<u64> {
        let windows = wait_until(&self.windows, |windows| {
            windows.iter().map(Vec::len).sum::<usize>() >= count
        });
        windows.await.iter().flat_map(|window| numbers(window)).collect()
    }
}

impl Handle for Recorder {
    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        self.capacity.send_modify(|capacity| {
            if let Some(capacity) = capacity {
                *capacity =
                    capacity.checked_sub(window.len()).expect("more messages than capacity");
            }
        });
        self.windows.send_modify(|windows| windows.push(window.clone()));
        Verdicts::judge_each(&window, &*self.judge)
    }

    async fn capacity(&self) -> usize {
        let mut capacity = self.capacity.subscribe();
        let available = capacity.wait_for(|capacity| *capacity != Some(0)).await.unwrap();
        available.unwrap_or(usize::MAX)
    }
}

/// A handler that never returns from its first window.
#[derive(Clone)]
pub(crate) struct Stuck(pub(crate) Arc<watch::Sender<Vec<Vec<Message>>>>);

impl Stuck {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Vec::new())))
    }
}

impl Handle for Stuck {
    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        self.0.send_modify(|windows| windows.push(window));
        std::future::pending().await
    }
}

/// How a failure store answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreBehavior {
    Succeeding,
    Failing,
    Hanging,
}

/// A failure store that records its calls.
#[derive(Clone)]
pub(crate) struct RecordingStore {
    pub(crate) failures: Arc<watch::Sender<Vec<(Message, Disposition)>>>,
    behavior: StoreBehavior,
}

impl RecordingStore {
    pub(crate) fn new(behavior: StoreBehavior) -> Self {
        Self { failures: Arc::new(watch::Sender::new(Vec::new())), behavior }
    }
}

impl FailureStore for RecordingStore {
    async fn store_failures(
        &self,
        mut failures: Vec<(Message, Disposition)>,
    ) -> Result<(), FailureStoreError> {
        self.failures.send_modify(|all| all.append(&mut failures));
        match self.behavior {
            StoreBehavior::Succeeding => Ok(()),
            StoreBehavior::Failing => Err(FailureStoreError::new("a failure of the test")),
            StoreBehavior::Hanging => std::future::pending().await,
        }
    }
}

/// A running receiver.
pub(crate) struct Running {
    pub(crate) shutdown: CancellationToken,
    task: JoinHandle<Result<(), ReceiveError>>,
}

impl Running {
    /// Shuts it down; it must end without an error.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.end().await.unwrap();
    }

    /// Waits until it ends.
    pub(crate) async fn end(self) -> Result<(), ReceiveError> {
        timeout(WAIT_MAX, self.task).await.expect("the receiver does not end").unwrap()
    }

    /// Drops its future wherever it is.
    pub(crate) async fn abort(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

/// Starts a receiver.
#[expect(clippy::disallowed_methods, reason = "every test ends its receivers itself")]
pub(crate) fn start<K: FailureStore, H: Handle>(
    bus: &Bus,
    channel: &Channel,
    window: u16,
    failure_store: K,
    handler: H,
) -> Running {
    let shutdown = CancellationToken::new();
    let (bus, token) = (bus.clone(), shutdown.clone());
    let receiver = Receiver { channel: channel.clone(), window, failure_store };
    let task = tokio::spawn(async move { bus.receive(receiver, handler, token).await });
    Running { shutdown, task }
}

/// Starts a receiver whose handler must not fail.
pub(crate) fn start_simple<H: Handle>(bus: &Bus, channel: &Channel, handler: H) -> Running {
    start(bus, channel, 256, RecordingStore::new(StoreBehavior::Failing), handler)
}

/// Awaits a future that must not hang.
pub(crate) async fn within_limit<T>(work: impl Future<Output = T>) -> T {
    timeout(WAIT_MAX, work).await.expect("not in time")
}
