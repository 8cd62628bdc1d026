//! The promises to publishers, to listeners and of the probe.

use std::time::Duration;

use bus::{
    ATTRIBUTES_BYTES_MAX, Body, Channel, Claim, INLINE_BYTES_MAX, InvalidMessage, Message, Publish,
    PublishError,
};
use bytes::Bytes;

use crate::{
    environment::{
        Recorder, assert_unchanged, message, publish, start_simple, wait_until, within_limit,
    },
    promises::{Transport, promises},
};

promises! {
    a_confirmed_message_is_on_its_channel
    an_unroutable_message_is_reported_under_its_own_id
    a_message_arrives_as_it_was_sent
    an_invalid_message_is_refused
    attributes_beyond_their_bound_are_refused_and_neighbours_pass
    every_listener_receives_a_broadcast
    a_probe_comes_back
    many_publishers_share_a_channel
}

async fn a_confirmed_message_is_on_its_channel(transport: Transport) {
    let bus = transport.bus().await;
    let channel = bus.declare_delivery("TinhUy.iOffice").await.unwrap();
    assert_eq!(channel.name(), "delivery.tinhuy-ioffice");
    publish(&bus, &channel, 0..700).await;

    let recorder = Recorder::done();
    let running = start_simple(&bus, &channel, recorder.clone());
    let handled = recorder.handled(700).await;
    running.stop().await;
    assert_eq!(handled, (0..700).collect::<Vec<_>>());

    let again = Recorder::done();
    let running = start_simple(&bus, &channel, again.clone());
    assert_unchanged(&again.windows).await;
    running.stop().await;
}

async fn an_unroutable_message_is_reported_under_its_own_id(transport: Transport) {
    let bus = transport.bus().await;
    let publisher = bus.publisher().await.unwrap();
    let here = bus.declare_delivery("here").await.unwrap();
    let nowhere = Channel::delivery("nowhere").unwrap();
    for round in 0..20 {
        let channel = |index: u64| if index.is_multiple_of(5) { &nowhere } else { &here };
        let batch =
            (0..256).map(|index| (channel(index).clone(), message(round * 256 + index))).collect();
        let outcomes = within_limit(publisher.publish(batch)).await;
        assert_eq!(outcomes.len(), 256);
        for (index, outcome) in (0..).zip(outcomes) {
            match outcome {
                Ok(()) => assert_ne!(index % 5, 0, "{index} was lost in round {round}"),
                Err(PublishError::Unroutable { channel }) => {
                    assert_eq!((index % 5, channel), (0, nowhere.clone()), "{index}");
                }
                Err(other) => panic!("{index}: {other}"),
            }
        }
    }
}

async fn a_message_arrives_as_it_was_sent(transport: Transport) {
    let bus = transport.bus().await;
    let channel = Channel::intake(0);
    let bodies = [
        Body::Inline(Bytes::new()),
        Body::Inline(vec![0xff; INLINE_BYTES_MAX].into()),
        Body::Claim(Claim { sha256: [7; 32], size: u64::from(u32::MAX) + 1 }),
    ];
    let sent: Vec<_> = (0..)
        .zip(bodies)
        .map(|(number, body)| Message {
            conversation: "Văn phòng".to_owned(),
            body,
            ..message(number)
        })
        .collect();
    let batch = sent.iter().map(|message| (channel.clone(), message.clone())).collect();
    for outcome in bus.publisher().await.unwrap().publish(batch).await {
        outcome.unwrap();
    }
    let recorder = Recorder::done();
    let running = start_simple(&bus, &channel, recorder.clone());
    let windows = wait_until(&recorder.windows, |windows| windows.concat().len() == 3).await;
    running.stop().await;
    assert_eq!(windows.concat(), sent);
}

async fn an_invalid_message_is_refused(transport: Transport) {
    let bus = transport.bus().await;
    let channel = Channel::intake(0);
    let large = Message { body: Body::Inline(vec![0; INLINE_BYTES_MAX + 1].into()), ..message(1) };
    let batch =
        vec![(channel.clone(), message(0)), (channel.clone(), large), (channel, message(2))];
    let outcomes = bus.publisher().await.unwrap().publish(batch).await;
    assert!(
        matches!(&outcomes[..], [Ok(()), Err(PublishError::Invalid(_)), Ok(())]),
        "{outcomes:?}"
    );
    assert!(!outcomes[1].as_ref().unwrap_err().is_retryable());
}

