//! What a bus opens at the broker is closed however its owner ends: in the middle of a call too.

use std::time::{Duration, Instant};

use bus::{Bus, Channel, Receiver, Settings};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::environment::{Recorder, RecordingStore, StoreBehavior, broker, publish, settings};
use crate::node::Node;

/// How often each owner is dropped; each time at another moment.
const TIMES: u32 = 60;
/// Between two moments: `basic.consume` is answered within a few milliseconds.
const STEP: Duration = Duration::from_micros(150);

/// Consumers of a virtual host, with its connections and their links; each list without its heading.
fn open_at_broker(node: &Node, host: u16) -> [Vec<String>; 3] {
    let name = format!("v{host}");
    let list = |arguments: &[&str]| -> Vec<String> {
        let text = node.control(arguments);
        text.lines().skip(1).map(str::to_owned).filter(|it| it.contains(&name)).collect()
    };
    let consumers = node.control(&["list_consumers", "-p", &name, "queue_name"]);
    let consumers = consumers.lines().filter(|it| !it.is_empty() && *it != "queue_name");
    [
        consumers.map(str::to_owned).collect(),
        list(&["list_channels", "vhost", "connection"]),
        list(&["list_connections", "vhost", "client_properties"]),
    ]
}

/// Waits until nothing is open but `expected` consumers, links and connections.
async fn expect_open(node: &'static Node, host: u16, expected: [usize; 3], what: &str) {
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        let open = tokio::task::spawn_blocking(move || open_at_broker(node, host)).await.unwrap();
        if open.each_ref().map(Vec::len) == expected {
            return;
        }
        assert!(Instant::now() < limit, "{what}: {open:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_dropped_in_any_call_leaves_no_consumer() {
    let (node, host) = broker().await;
    let bus = Bus::connect(Settings { url: node.url(host), ..settings() }).await.unwrap();
    bus.declare_topology().await.unwrap();
    let channel = Channel::intake(0);
    publish(&bus, &channel, 0..3).await;
    for number in 0..TIMES {
        let receiver = Receiver {
            channel: channel.clone(),
            window: 8,
            failure_store: RecordingStore::new(StoreBehavior::Succeeding),
        };
        let receiving = bus.receive(receiver, Recorder::done(), CancellationToken::new());
        drop(timeout(STEP * number, receiving).await);
    }
    expect_open(node, host, [0, 0, 2], "receivers").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_and_listeners_that_are_dropped_in_any_call_leave_nothing() {
    let (node, host) = broker().await;
    let bus = Bus::connect(Settings { url: node.url(host), ..settings() }).await.unwrap();
    bus.declare_topology().await.unwrap();
    for number in 0..TIMES {
        drop(timeout(STEP * number, bus.probe()).await);
        drop(timeout(STEP * number, bus.listen()).await);
        drop(timeout(STEP * number, bus.publisher()).await);
    }
    expect_open(node, host, [0, 0, 2], "probes and listeners").await;
    bus.probe().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_is_dropped_closes_its_connections_with_all_consumers() {
    let (node, host) = broker().await;
    let settings = Settings { url: node.url(host), ..settings() };
    let bus = Bus::connect(settings.clone()).await.unwrap();
    bus.declare_topology().await.unwrap();
    for number in 0..20 {
        drop(timeout(STEP * 10 * number, Bus::connect(settings.clone())).await);
    }
    let listener = bus.listen().await.unwrap();
    drop(bus);
    drop(listener);
    expect_open(node, host, [0, 0, 0], "connections").await;
}
