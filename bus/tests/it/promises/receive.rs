//! What is promised to whoever receives.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bus::{
    Body, Channel, Disposition, Fault, Handle, INLINE_BYTES_MAX, Message, Publish, ReceiveError,
    Settings, Verdict, Verdicts, code,
};

use crate::{
    promises::{Stage, promises},
    stage::{
        Drawer, Mood, Recorder, Stuck, id, message, number, numbers, publish, settings, start,
        start_simple, stays_quiet, until,
    },
};

promises! {
    what_cannot_go_on_is_kept_before_it_is_settled
    verdicts_go_where_they_say
    a_partition_keeps_its_order_and_has_one_receiver
    a_window_that_was_cut_comes_again
    a_panic_rejects_only_its_own_message
    verdicts_that_do_not_fit_lose_nothing
    free_hands_bound_the_window
    messages_do_not_lie_with_somebody_without_hands
    a_busy_hand_keeps_only_its_own_message
    slow_hands_keep_only_as_much_as_they_can_hold
    hands_that_come_at_the_last_moment_lose_and_double_nothing
    a_keeper_that_fails_keeps_messages_on_their_channel
    a_keeper_that_never_answers_keeps_messages_on_their_channel
    a_window_has_a_bound
    a_window_has_a_bound_in_bytes
    the_next_receiver_goes_on_where_the_first_one_stopped
    the_next_receiver_goes_on_where_the_first_one_broke_down
    shutdown_finishes_the_window_in_hand
    receiving_from_nowhere_is_an_error
}

fn fault() -> Fault {
    Fault::new("LT-MAP-001", "for the test")
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
            let fate = if number % 3 == 1 {
                Disposition::Parked(fault())
            } else {
                Disposition::Dead(fault())
            };
            (message(number), fate)
        })
        .into();
    assert_eq!(kept, expected);

    let again = Recorder::done();
    let running = start_simple(&bus, &channel, again.clone());
    stays_quiet(&again.windows).await;
    running.stop().await;
}

/// Takes its time, and notices somebody else at work meanwhile.
#[derive(Clone)]
struct Alone {
    seen: Recorder,
    at_work: Arc<AtomicUsize>,
    met: Arc<AtomicUsize>,
}

impl Handle for Alone {
    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        self.met.fetch_add(self.at_work.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1)).await;
        let verdicts = self.seen.handle(window).await;
        self.at_work.fetch_sub(1, Ordering::SeqCst);
        verdicts
    }
}

async fn a_partition_keeps_its_order_and_has_one_receiver(stage: Stage) {
    let bus = stage.bus().await;
    let channel = Channel::intake(0);
    let (at_work, met) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let seen = Recorder::done();
    let alone = Alone { seen: seen.clone(), at_work, met: met.clone() };
    let first = start(&bus, &channel, 16, Drawer::new(Mood::Failing), alone.clone());
    publish(&bus, &channel, 0..100).await;
    seen.handled(100).await;
    let second = start(&bus, &channel, 16, Drawer::new(Mood::Failing), alone);
    publish(&bus, &channel, 100..300).await;
    seen.handled(300).await;
    first.stop().await;
    publish(&bus, &channel, 300..400).await;
    let handled = seen.handled(400).await;
    second.stop().await;
    assert_eq!(handled, (0..400).collect::<Vec<_>>());
    assert_eq!(met.load(Ordering::SeqCst), 0, "two were at work at once");
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
        [(poison, Disposition::Dead(found)), (other, Disposition::Parked(_))]
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
        assert!(matches!(fate, Disposition::Parked(found) if found.code == code::UNJUDGED));
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

/// Takes one message and is busy with it for ever.
struct OneHand(Stuck);

impl Handle for OneHand {
    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        self.0.handle(window).await
    }

    async fn capacity(&self) -> usize {
        1
    }
}

async fn a_busy_hand_keeps_only_its_own_message(stage: Stage) {
    let bus = stage.bus().await;
    let channel = bus.declare_delivery("app").await.unwrap();
    publish(&bus, &channel, 0..10).await;
    let stuck = Stuck::new();
    let busy = start_simple(&bus, &channel, OneHand(stuck.clone()));
    let windows = until(&stuck.0, |windows| !windows.is_empty()).await;
    assert_eq!(numbers(&windows.concat()), [0]);

    let free = Recorder::done();
    let running = start_simple(&bus, &channel, free.clone());
    assert_eq!(free.handled(9).await, (1..10).collect::<Vec<_>>());
    running.stop().await;
    busy.cut().await;
}

async fn slow_hands_keep_only_as_much_as_they_can_hold(stage: Stage) {
    let bus = stage.bus().await;
    let channel = bus.declare_delivery("app").await.unwrap();
    let slow = Recorder::done();
    slow.hands.send_replace(Some(8));
    let running = start(&bus, &channel, 4, Drawer::new(Mood::Failing), slow.clone());
    publish(&bus, &channel, 0..20).await;
    slow.handled(8).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    slow.hands.send_replace(Some(1));
    slow.handled(9).await;
    // One more may lie at the slow one, for when its hand is free again.
    let free = Recorder::done();
    let helping = start_simple(&bus, &channel, free.clone());
    free.handled(10).await;
    helping.stop().await;
    running.stop().await;
}

