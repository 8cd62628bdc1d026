//! The promises that both transports give, each tried over both.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bus::{
    Body, Bus, Channel, Claim, Fate, Fault, Handle, INLINE_BYTES_MAX, Message, Publish,
    PublishError, ReceiveError, Settings, Verdict, Verdicts, code,
};
use bytes::Bytes;

use crate::stage::{
    Drawer, Mood, Recorder, Stuck, id, message, number, numbers, publish, settings, soon, start,
    start_simple, stays_quiet, until,
};

/// Each promise as a test over the bus in memory and as one over a broker.
macro_rules! promises {
    ($($promise:ident)*) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(super::Stage::Embedded).await;
            })*
        }

        mod rabbitmq {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(super::Stage::RabbitMq).await;
            })*
        }
    };
}

promises! {
    what_is_confirmed_is_queued
    an_unroutable_message_is_reported_as_itself
    a_message_arrives_as_it_was_sent
    what_cannot_be_carried_is_refused
    what_cannot_go_on_is_kept_before_it_is_settled
    verdicts_go_where_they_say
    a_partition_keeps_its_order_and_has_one_receiver
    a_window_that_was_cut_comes_again
    a_panic_rejects_only_its_own_message
    verdicts_that_do_not_fit_lose_nothing
    free_hands_bound_the_window
    messages_do_not_lie_with_somebody_without_hands
    a_keeper_that_fails_keeps_messages_on_their_channel
    everybody_who_listens_hears_a_broadcast
    a_probe_comes_back
    a_window_has_a_bound
    shutdown_finishes_the_window_in_hand
    many_publishers_share_a_channel
    receiving_from_nowhere_is_an_error
}

#[derive(Clone, Copy)]
enum Stage {
    Embedded,
    RabbitMq,
}

impl Stage {
    async fn bus(self) -> Bus {
        self.bus_with(settings()).await
    }

    async fn bus_with(self, settings: Settings) -> Bus {
        match self {
            Self::Embedded => crate::stage::embedded(settings).await,
            Self::RabbitMq => crate::stage::rabbitmq(settings).await,
        }
    }
}

fn fault() -> Fault {
    Fault::new("LT-MAP-001", "for the test")
}

async fn what_is_confirmed_is_queued(stage: Stage) {
    let bus = stage.bus().await;
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
    stays_quiet(&again.windows).await;
    running.stop().await;
}

async fn an_unroutable_message_is_reported_as_itself(stage: Stage) {
    let bus = stage.bus().await;
    let publisher = bus.publisher().await.unwrap();
    let here = bus.declare_delivery("here").await.unwrap();
    let nowhere = Channel::delivery("nowhere").unwrap();
    for round in 0..20 {
        let channel = |place: u64| if place.is_multiple_of(5) { &nowhere } else { &here };
        let batch =
            (0..256).map(|place| (channel(place).clone(), message(round * 256 + place))).collect();
        let outcomes = soon(publisher.publish(batch)).await;
        assert_eq!(outcomes.len(), 256);
        for (place, outcome) in (0..).zip(outcomes) {
            match outcome {
                Ok(()) => assert_ne!(place % 5, 0, "{place} was lost in round {round}"),
                Err(PublishError::Unroutable { channel }) => {
                    assert_eq!((place % 5, channel), (0, nowhere.clone()), "{place}");
                }
                Err(other) => panic!("{place}: {other}"),
            }
        }
    }
}

async fn a_message_arrives_as_it_was_sent(stage: Stage) {
    let bus = stage.bus().await;
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
    let windows = until(&recorder.windows, |windows| windows.concat().len() == 3).await;
    running.stop().await;
    assert_eq!(windows.concat(), sent);
}

async fn what_cannot_be_carried_is_refused(stage: Stage) {
    let bus = stage.bus().await;
    let channel = Channel::intake(0);
    let large = Message { body: Body::Inline(vec![0; INLINE_BYTES_MAX + 1].into()), ..message(1) };
    let batch =
        vec![(channel.clone(), message(0)), (channel.clone(), large), (channel, message(2))];
    let outcomes = bus.publisher().await.unwrap().publish(batch).await;
    assert!(
        matches!(&outcomes[..], [Ok(()), Err(PublishError::Invalid(_)), Ok(())]),
        "{outcomes:?}"
    );
    assert!(!outcomes[1].as_ref().unwrap_err().may_pass());
}

