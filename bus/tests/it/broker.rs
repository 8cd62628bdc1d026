//! Failures that only a broker has: other topologies, foreign messages, silence, sudden death.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bus::{
    Body, Bus, Channel, ConnectError, Disposition, Handle, Message, ProbeError, Publish,
    PublishError, ReceiveError, Settings, TopologyError, Verdict, Verdicts, code,
};
use futures::FutureExt;
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicGetOptions, BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};

use crate::{
    environment::{
        Recorder, RecordingStore, StoreBehavior, WAIT_MAX, broker, message, number, publish,
        rabbitmq, settings, start, start_simple, wait_until, within_limit,
    },
    node::Node,
};

/// A link of another client, which publishes without the bus.
async fn open_foreign_link(url: &str) -> (Connection, lapin::Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let link = connection.create_channel().await.unwrap();
    (connection, link)
}

#[expect(clippy::disallowed_methods, reason = "a foreigner publishes as it likes")]
async fn publish_foreign(
    link: &lapin::Channel,
    (exchange, key): (&str, &str),
    (properties, body): (BasicProperties, &[u8]),
) {
    let options = BasicPublishOptions::default();
    link.basic_publish(exchange.into(), key.into(), options, body, properties)
        .await
        .unwrap()
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unroutable_message_is_undeliverable_and_received_there() {
    let (node, host) = broker().await;
    let bus = Bus::connect(Settings { url: node.url(host), ..settings() }).await.unwrap();
    bus.declare_topology().await.unwrap();
    let (_connection, link) = open_foreign_link(&node.url(host)).await;
    // Another client moves a message of the bus, and publishes one of its own.
    let from = bus.declare_delivery("somebody").await.unwrap();
    publish(&bus, &from, [7]).await;
    let moved = link.basic_get(from.name().into(), BasicGetOptions::default()).await.unwrap();
    let moved = moved.unwrap().delivery;
    let of_ours = (moved.properties, moved.data.as_slice());
    publish_foreign(&link, ("lienthong.intake", "intake.99"), of_ours).await;
    let foreign = (BasicProperties::default(), b"from elsewhere".as_slice());
    publish_foreign(&link, ("lienthong.delivery", "delivery.nobody"), foreign).await;

    let store = RecordingStore::new(StoreBehavior::Succeeding);
    let recorder = Recorder::done();
    let running = start(&bus, &Channel::undeliverable(), 8, store.clone(), recorder.clone());
    let windows = wait_until(&recorder.windows, |windows| !windows.is_empty()).await;
    assert_eq!(windows[0][0], message(7));
    // A foreign message never reaches the handler, and is not lost either.
    let kept = wait_until(&store.failures, |kept| !kept.is_empty()).await;
    running.stop().await;
    let (unreadable, disposition) = &kept[0];
    assert_eq!(unreadable.body, Body::Inline("from elsewhere".into()));
    assert!(matches!(disposition, Disposition::Dead(fault) if fault.code == code::UNREADABLE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_delivered_too_often_is_undeliverable_and_not_dropped() {
    let bus = rabbitmq(settings()).await;
    let channel = Channel::intake(0);
    publish(&bus, &channel, [1]).await;
    let store = RecordingStore::new(StoreBehavior::Failing);
    let undeliverable = Recorder::done();
    let watching = start_simple(&bus, &Channel::undeliverable(), undeliverable.clone());
    let breaking = async {
        loop {
            let handler = Recorder::new(|_| Verdict::Retry(bus::Fault::new("LT-MAP-001", "")));
            let running = start(&bus, &channel, 1, store.clone(), handler);
            // The last receiver gets no message and runs until it is dropped.
            let ended = running.end().await;
            assert!(matches!(ended, Err(ReceiveError::FailuresNotStored(_))), "{ended:?}");
        }
    };
    tokio::select! {
        () = breaking => {}
        handled = async {
            wait_until(&undeliverable.windows, |windows| !windows.is_empty()).await
        } => assert_eq!(handled[0][0].id, message(1).id),
    }
    watching.stop().await;
    // The broker counts deliveries from 0.
    assert_eq!(store.failures.borrow().len(), 1_001);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_different_topology_is_named_by_queue_and_argument() {
    let (node, host) = broker().await;
    let bus = Bus::connect(Settings { url: node.url(host), ..settings() }).await.unwrap();

    let missing = differences(bus.compare_topology().await);
    assert!(missing.contains(&("intake.1".to_owned(), None)), "{missing:?}");

    bus.declare_topology().await.unwrap();
    bus.declare_topology().await.unwrap();
    bus.compare_topology().await.unwrap();

    let (_connection, link) = open_foreign_link(&node.url(host)).await;
    link.queue_delete("intake.1".into(), QueueDeleteOptions::default()).await.unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(3));
    let options = QueueDeclareOptions::durable();
    link.queue_declare("intake.1".into(), options, arguments).await.unwrap();
    link.queue_declare("intake.2".into(), options, FieldTable::default()).await.unwrap();

    for found in [bus.compare_topology().await, bus.declare_topology().await] {
        let found = differences(found);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            matches!(&found[0], (name, Some(argument))
            if name == "intake.1" && argument.starts_with("x-")),
            "{found:?}"
        );
        assert_eq!(found[1], ("intake.2".to_owned(), None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_number_of_partitions_is_a_difference_and_declares_nothing() {
    let (node, host) = broker().await;
    let of = |partitions| Settings { url: node.url(host), partitions, ..settings() };
    let none = Bus::connect(of(0)).await;
    assert!(matches!(none, Err(ConnectError::NoPartitions)), "{none:?}");

    let bus = Bus::connect(of(2)).await.unwrap();
    bus.declare_topology().await.unwrap();
    for partitions in [1, 3] {
        let other = Bus::connect(of(partitions)).await.unwrap();
        for found in [other.compare_topology().await, other.declare_topology().await] {
            assert_eq!(differences(found), [("lienthong.intake".to_owned(), None)]);
        }
    }
    let nobody = start_simple(&bus, &Channel::intake(2), Recorder::done()).end().await;
    assert!(matches!(nobody, Err(ReceiveError::NoChannel { .. })), "{nobody:?}");
    bus.compare_topology().await.unwrap();
}

fn differences(found: Result<(), ConnectError>) -> Vec<(String, Option<String>)> {
    match found {
        Err(ConnectError::Topology(TopologyError::Differs { differences })) => {
            differences.into_iter().map(|found| (found.name, found.argument)).collect()
        }
        other => panic!("no difference found: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_queue_ends_its_receiver() {
    let (node, host) = broker().await;
    let bus = Bus::connect(Settings { url: node.url(host), ..settings() }).await.unwrap();
    bus.declare_topology().await.unwrap();
    let channel = Channel::intake(0);
    publish(&bus, &channel, [1]).await;
    let recorder = Recorder::done();
    let running = start_simple(&bus, &channel, recorder.clone());
    recorder.handled(1).await;
    let (_connection, link) = open_foreign_link(&node.url(host)).await;
    link.queue_delete("intake.0".into(), QueueDeleteOptions::default()).await.unwrap();
    let ended = running.end().await;
    assert!(matches!(ended, Err(ReceiveError::ConsumerCancelled { .. })), "{ended:?}");
}

/// A handler that publishes each message onward and settles it after the confirm, as mapping does.
struct Relay {
    publisher: bus::Publisher,
    onward: Channel,
}

impl Handle for Relay {
    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        let batch = window.into_iter().map(|message| (self.onward.clone(), message)).collect();
        let outcomes = self.publisher.publish(batch).await;
        let verdict = |outcome: Result<(), PublishError>| match outcome {
            Ok(()) => Verdict::Done,
            Err(error) => Verdict::Retry((&error).into()),
        };
        outcomes.into_iter().map(verdict).collect()
    }
}

/// The messages confirmed before the first failure, and that failure.
async fn publish_until_it_fails(
    publisher: &bus::Publisher,
    channel: &Channel,
) -> (BTreeSet<u64>, PublishError) {
    let mut confirmed = BTreeSet::new();
    for begin in (0..).step_by(100) {
        let numbers = begin..begin + 100;
        let batch = numbers.clone().map(|number| (channel.clone(), message(number))).collect();
        let outcomes = publisher.publish(batch).await;
        let taken = numbers.zip(&outcomes).filter(|(_, outcome)| outcome.is_ok());
        confirmed.extend(taken.map(|(number, _)| number));
        if let Some(error) = outcomes.into_iter().find_map(Result::err) {
            return (confirmed, error);
        }
    }
    unreachable!("the broker does not die");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_loses_nothing_confirmed_and_ends_publishers_and_receivers() {
    let mut node = tokio::task::spawn_blocking(|| Node::start(1)).await.unwrap();
    let short = Settings { url: node.url(0), call_ms_max: 3_000, ..settings() };
    let bus = Bus::connect(short.clone()).await.unwrap();
    bus.declare_topology().await.unwrap();
    let (from, onward) = (Channel::intake(0), bus.declare_delivery("app").await.unwrap());
    let publisher = bus.publisher().await.unwrap();
    let relay = Relay { publisher: publisher.clone(), onward: onward.clone() };
    let relaying = start_simple(&bus, &from, relay);

    let dying = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        tokio::task::block_in_place(|| node.kill());
    };
    let publishing = publish_until_it_fails(&publisher, &from);
    let ((confirmed, error), ()) = within_limit(futures::future::join(publishing, dying)).await;
    assert!(
        matches!(error, PublishError::Unknown { .. } | PublishError::NotSent { .. }),
        "{error:?}"
    );
    assert!(relaying.end().await.is_err());
    within_limit(bus.publisher_failed()).await;
    assert!(matches!(
        publisher.publish(vec![(from.clone(), message(1))]).await[..],
        [Err(PublishError::NotSent { .. })]
    ));
    assert!(bus.probe().await.is_err());
    assert!(!confirmed.is_empty());

    let node = tokio::task::spawn_blocking(move || {
        node.restart();
        node
    });
    let node = node.await.unwrap();
    let bus = Bus::connect(Settings { url: node.url(0), ..short }).await.unwrap();
    bus.compare_topology().await.unwrap();
    within_limit(bus.probe()).await.unwrap();
    let relay = Relay { publisher: bus.publisher().await.unwrap(), onward: onward.clone() };
    let relaying = start_simple(&bus, &from, relay);
    let recorder = Recorder::done();
    let receiving = start_simple(&bus, &onward, recorder.clone());
    wait_until(&recorder.windows, |windows| {
        let found: BTreeSet<_> = windows.iter().flatten().map(number).collect();
        found.is_superset(&confirmed)
    })
    .await;
    relaying.stop().await;
    receiving.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_short_of_memory_refuses_publishes_and_nothing_ends() {
    let node = tokio::task::spawn_blocking(|| Node::start(1)).await.unwrap();
    let bounds =
        Settings { url: node.url(0), call_ms_max: 1_500, publish_ms_max: 4_000, ..settings() };
    let bus = Bus::connect(bounds).await.unwrap();
    bus.declare_topology().await.unwrap();
    let channel = Channel::intake(0);
    publish(&bus, &channel, 0..10).await;
    let publisher = bus.publisher().await.unwrap();
    let alarm = |share: &'static str| {
        tokio::task::block_in_place(|| node.control(&["set_vm_memory_high_watermark", share]))
    };
    alarm("0.00001");
    // The broker reports its alarm at the next publish, which may be stored or not.
    let begun = Instant::now();
    let outcome = within_limit(publisher.publish(vec![(channel.clone(), message(10))])).await;
    assert!(matches!(outcome[..], [Err(PublishError::Unknown { .. })]), "{outcome:?}");
    // From then on publishes are refused without waiting, and may be repeated later.
    let told = begun.elapsed();
    let outcome = within_limit(publisher.publish(vec![(channel.clone(), message(11))])).await;
    assert!(matches!(outcome[..], [Err(PublishError::Refused { .. })]), "{outcome:?}");
    assert!(matches!(bus.probe().await, Err(ProbeError::Publish(PublishError::Refused { .. }))));
    assert!(begun.elapsed() < told + Duration::from_secs(1));
    // Acknowledgements pass, because they have a connection of their own.
    let recorder = Recorder::done();
    let running = start_simple(&bus, &channel, recorder.clone());
    assert_eq!(recorder.handled(10).await, (0..10).collect::<Vec<_>>());
    assert!(bus.publisher_failed().now_or_never().is_none(), "an alarm is no failure");

    alarm("0.4");
    let until = Instant::now() + WAIT_MAX;
    loop {
        let outcome = publisher.publish(vec![(channel.clone(), message(12))]).await;
        match &outcome[..] {
            [Ok(())] => break,
            [Err(PublishError::Refused { .. })] => assert!(Instant::now() < until),
            _ => panic!("{outcome:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    within_limit(bus.probe()).await.unwrap();
    // The message whose outcome was unknown was only late.
    assert_eq!(recorder.handled(12).await[10..], [10, 12]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_new_messages_and_keeps_the_others() {
    let (node, host) = broker().await;
    let bus = Bus::connect(Settings { url: node.url(host), ..settings() }).await.unwrap();
    bus.declare_topology().await.unwrap();
    let channel = bus.declare_delivery("full").await.unwrap();
    let (vhost, limit) = (format!("v{host}"), r#"{"max-length":5}"#);
    let policy = ["set_policy", "-p", &vhost, "--apply-to", "queues", "few", "^delivery", limit];
    tokio::task::block_in_place(|| node.control(&policy));

    let publisher = bus.publisher().await.unwrap();
    let mut taken = Vec::new();
    let mut refused = 0;
    // One at a time, because messages in flight may exceed the broker's soft limit.
    for number in 0..10 {
        let outcome =
            within_limit(publisher.publish(vec![(channel.clone(), message(number))])).await;
        match &outcome[..] {
            [Ok(())] => taken.push(number),
            [Err(PublishError::Refused { .. })] => refused += 1,
            _ => panic!("{outcome:?}"),
        }
    }
    assert!(refused > 0, "the queue has no bound");
    assert_eq!(refused + taken.len(), 10);
    let recorder = Recorder::done();
    let running = start_simple(&bus, &channel, recorder.clone());
    assert_eq!(recorder.handled(taken.len()).await, taken);
    running.stop().await;
}

#[tokio::test]
async fn a_wrong_address_is_an_error_that_does_not_repeat_it() {
    for url in ["", "http://guest:geheim@127.0.0.1", "amqp://u:geheim@127.0.0.1:1/%2f"] {
        let error = Bus::connect(Settings { url: url.to_owned(), ..settings() }).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("geheim"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_without_tls_is_an_error_to_amqps() {
    let (node, host) = broker().await;
    let url = node.url(host).replace("amqp:", "amqps:");
    let refused =
        within_limit(Bus::connect(Settings { url, call_ms_max: 5_000, ..settings() })).await;
    assert!(matches!(refused, Err(ConnectError::Broker(_))), "{refused:?}");
}
