//! Channels whose messages somebody else holds at the broker: who knows of it, and how it heals.

use std::time::Duration;

use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lienthong_tests::up::http_get;
use tokio::time::{Instant, timeout};

use crate::altered_messages::{
    Applications, PARTITIONS, QUEUE, Stand, WAIT_MAX, assert_received, open_channel, start,
};
use crate::crash::item;

/// Receives from queues and settles nothing, until it is dropped.
async fn hold(stand: &Stand, queues: &[String]) -> (lapin::Connection, Vec<lapin::Consumer>) {
    let (connection, channel) = open_channel(&stand.node.url(0)).await;
    channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
    let mut consumers = Vec::new();
    for queue in queues {
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let consuming = channel.basic_consume(queue.as_str().into(), "".into(), options, arguments);
        consumers.push(consuming.await.unwrap());
    }
    (connection, consumers)
}

/// A page of a role's listener for operators.
async fn page(port: u16, path: &'static str) -> String {
    let asking = tokio::task::spawn_blocking(move || http_get(port, path));
    asking.await.unwrap().unwrap_or_default()
}

/// Waits until a page says something.
async fn wait_for_words(port: u16, path: &'static str, words: &str) -> String {
    let limit = Instant::now() + WAIT_MAX;
    loop {
        let said = page(port, path).await;
        if said.contains(words) {
            return said;
        }
        assert!(Instant::now() < limit, "{path} does not say {words:?}: {said}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_stands_still_is_known_within_30_seconds_and_heals() {
    let mut stand = start().await;
    let mut applications = Applications::new();
    applications.connect_sender(&stand);
    applications.connect_receiver(&stand);
    timeout(WAIT_MAX, applications.sender.send(item(0))).await.unwrap().unwrap();
    assert_received(&applications.receiver, 1).await;
    // The broker gives a partition to its first consumer alone.
    stand.roles.kill("mapping");
    let partitions: Vec<String> = (0..PARTITIONS).map(|it| format!("intake.{it}")).collect();
    let held = hold(&stand, &partitions).await;
    let restarting = tokio::task::spawn_blocking(move || {
        stand.roles.restart("mapping");
        stand
    });
    let stand = restarting.await.unwrap();
    timeout(WAIT_MAX, applications.sender.send(item(1))).await.unwrap().unwrap();
    let (mapping, journal) = (stand.roles.ops_port("mapping"), stand.roles.ops_port("journal"));
    let said = wait_for_words(mapping, "/readyz", "no progress: intake.").await;
    assert!(said.starts_with("HTTP/1.1 503"), "{said}");
    let metrics = page(journal, "/metrics").await;
    let gauge = |name: &str| {
        let is_it = |it: &&str| it.starts_with(name) && it.contains("channel=\"intake.");
        let value = metrics.lines().find(is_it).and_then(|it| it.rsplit(' ').next());
        value.and_then(|it| it.parse::<f64>().ok()).unwrap_or_else(|| panic!("{metrics}"))
    };
    assert!(gauge("lienthong_journal_channel_stalled{") > 0.5);
    assert!(gauge("lienthong_journal_channel_oldest_seconds{") > 1.0);
    assert_eq!(applications.receiver.inbox().len(), 1);
    drop(held);
    assert_received(&applications.receiver, 2).await;
    wait_for_words(mapping, "/readyz", "HTTP/1.1 200").await;
    applications.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_somebody_else_holds_arrives_nevertheless() {
    let stand = start().await;
    let mut applications = Applications::new();
    applications.connect_sender(&stand);
    let held = hold(&stand, &[QUEUE.to_owned()]).await;
    timeout(WAIT_MAX, applications.sender.send(item(0))).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    applications.connect_receiver(&stand);
    assert_received(&applications.receiver, 1).await;
    drop(held);
    assert_received(&applications.receiver, 1).await;
    applications.stop().await;
}