async fn hands_that_come_at_the_last_moment_lose_and_double_nothing(stage: Stage) {
    let bus = stage.bus_with(Settings { hands_ms_max: 40, ..settings() }).await;
    let channel = bus.declare_delivery("app").await.unwrap();
    let recorder = Recorder::done();
    recorder.hands.send_replace(Some(1));
    let running = start(&bus, &channel, 4, Drawer::new(Mood::Failing), recorder.clone());
    for round in 0..20 {
        publish(&bus, &channel, [round]).await;
        let handled = usize::try_from(round).unwrap() + 1;
        assert_eq!(recorder.handled(handled).await, (0..=round).collect::<Vec<_>>());
        tokio::time::sleep(Duration::from_millis(35 + round / 2)).await;
        recorder.hands.send_replace(Some(1));
    }
    stays_quiet(&recorder.windows).await;
    running.stop().await;
}

async fn a_keeper_that_fails_keeps_messages_on_their_channel(stage: Stage) {
    let bus = stage.bus().await;
    let channel = Channel::intake(0);
    publish(&bus, &channel, 0..4).await;
    let handler = Recorder::new(|_| Verdict::Reject(fault()));
    let running = start(&bus, &channel, 256, Drawer::new(Mood::Failing), handler);
    let ended = running.end().await;
    assert!(matches!(ended, Err(ReceiveError::FailuresNotStored(_))), "{ended:?}");

    let recorder = Recorder::done();
    let running = start_simple(&bus, &channel, recorder.clone());
    assert_eq!(recorder.handled(4).await, [0, 1, 2, 3]);
    running.stop().await;
}

async fn a_keeper_that_never_answers_keeps_messages_on_their_channel(stage: Stage) {
    let bus = stage.bus_with(Settings { keep_ms_max: 100, ..settings() }).await;
    let channel = Channel::intake(0);
    publish(&bus, &channel, 0..4).await;
    let handler = Recorder::new(|_| Verdict::Reject(fault()));
    let running = start(&bus, &channel, 256, Drawer::new(Mood::Stuck), handler);
    let ended = running.end().await;
    assert!(matches!(ended, Err(ReceiveError::FailureStoreTimeout { .. })), "{ended:?}");

    let recorder = Recorder::done();
    let running = start_simple(&bus, &channel, recorder.clone());
    assert_eq!(recorder.handled(4).await, [0, 1, 2, 3]);
    running.stop().await;
}

async fn a_window_has_a_bound_in_bytes(stage: Stage) {
    let bus = stage.bus().await;
    let channel = bus.declare_delivery("app").await.unwrap();
    let large = |number| Message {
        body: Body::Inline(vec![b'7'; INLINE_BYTES_MAX].into()),
        ..message(number)
    };
    let batch = (0..80).map(|number| (channel.clone(), large(number))).collect();
    for outcome in bus.publisher().await.unwrap().publish(batch).await {
        outcome.unwrap();
    }
    let recorder = Recorder::done();
    let running = start_simple(&bus, &channel, recorder.clone());
    let windows = until(&recorder.windows, |windows| windows.concat().len() == 80).await;
    running.stop().await;
    let sizes: Vec<_> = windows.iter().map(Vec::len).collect();
    let most = 8 * 1024 * 1024 / INLINE_BYTES_MAX;
    assert!(sizes.iter().all(|size| *size <= most), "{sizes:?}");
}

async fn the_next_receiver_goes_on_where_the_first_one_stopped(stage: Stage) {
    let bus = stage.bus().await;
    let channel = Channel::intake(0);
    publish(&bus, &channel, 0..400).await;
    let (tell, told) = tokio::sync::watch::channel(false);
    let seen = Recorder::done();
    let handler = Arc::new(Waiting { seen: seen.clone(), shutdown: told });
    let first = start(&bus, &channel, 16, Drawer::new(Mood::Failing), handler);
    let handled = until(&seen.windows, |windows| !windows.is_empty()).await.concat();
    let standing_by = Recorder::done();
    let second = start(&bus, &channel, 16, Drawer::new(Mood::Failing), standing_by.clone());
    stays_quiet(&standing_by.windows).await;
    first.shutdown.cancel();
    tell.send_replace(true);
    first.end().await.unwrap();
    publish(&bus, &channel, 400..420).await;
    let rest = standing_by.handled(420 - handled.len()).await;
    second.stop().await;
    assert_eq!([numbers(&handled), rest].concat(), (0..420).collect::<Vec<_>>());
}

async fn the_next_receiver_goes_on_where_the_first_one_broke_down(stage: Stage) {
    let bus = stage.bus().await;
    let (tell, told) = tokio::sync::watch::channel(false);
    for channel in [Channel::intake(0), Channel::intake(1)] {
        publish(&bus, &channel, 0..400).await;
        let seen = Recorder::new(|_| Verdict::Reject(fault()));
        let handler = Arc::new(Waiting { seen: seen.clone(), shutdown: told.clone() });
        let first = start(&bus, &channel, 16, Drawer::new(Mood::Failing), handler);
        until(&seen.windows, |windows| !windows.is_empty()).await;
        let standing_by = Recorder::done();
        let second = start(&bus, &channel, 16, Drawer::new(Mood::Failing), standing_by.clone());
        stays_quiet(&standing_by.windows).await;
        if channel == Channel::intake(0) {
            first.cut().await;
        } else {
            tell.send_replace(true);
            assert!(matches!(first.end().await, Err(ReceiveError::FailuresNotStored(_))));
        }
        assert_eq!(standing_by.handled(400).await, (0..400).collect::<Vec<_>>());
        second.stop().await;
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

async fn receiving_from_nowhere_is_an_error(stage: Stage) {
    let bus = stage.bus().await;
    let nowhere = Channel::delivery("nowhere").unwrap();
    let ended = start_simple(&bus, &nowhere, Recorder::done()).end().await;
    assert!(matches!(ended, Err(ReceiveError::NoChannel { channel }) if channel == nowhere));
}
