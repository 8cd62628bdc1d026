//! The bus of a process over a broker that goes away and comes back, or comes back as another one.

use std::time::Duration;

use bus::{Bus, ConnectError, CurrentBus, Settings};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::node::Node;

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn every_part_is_back_after_the_broker_and_knows_another_one() {
    let mut node = Node::start(1);
    let settings =
        Settings { name: "current".into(), url: node.url(0), partitions: 1, ..Settings::default() };
    let bus = CurrentBus::new(settings);
    let stop = CancellationToken::new();
    let prepare = async |bus: Bus| bus.declare_topology().await;
    let keeping = async {
        while !stop.is_cancelled() {
            drop(bus.keep_connected(prepare, &stop).await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let (starts, mut started) = mpsc::channel(64);
    let part = |what: &'static str| {
        let run = {
            let starts = starts.clone();
            move |connected: Bus| start(what, connected, starts.clone())
        };
        bus.run(what, &stop, run)
    };
    let breaking = async {
        let mut next_two = async || {
            let mut all = [
                timeout(LIMIT, started.recv()).await.unwrap().unwrap(),
                timeout(LIMIT, started.recv()).await.unwrap().unwrap(),
            ];
            all.sort_unstable();
            all
        };
        assert_eq!(next_two().await.map(|it| it.0), ["one", "two"]);
        bus.reconnect();
        assert_eq!(next_two().await, [("one", true), ("two", true)], "the same broker");
        let node = tokio::task::spawn_blocking(move || {
            node.kill();
            node.restart();
            node
        });
        let mut node = node.await.unwrap();
        assert_eq!(next_two().await, [("one", true), ("two", true)], "the same broker");
        let _node = tokio::task::spawn_blocking(move || {
            node.kill();
            node.delete_data();
            node.restart();
            node
        })
        .await
        .unwrap();
        let again = next_two().await;
        assert!(again.iter().any(|(_, is_known)| !is_known), "another broker: {again:?}");
        stop.cancel();
    };
    tokio::join!(keeping, part("one"), part("two"), breaking);
}

/// Reports the start of a part and whether it found a known broker; never ends by itself.
async fn start(
    what: &'static str,
    connected: Bus,
    starts: mpsc::Sender<(&'static str, bool)>,
) -> Result<(), ConnectError> {
    let is_known = connected.is_marked().await?;
    connected.mark().await?;
    starts.send((what, is_known)).await.unwrap();
    std::future::pending().await
}