async fn what_cannot_go_on_is_kept_before_it_is_settled(stage: Stage) {
    let bus = stage.bus().await;
    let channel = Channel::intake(1);
    publish(&bus, &channel, 0..3).await;

    let slow = Drawer::new(Mood::Stuck);
    let handler = Recorder::new(|_| Verdict::Retry(fault()));
    let running = start(&bus, &channel, 8, slow.clone(), handler);
    until(&slow.kept, |kept| !kept.is_empty()).await;
    // The keeper has not said that they are safe, so they must come again.
    running.cut().await;

    let recorder = Recorder::done();
    let running = start_simple(&bus, &channel, recorder.clone());
    assert_eq!(recorder.handled(3).await, [0, 1, 2]);
    running.stop().await;
}

async fn verdicts_go_where_they_say(stage: Stage) {
    let bus = stage.bus().await;
    let channel = Channel::intake(1);
    publish(&bus, &channel, 0..9).await;
    let drawer = Drawer::new(Mood::Willing);
    let handler = Recorder::new(|message| match number(message) % 3 {
        0 => Verdict::Done,
        1 => Verdict::Retry(fault()),
        _ => Verdict::Reject(fault()),
    });
    let running = start(&bus, &channel, 256, drawer.clone(), handler);
    let mut kept = until(&drawer.kept, |kept| kept.len() == 6).await;
    running.stop().await;
    kept.sort_by_key(|(message, _)| number(message));
    let expected: Vec<_> = [1, 2, 4, 5, 7, 8]
        .map(|number| {
            let fate = if number % 3 == 1 { Fate::Parked(fault()) } else { Fate::Dead(fault()) };
            (message(number), fate)
        })
        .into();
    assert_eq!(kept, expected);

    let again = Recorder::done();
    let running = start_simple(&bus, &channel, again.clone());
    stays_quiet(&again.windows).await;
    running.stop().await;
}

async fn a_partition_keeps_its_order_and_has_one_receiver(stage: Stage) {
    let bus = stage.bus().await;
    let channel = Channel::intake(0);
    let recorder = Recorder::done();
    let first = start(&bus, &channel, 16, Drawer::new(Mood::Failing), recorder.clone());
    publish(&bus, &channel, 0..100).await;
    recorder.handled(100).await;
    let second = start(&bus, &channel, 16, Drawer::new(Mood::Failing), recorder.clone());
    publish(&bus, &channel, 100..300).await;
    recorder.handled(300).await;
    first.stop().await;
    publish(&bus, &channel, 300..400).await;
    let handled = recorder.handled(400).await;
    second.stop().await;
    assert_eq!(handled, (0..400).collect::<Vec<_>>());
}

async fn a_window_that_was_cut_comes_again(stage: Stage) {
    let bus = stage.bus().await;
    for channel in [Channel::intake(0), bus.declare_delivery("app").await.unwrap()] {
        publish(&bus, &channel, 0..50).await;
        let stuck = Stuck::new();
        let running = start_simple(&bus, &channel, stuck.clone());
        until(&stuck.0, |windows| !windows.is_empty()).await;
        running.cut().await;

        let recorder = Recorder::done();
        let running = start_simple(&bus, &channel, recorder.clone());
        let handled = recorder.handled(50).await;
        running.stop().await;
        assert_eq!(handled, (0..50).collect::<Vec<_>>());
    }
}

