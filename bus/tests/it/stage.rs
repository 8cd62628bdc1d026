//! What the promises are played on: a bus of either kind, and parts that write down what they see.

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

/// Long enough for a busy machine, short enough to find a hang.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

const VIRTUAL_HOSTS: u16 = 40;

/// One broker for all tests; each takes a virtual host that nobody used before.
static NODE: LazyLock<Node> = LazyLock::new(|| Node::start(VIRTUAL_HOSTS));
static NEXT: AtomicU16 = AtomicU16::new(0);

/// Settings with small bounds, for a bus of either kind.
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

/// The message number `number`, which carries its number.
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

/// The number that [`message`] put into it.
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

/// Waits until what was seen is enough.
pub(crate) async fn until<T: Clone + Send + Sync>(
    seen: &watch::Sender<Vec<T>>,
    enough: impl FnMut(&Vec<T>) -> bool,
) -> Vec<T> {
    let mut seen = seen.subscribe();
    let found = timeout(LIMIT, seen.wait_for(enough)).await;
    found.expect("not seen in time").unwrap().clone()
}

/// Whether something does *not* happen for a while that is long beside how soon it would.
pub(crate) async fn stays_quiet<T: Send + Sync>(seen: &watch::Sender<Vec<T>>) {
    let mut changes = seen.subscribe();
    let change = timeout(Duration::from_millis(300), changes.changed()).await;
    assert!(change.is_err(), "something was seen");
}

type Judge = dyn Fn(&Message) -> Verdict + Send + Sync;

/// A handler that writes down each window, and judges each message by a function.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) windows: Arc<watch::Sender<Vec<Vec<Message>>>>,
    judge: Arc<Judge>,
    /// How many hands are free; the windows use them up when there is a number.
    pub(crate) hands: Arc<watch::Sender<Option<usize>>>,
}

impl Recorder {
    pub(crate) fn new(judge: impl Fn(&Message) -> Verdict + Send + Sync + 'static) -> Self {
        Self {
            windows: Arc::new(watch::Sender::new(Vec::new())),
            judge: Arc::new(judge),
            hands: Arc::new(watch::Sender::new(None)),
        }
    }

    pub(crate) fn done() -> Self {
        Self::new(|_| Verdict::Done)
    }

    /// Waits until `count` messages were handled, and gives their numbers in order.
    pub(crate) async fn handled(&self, count: usize) -> Vec<u64> {
        let windows =
            until(&self.windows, |windows| windows.iter().map(Vec::len).sum::<usize>() >= count);
        windows.await.iter().flat_map(|window| numbers(window)).collect()
    }
}

impl Handle for Recorder {
    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        self.hands.send_modify(|hands| {
            if let Some(hands) = hands {
                *hands = hands.checked_sub(window.len()).expect("more messages than hands");
            }
        });
        self.windows.send_modify(|windows| windows.push(window.clone()));
        Verdicts::judge_each(&window, &*self.judge)
    }

    async fn capacity(&self) -> usize {
        let mut hands = self.hands.subscribe();
        let free = hands.wait_for(|hands| *hands != Some(0)).await.unwrap();
        free.unwrap_or(usize::MAX)
    }
}

/// A handler that takes a window and never gives it back.
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

/// How a keeper behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Willing,
    Failing,
    Stuck,
}

/// A keeper that writes down what it is given.
#[derive(Clone)]
pub(crate) struct Drawer {
    pub(crate) kept: Arc<watch::Sender<Vec<(Message, Disposition)>>>,
    mood: Mood,
}

impl Drawer {
    pub(crate) fn new(mood: Mood) -> Self {
        Self { kept: Arc::new(watch::Sender::new(Vec::new())), mood }
    }
}

impl FailureStore for Drawer {
    async fn store_failures(
        &self,
        mut kept: Vec<(Message, Disposition)>,
    ) -> Result<(), FailureStoreError> {
        self.kept.send_modify(|all| all.append(&mut kept));
        match self.mood {
            Mood::Willing => Ok(()),
            Mood::Failing => Err(FailureStoreError::new("the drawer is locked")),
            Mood::Stuck => std::future::pending().await,
        }
    }
}

/// A receiver at work.
pub(crate) struct Running {
    pub(crate) shutdown: CancellationToken,
    task: JoinHandle<Result<(), ReceiveError>>,
}

impl Running {
    /// Stops it politely; it must end well.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.end().await.unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn end(self) -> Result<(), ReceiveError> {
        timeout(LIMIT, self.task).await.expect("the receiver does not end").unwrap()
    }

    /// Drops it in the middle of what it does.
    pub(crate) async fn cut(self) {
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
    keeper: K,
    handler: H,
) -> Running {
    let shutdown = CancellationToken::new();
    let (bus, token) = (bus.clone(), shutdown.clone());
    let receiver = Receiver { channel: channel.clone(), window, failure_store: keeper };
    let task = tokio::spawn(async move { bus.receive(receiver, handler, token).await });
    Running { shutdown, task }
}

/// Starts a receiver whose keeper is never meant to be asked.
pub(crate) fn start_simple<H: Handle>(bus: &Bus, channel: &Channel, handler: H) -> Running {
    start(bus, channel, 256, Drawer::new(Mood::Failing), handler)
}

/// Runs something that must not take for ever.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(LIMIT, work).await.expect("not in time")
}