/// The message `number` with attributes of `bytes` in total.
fn with_attributes(number: u64, bytes: usize) -> Message {
    let mut heavy = message(number);
    heavy.attributes.insert("filler".into(), String::new());
    let rest = bytes - heavy.attributes_bytes();
    heavy.attributes.insert("filler".into(), "x".repeat(rest));
    heavy
}

async fn attributes_beyond_their_bound_are_refused_and_neighbours_pass(transport: Transport) {
    let bus = transport.bus().await;
    let channel = Channel::intake(0);
    let publisher = bus.publisher().await.unwrap();
    let largest = Message {
        body: Body::Inline(vec![b'7'; INLINE_BYTES_MAX].into()),
        conversation: "c".repeat(255),
        ..with_attributes(0, ATTRIBUTES_BYTES_MAX)
    };
    let beyond = with_attributes(1, ATTRIBUTES_BYTES_MAX + 1);
    let batch = [largest.clone(), beyond, with_attributes(2, 200_000), message(3)];
    let batch = batch.map(|message| (channel.clone(), message)).into();
    let outcomes = within_limit(publisher.publish(batch)).await;
    assert!(
        matches!(
            &outcomes[..],
            [
                Ok(()),
                Err(PublishError::Invalid(InvalidMessage::LargeAttributes { bytes })),
                Err(PublishError::Invalid(InvalidMessage::LargeAttributes { .. })),
                Ok(())
            ] if *bytes == ATTRIBUTES_BYTES_MAX + 1
        ),
        "{outcomes:?}"
    );
    let recorder = Recorder::done();
    let running = start_simple(&bus, &channel, recorder.clone());
    let windows = wait_until(&recorder.windows, |windows| windows.concat().len() == 2).await;
    running.stop().await;
    assert_eq!(windows.concat(), [largest, message(3)]);
}

async fn every_listener_receives_a_broadcast(transport: Transport) {
    let bus = transport.bus().await;
    let publisher = bus.publisher().await.unwrap();
    let broadcast = |number| publisher.publish(vec![(Channel::control(), message(number))]);
    // Without listeners a broadcast is not an error.
    assert!(broadcast(0).await.pop().unwrap().is_ok());
    let mut first = bus.listen().await.unwrap();
    let mut second = bus.listen().await.unwrap();
    assert!(broadcast(1).await.pop().unwrap().is_ok());
    for listener in [&mut first, &mut second] {
        assert_eq!(within_limit(listener.next()).await.unwrap(), message(1));
    }
    drop(first);
    assert!(broadcast(2).await.pop().unwrap().is_ok());
    assert_eq!(within_limit(second.next()).await.unwrap(), message(2));
}

async fn a_probe_comes_back(transport: Transport) {
    let bus = transport.bus().await;
    for _ in 0..3 {
        let (first, second) = within_limit(futures::future::join(bus.probe(), bus.probe())).await;
        assert!(first.unwrap() < Duration::from_secs(5));
        assert!(second.unwrap() < Duration::from_secs(5));
    }
}

async fn many_publishers_share_a_channel(transport: Transport) {
    let bus = transport.bus().await;
    let channel = bus.declare_delivery("app").await.unwrap();
    let publisher = bus.publisher().await.unwrap();
    let publishes = (0..40).map(|caller| {
        let batch = (0..25).map(|index| (channel.clone(), message(caller * 25 + index))).collect();
        publisher.publish(batch)
    });
    for outcome in within_limit(futures::future::join_all(publishes)).await.concat() {
        outcome.unwrap();
    }
    let recorder = Recorder::done();
    let running = start_simple(&bus, &channel, recorder.clone());
    let handled = recorder.handled(1_000).await;
    running.stop().await;
    let callers: Vec<Vec<_>> = (0..40)
        .map(|caller| handled.iter().copied().filter(|number| number / 25 == caller).collect())
        .collect();
    for (caller, its) in (0..).zip(callers) {
        assert_eq!(its, (caller * 25..caller * 25 + 25).collect::<Vec<_>>());
    }
}
