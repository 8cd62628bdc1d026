//! The bounds of the embedded transport.

use bus::{Body, Bus, Channel, Message, Publish, PublishError, ReceiveError, Settings};

use crate::environment::{Recorder, embedded, message, settings, start_simple};

async fn publish_refused(bus: &Bus, batch: Vec<Message>) -> Vec<bool> {
    let channel = Channel::intake(0);
    let batch = batch.into_iter().map(|message| (channel.clone(), message)).collect();
    let outcomes = bus.publisher().await.unwrap().publish(batch).await;
    outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Ok(()) => false,
            Err(PublishError::Refused { .. }) => true,
            Err(other) => panic!("{other}"),
        })
        .collect()
}

fn large(number: u64, bytes: usize) -> Message {
    Message { body: Body::Inline(vec![0; bytes].into()), ..message(number) }
}

#[tokio::test]
async fn a_full_channel_refuses_new_messages_and_keeps_the_others() {
    let bounds = Settings { channel_messages_max: 3, room_ms_max: 20, ..settings() };
    let bus = embedded(bounds).await;
    let batch = (0..5).map(message).collect();
    assert_eq!(publish_refused(&bus, batch).await, [false, false, false, true, true]);

    let recorder = Recorder::done();
    let running = start_simple(&bus, &Channel::intake(0), recorder.clone());
    assert_eq!(recorder.handled(3).await, [0, 1, 2]);
    assert_eq!(publish_refused(&bus, vec![message(3)]).await, [false]);
    assert_eq!(recorder.handled(4).await, [0, 1, 2, 3]);
    running.stop().await;
}

#[tokio::test]
async fn a_channel_is_bounded_in_bytes_and_takes_any_body_when_empty() {
    let bounds = Settings { channel_bytes_max: 1_000, room_ms_max: 20, ..settings() };
    let bus = embedded(bounds.clone()).await;
    let batch = vec![large(0, 600), large(1, 400), large(2, 1)];
    assert_eq!(publish_refused(&bus, batch).await, [false, false, true]);
    let bus = embedded(bounds).await;
    let batch = vec![large(0, 5_000), large(1, 0)];
    assert_eq!(publish_refused(&bus, batch).await, [false, true]);
}

#[tokio::test]
async fn a_full_channel_of_an_application_refuses_without_waiting() {
    let bounds = Settings { channel_messages_max: 1, room_ms_max: 20_000, ..settings() };
    let bus = embedded(bounds).await;
    let channel = bus.declare_delivery("app").await.unwrap();
    let batch = (0..2).map(|number| (channel.clone(), message(number))).collect();
    let publisher = bus.publisher().await.unwrap();
    let outcomes = publisher.publish(batch);
    let outcomes = tokio::time::timeout(std::time::Duration::from_secs(5), outcomes).await.unwrap();
    assert!(matches!(outcomes[..], [Ok(()), Err(PublishError::Refused { .. })]), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_to_full_intake_waits_until_messages_are_settled() {
    let bounds = Settings { channel_messages_max: 2, room_ms_max: 20_000, ..settings() };
    let bus = embedded(bounds).await;
    let recorder = Recorder::done();
    let running = start_simple(&bus, &Channel::intake(0), recorder.clone());
    assert_eq!(publish_refused(&bus, (0..100).map(message).collect()).await, [false; 100]);
    assert_eq!(recorder.handled(100).await, (0..100).collect::<Vec<_>>());
    running.stop().await;
}

#[tokio::test]
async fn a_listener_that_falls_behind_gets_an_error() {
    let bus = embedded(settings()).await;
    let mut listener = bus.listen().await.unwrap();
    let publisher = bus.publisher().await.unwrap();
    let batch = (0..2_000).map(|number| (Channel::control(), message(number))).collect();
    publisher.publish(batch).await;
    let received = listener.next().await;
    assert!(matches!(received, Err(ReceiveError::Missed { missed: 976 })), "{received:?}");
}