async fn a_panic_rejects_only_its_own_message(stage: Stage) {
    let bus = stage.bus().await;
    let channel = Channel::intake(1);
    let drawer = Drawer::new(Mood::Willing);
    let recorder = Recorder::new(|message| {
        assert!(number(message) != 4, "poison");
        if number(message) == 6 { Verdict::Retry(fault()) } else { Verdict::Done }
    });
    publish(&bus, &channel, 0..10).await;
    let running = start(&bus, &channel, 256, drawer.clone(), recorder.clone());
    let kept = until(&drawer.kept, |kept| kept.len() >= 2).await;
    publish(&bus, &channel, 10..12).await;
    let handled = until(&recorder.windows, |windows| {
        windows.concat().iter().any(|message| number(message) == 11)
    });
    let handled: BTreeSet<_> = numbers(&handled.await.concat()).into_iter().collect();
    running.stop().await;
    assert_eq!(handled, (0..12).collect());
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(matches!(
        &kept[..],
        [(poison, Fate::Dead(found)), (other, Fate::Parked(_))]
            if poison.id == id(4) && found.code == code::PANICKED && other.id == id(6)
    ));
}

struct Short;

impl Handle for Short {
    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        Verdicts::all(window.len() - 1, Verdict::Done)
    }
}

async fn verdicts_that_do_not_fit_lose_nothing(stage: Stage) {
    let bus = stage.bus().await;
    let channel = Channel::intake(0);
    let drawer = Drawer::new(Mood::Willing);
    publish(&bus, &channel, 0..3).await;
    let running = start(&bus, &channel, 256, drawer.clone(), Short);
    let kept = until(&drawer.kept, |kept| kept.len() == 3).await;
    running.stop().await;
    for (place, (message, fate)) in (0..).zip(&kept) {
        assert_eq!(number(message), place);
        assert!(matches!(fate, Fate::Parked(found) if found.code == code::UNJUDGED));
    }
}

async fn free_hands_bound_the_window(stage: Stage) {
    let bus = stage.bus().await;
    let channel = bus.declare_delivery("app").await.unwrap();
    publish(&bus, &channel, 0..10).await;
    let recorder = Recorder::done();
    recorder.hands.send_replace(Some(0));
    let running = start_simple(&bus, &channel, recorder.clone());
    stays_quiet(&recorder.windows).await;
    recorder.hands.send_replace(Some(3));
    assert_eq!(recorder.handled(3).await, [0, 1, 2]);
    stays_quiet(&recorder.windows).await;
    recorder.hands.send_replace(None);
    assert_eq!(recorder.handled(10).await, (0..10).collect::<Vec<_>>());
    running.stop().await;
}

async fn messages_do_not_lie_with_somebody_without_hands(stage: Stage) {
    let bus = stage.bus_with(Settings { hands_ms_max: 200, ..settings() }).await;
    let channel = bus.declare_delivery("app").await.unwrap();
    let tired = Recorder::done();
    tired.hands.send_replace(Some(1));
    let sleeping = start(&bus, &channel, 4, Drawer::new(Mood::Failing), tired.clone());
    publish(&bus, &channel, [0]).await;
    tired.handled(1).await;
    // These are taken to somebody who has just used the only hand.
    publish(&bus, &channel, 1..6).await;
    let awake = Recorder::done();
    let running = start_simple(&bus, &channel, awake.clone());
    let handled: BTreeSet<_> = awake.handled(5).await.into_iter().collect();
    assert_eq!(handled, (1..6).collect());
    running.stop().await;
    // And when the hands come back, the first receiver goes on.
    publish(&bus, &channel, [6]).await;
    tired.hands.send_replace(Some(9));
    assert_eq!(tired.handled(2).await, [0, 6]);
    sleeping.stop().await;
}

async fn a_keeper_that_fails_keeps_messages_on_their_channel(stage: Stage) {
    let bus = stage.bus().await;
    let channel = Channel::intake(0);
    publish(&bus, &channel, 0..4).await;
    let handler = Recorder::new(|_| Verdict::Reject(fault()));
    let running = start(&bus, &channel, 256, Drawer::new(Mood::Failing), handler);
    let ended = running.end().await;
    assert!(matches!(ended, Err(ReceiveError::NotKept(_))), "{ended:?}");

    let recorder = Recorder::done();
    let running = start_simple(&bus, &channel, recorder.clone());
    assert_eq!(recorder.handled(4).await, [0, 1, 2, 3]);
    running.stop().await;
}

async fn everybody_who_listens_hears_a_broadcast(stage: Stage) {
    let bus = stage.bus().await;
    let publisher = bus.publisher().await.unwrap();
    let broadcast = |number| publisher.publish(vec![(Channel::control(), message(number))]);
    // Nobody listens, and that is nobody's loss.
    assert!(broadcast(0).await.pop().unwrap().is_ok());
    let mut first = bus.listen().await.unwrap();
    let mut second = bus.listen().await.unwrap();
    assert!(broadcast(1).await.pop().unwrap().is_ok());
    for listener in [&mut first, &mut second] {
        assert_eq!(soon(listener.next()).await.unwrap(), message(1));
    }
    drop(first);
    assert!(broadcast(2).await.pop().unwrap().is_ok());
    assert_eq!(soon(second.next()).await.unwrap(), message(2));
}

async fn a_probe_comes_back(stage: Stage) {
    let bus = stage.bus().await;
    for _ in 0..3 {
        let (first, second) = soon(futures::future::join(bus.probe(), bus.probe())).await;
        assert!(first.unwrap() < Duration::from_secs(5));
        assert!(second.unwrap() < Duration::from_secs(5));
    }
}

async fn a_window_has_a_bound(stage: Stage) {
    let bus = stage.bus().await;
    let channel = bus.declare_delivery("app").await.unwrap();
    publish(&bus, &channel, 0..500).await;
    let recorder = Recorder::done();
    let running = start(&bus, &channel, 64, Drawer::new(Mood::Failing), recorder.clone());
    recorder.handled(500).await;
    running.stop().await;
    let sizes: Vec<_> = recorder.windows.borrow().iter().map(Vec::len).collect();
    assert_eq!(sizes.iter().max(), Some(&64), "{sizes:?}");
}

/// Finishes a window only after it was told to stop.
struct Waiting {
    seen: Recorder,
    shutdown: tokio::sync::watch::Receiver<bool>,
}

impl Handle for Waiting {
    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        let verdicts = self.seen.handle(window).await;
        self.shutdown.clone().wait_for(|told| *told).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        verdicts
    }
}

async fn shutdown_finishes_the_window_in_hand(stage: Stage) {
    let bus = stage.bus().await;
    let channel = Channel::intake(0);
    publish(&bus, &channel, 0..5).await;
    let (tell, told) = tokio::sync::watch::channel(false);
    let seen = Recorder::done();
    let handler = Arc::new(Waiting { seen: seen.clone(), shutdown: told });
    let running = start(&bus, &channel, 5, Drawer::new(Mood::Failing), handler);
    let first = until(&seen.windows, |windows| !windows.is_empty()).await.concat();
    running.shutdown.cancel();
    tell.send_replace(true);
    running.end().await.unwrap();

    let rest = Recorder::done();
    let running = start_simple(&bus, &channel, rest.clone());
    publish(&bus, &channel, [5]).await;
    let left = 6 - first.len();
    let handled = rest.handled(left).await;
    running.stop().await;
    assert_eq!([numbers(&first), handled].concat(), [0, 1, 2, 3, 4, 5]);
}

async fn many_publishers_share_a_channel(stage: Stage) {
    let bus = stage.bus().await;
    let channel = bus.declare_delivery("app").await.unwrap();
    let publisher = bus.publisher().await.unwrap();
    let publishes = (0..40).map(|caller| {
        let batch = (0..25).map(|place| (channel.clone(), message(caller * 25 + place))).collect();
        publisher.publish(batch)
    });
    for outcome in soon(futures::future::join_all(publishes)).await.concat() {
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

async fn receiving_from_nowhere_is_an_error(stage: Stage) {
    let bus = stage.bus().await;
    let nowhere = Channel::delivery("nowhere").unwrap();
    let ended = start_simple(&bus, &nowhere, Recorder::done()).end().await;
    assert!(matches!(ended, Err(ReceiveError::NoChannel { channel }) if channel == nowhere));
}
