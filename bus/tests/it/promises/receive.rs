//! The promises to receivers.

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
    environment::{
        Recorder, RecordingStore, StoreBehavior, Stuck, assert_unchanged, id, message, number,
        numbers, publish, settings, start, start_simple, wait_until,
    },
    promises::{Transport, promises},
};

promises! {
    failures_are_stored_before_their_window_is_settled
    verdicts_go_where_they_say
    a_partition_keeps_its_order_and_has_one_receiver
    an_aborted_window_is_delivered_again
    a_panic_rejects_only_its_own_message
    verdicts_of_another_length_than_the_window_lose_nothing
    capacity_bounds_the_window
    a_handler_without_capacity_holds_no_messages
    a_busy_handler_holds_only_its_own_message
    a_slow_handler_holds_no_more_than_its_capacity
    capacity_at_the_last_moment_loses_and_repeats_nothing
    a_failing_failure_store_leaves_messages_on_their_channel
    a_hanging_failure_store_leaves_messages_on_their_channel
    a_window_has_a_bound
    a_window_has_a_bound_in_bytes
    the_next_receiver_continues_after_the_first_one_stopped
    the_next_receiver_continues_after_the_first_one_failed
    shutdown_finishes_the_current_window
    receiving_from_a_missing_channel_is_an_error
}

fn fault() -> Fault {
    Fault::new("LT-MAP-001", "for the test")
}

async fn failures_are_stored_before_their_window_is_settled(transport: Transport) {
    let bus = transport.bus().await;
    let channel = Channel::intake(1);
    publish(&bus, &channel, 0..3).await;

    let slow = RecordingStore::new(StoreBehavior::Hanging);
    let handler = Recorder::new(|_| Verdict::Retry(fault()));
    let running = start(&bus, &channel, 8, slow.clone(), handler);
    wait_until(&slow.failures, |failures| !failures.is_empty()).await;
    // The failure store has not answered, so the window must be delivered again.
    running.abort().await;

    let recorder = Recorder::done();
    let running = start_simple(&bus, &channel, recorder.clone());
    assert_eq!(recorder.handled(3).await, [0, 1, 2]);
    running.stop().await;
}

async fn verdicts_go_where_they_say(transport: Transport) {
    let bus = transport.bus().await;
    let channel = Channel::intake(1);
    publish(&bus, &channel, 0..9).await;
    let store = RecordingStore::new(StoreBehavior::Succeeding);
    let handler = Recorder::new(|message| match number(message) % 3 {
        0 => Verdict::Done,
        1 => Verdict::Retry(fault()),
        _ => Verdict::Reject(fault()),
    });
    let running = start(&bus, &channel, 256, store.clone(), handler);
    let mut failures = wait_until(&store.failures, |failures| failures.len() == 6).await;
    running.stop().await;
    failures.sort_by_key(|(message, _)| number(message));
    let expected: Vec<_> = [1, 2, 4, 5, 7, 8]
        .map(|number| {
            let disposition = if number % 3 == 1 {
                Disposition::Parked(fault())
            } else {
                Disposition::Dead(fault())
            };
            (message(number), disposition)
        })
        .into();
    assert_eq!(failures, expected);

    let again = Recorder::done();
    let running = start_simple(&bus, &channel, again.clone());
    assert_unchanged(&again.windows).await;
    running.stop().await;
}

/// A slow handler that asserts that no other one runs at the same time.
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

async fn a_partition_keeps_its_order_and_has_one_receiver(transport: Transport) {
    let bus = transport.bus().await;
    let channel = Channel::intake(0);
    let (at_work, met) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let seen = Recorder::done();
    let alone = Alone { seen: seen.clone(), at_work, met: met.clone() };
    let first =
        start(&bus, &channel, 16, RecordingStore::new(StoreBehavior::Failing), alone.clone());
    publish(&bus, &channel, 0..100).await;
    seen.handled(100).await;
    let second = start(&bus, &channel, 16, RecordingStore::new(StoreBehavior::Failing), alone);
    publish(&bus, &channel, 100..300).await;
    seen.handled(300).await;
    first.stop().await;
    publish(&bus, &channel, 300..400).await;
    let handled = seen.handled(400).await;
    second.stop().await;
    assert_eq!(handled, (0..400).collect::<Vec<_>>());
    assert_eq!(met.load(Ordering::SeqCst), 0, "two were at work at once");
}

async fn an_aborted_window_is_delivered_again(transport: Transport) {
    let bus = transport.bus().await;
    for channel in [Channel::intake(0), bus.declare_delivery("app").await.unwrap()] {
        publish(&bus, &channel, 0..50).await;
        let stuck = Stuck::new();
        let running = start_simple(&bus, &channel, stuck.clone());
        wait_until(&stuck.0, |windows| !windows.is_empty()).await;
        running.abort().await;

        let recorder = Recorder::done();
        let running = start_simple(&bus, &channel, recorder.clone());
        let handled = recorder.handled(50).await;
        running.stop().await;
        assert_eq!(handled, (0..50).collect::<Vec<_>>());
    }
}

async fn a_panic_rejects_only_its_own_message(transport: Transport) {
    let bus = transport.bus().await;
    let channel = Channel::intake(1);
    let store = RecordingStore::new(StoreBehavior::Succeeding);
    let recorder = Recorder::new(|message| {
        assert!(number(message) != 4, "poison");
        if number(message) == 6 { Verdict::Retry(fault()) } else { Verdict::Done }
    });
    publish(&bus, &channel, 0..10).await;
    let running = start(&bus, &channel, 256, store.clone(), recorder.clone());
    let failures = wait_until(&store.failures, |failures| failures.len() >= 2).await;
    publish(&bus, &channel, 10..12).await;
    let handled = wait_until(&recorder.windows, |windows| {
        windows.concat().iter().any(|message| number(message) == 11)
    });
    let handled: BTreeSet<_> = numbers(&handled.await.concat()).into_iter().collect();
    running.stop().await;
    assert_eq!(handled, (0..12).collect());
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert!(matches!(
        &failures[..],
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

async fn verdicts_of_another_length_than_the_window_lose_nothing(transport: Transport) {
    let bus = transport.bus().await;
    let channel = Channel::intake(0);
    let store = RecordingStore::new(StoreBehavior::Succeeding);
    publish(&bus, &channel, 0..3).await;
    let running = start(&bus, &channel, 256, store.clone(), Short);
    let failures = wait_until(&store.failures, |failures| failures.len() == 3).await;
    running.stop().await;
    for (index, (message, disposition)) in (0..).zip(&failures) {
        assert_eq!(number(message), index);
        assert!(matches!(disposition, Disposition::Parked(found) if found.code == code::UNDECIDED));
    }
}

async fn capacity_bounds_the_window(transport: Transport) {
    let bus = transport.bus().await;
    let channel = bus.declare_delivery("app").await.unwrap();
    publish(&bus, &channel, 0..10).await;
    let recorder = Recorder::done();
    recorder.capacity.send_replace(Some(0));
    let running = start_simple(&bus, &channel, recorder.clone());
    assert_unchanged(&recorder.windows).await;
    recorder.capacity.send_replace(Some(3));
    assert_eq!(recorder.handled(3).await, [0, 1, 2]);
    assert_unchanged(&recorder.windows).await;
    recorder.capacity.send_replace(None);
    assert_eq!(recorder.handled(10).await, (0..10).collect::<Vec<_>>());
    running.stop().await;
}

async fn a_handler_without_capacity_holds_no_messages(transport: Transport) {
    let bus = transport.bus_with(Settings { hands_ms_max: 200, ..settings() }).await;
    let channel = bus.declare_delivery("app").await.unwrap();
    let tired = Recorder::done();
    tired.capacity.send_replace(Some(1));
    let sleeping =
        start(&bus, &channel, 4, RecordingStore::new(StoreBehavior::Failing), tired.clone());
    publish(&bus, &channel, [0]).await;
    tired.handled(1).await;
    // These are delivered to a receiver whose capacity is used up.
    publish(&bus, &channel, 1..6).await;
    let awake = Recorder::done();
    let running = start_simple(&bus, &channel, awake.clone());
    let handled: BTreeSet<_> = awake.handled(5).await.into_iter().collect();
    assert_eq!(handled, (1..6).collect());
    running.stop().await;
    // When its capacity returns, the first receiver continues.
    publish(&bus, &channel, [6]).await;
    tired.capacity.send_replace(Some(9));
    assert_eq!(tired.handled(2).await, [0, 6]);
    sleeping.stop().await;
}

/// A handler with a capacity of one, which never finishes its message.
struct OneHand(Stuck);

impl Handle for OneHand {
    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        self.0.handle(window).await
    }

    async fn capacity(&self) -> usize {
        1
    }
}

async fn a_busy_handler_holds_only_its_own_message(transport: Transport) {
    let bus = transport.bus().await;
    let channel = bus.declare_delivery("app").await.unwrap();
    publish(&bus, &channel, 0..10).await;
    let stuck = Stuck::new();
    let busy = start_simple(&bus, &channel, OneHand(stuck.clone()));
    let windows = wait_until(&stuck.0, |windows| !windows.is_empty()).await;
    assert_eq!(numbers(&windows.concat()), [0]);

    let free = Recorder::done();
    let running = start_simple(&bus, &channel, free.clone());
    assert_eq!(free.handled(9).await, (1..10).collect::<Vec<_>>());
    running.stop().await;
    busy.abort().await;
}

async fn a_slow_handler_holds_no_more_than_its_capacity(transport: Transport) {
    let bus = transport.bus().await;
    let channel = bus.declare_delivery("app").await.unwrap();
    let slow = Recorder::done();
    slow.capacity.send_replace(Some(8));
    let running =
        start(&bus, &channel, 4, RecordingStore::new(StoreBehavior::Failing), slow.clone());
    publish(&bus, &channel, 0..20).await;
    slow.handled(8).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    slow.capacity.send_replace(Some(1));
    slow.handled(9).await;
    // One more may be prefetched by the slow one.
    let free = Recorder::done();
    let helping = start_simple(&bus, &channel, free.clone());
    free.handled(10).await;
    helping.stop().await;
    running.stop().await;
}

async fn capacity_at_the_last_moment_loses_and_repeats_nothing(transport: Transport) {
    let bus = transport.bus_with(Settings { hands_ms_max: 40, ..settings() }).await;
    let channel = bus.declare_delivery("app").await.unwrap();
    let recorder = Recorder::done();
    recorder.capacity.send_replace(Some(1));
    let running =
        start(&bus, &channel, 4, RecordingStore::new(StoreBehavior::Failing), recorder.clone());
    for round in 0..20 {
        publish(&bus, &channel, [round]).await;
        let handled = usize::try_from(round).unwrap() + 1;
        assert_eq!(recorder.handled(handled).await, (0..=round).collect::<Vec<_>>());
        tokio::time::sleep(Duration::from_millis(35 + round / 2)).await;
        recorder.capacity.send_replace(Some(1));
    }
    assert_unchanged(&recorder.windows).await;
    running.stop().await;
}

async fn a_failing_failure_store_leaves_messages_on_their_channel(transport: Transport) {
    let bus = transport.bus().await;
    let channel = Channel::intake(0);
    publish(&bus, &channel, 0..4).await;
    let handler = Recorder::new(|_| Verdict::Reject(fault()));
    let running = start(&bus, &channel, 256, RecordingStore::new(StoreBehavior::Failing), handler);
    let ended = running.end().await;
    assert!(matches!(ended, Err(ReceiveError::FailuresNotStored(_))), "{ended:?}");

    let recorder = Recorder::done();
    let running = start_simple(&bus, &channel, recorder.clone());
    assert_eq!(recorder.handled(4).await, [0, 1, 2, 3]);
    running.stop().await;
}

async fn a_hanging_failure_store_leaves_messages_on_their_channel(transport: Transport) {
    let bus = transport.bus_with(Settings { keep_ms_max: 100, ..settings() }).await;
    let channel = Channel::intake(0);
    publish(&bus, &channel, 0..4).await;
    let handler = Recorder::new(|_| Verdict::Reject(fault()));
    let running = start(&bus, &channel, 256, RecordingStore::new(StoreBehavior::Hanging), handler);
    let ended = running.end().await;
    assert!(matches!(ended, Err(ReceiveError::FailureStoreTimeout { .. })), "{ended:?}");

    let recorder = Recorder::done();
    let running = start_simple(&bus, &channel, recorder.clone());
    assert_eq!(recorder.handled(4).await, [0, 1, 2, 3]);
    running.stop().await;
}

async fn a_window_has_a_bound_in_bytes(transport: Transport) {
    let bus = transport.bus().await;
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
    let windows = wait_until(&recorder.windows, |windows| windows.concat().len() == 80).await;
    running.stop().await;
    let sizes: Vec<_> = windows.iter().map(Vec::len).collect();
    let most = 8 * 1024 * 1024 / INLINE_BYTES_MAX;
    assert!(sizes.iter().all(|size| *size <= most), "{sizes:?}");
}

async fn the_next_receiver_continues_after_the_first_one_stopped(transport: Transport) {
    let bus = transport.bus().await;
    let channel = Channel::intake(0);
    publish(&bus, &channel, 0..400).await;
    let (tell, told) = tokio::sync::watch::channel(false);
    let seen = Recorder::done();
    let handler = Arc::new(Waiting { seen: seen.clone(), shutdown: told });
    let first = start(&bus, &channel, 16, RecordingStore::new(StoreBehavior::Failing), handler);
    let handled = wait_until(&seen.windows, |windows| !windows.is_empty()).await.concat();
    let standing_by = Recorder::done();
    let second =
        start(&bus, &channel, 16, RecordingStore::new(StoreBehavior::Failing), standing_by.clone());
    assert_unchanged(&standing_by.windows).await;
    first.shutdown.cancel();
    tell.send_replace(true);
    first.end().await.unwrap();
    publish(&bus, &channel, 400..420).await;
    let rest = standing_by.handled(420 - handled.len()).await;
    second.stop().await;
    assert_eq!([numbers(&handled), rest].concat(), (0..420).collect::<Vec<_>>());
}

async fn the_next_receiver_continues_after_the_first_one_failed(transport: Transport) {
    let bus = transport.bus().await;
    let (tell, told) = tokio::sync::watch::channel(false);
    for channel in [Channel::intake(0), Channel::intake(1)] {
        publish(&bus, &channel, 0..400).await;
        let seen = Recorder::new(|_| Verdict::Reject(fault()));
        let handler = Arc::new(Waiting { seen: seen.clone(), shutdown: told.clone() });
        let first = start(&bus, &channel, 16, RecordingStore::new(StoreBehavior::Failing), handler);
        wait_until(&seen.windows, |windows| !windows.is_empty()).await;
        let standing_by = Recorder::done();
        let second = start(
            &bus,
            &channel,
            16,
            RecordingStore::new(StoreBehavior::Failing),
            standing_by.clone(),
        );
        assert_unchanged(&standing_by.windows).await;
        if channel == Channel::intake(0) {
            first.abort().await;
        } else {
            tell.send_replace(true);
            assert!(matches!(first.end().await, Err(ReceiveError::FailuresNotStored(_))));
        }
        assert_eq!(standing_by.handled(400).await, (0..400).collect::<Vec<_>>());
        second.stop().await;
    }
}

async fn a_window_has_a_bound(transport: Transport) {
    let bus = transport.bus().await;
    let channel = bus.declare_delivery("app").await.unwrap();
    publish(&bus, &channel, 0..500).await;
    let recorder = Recorder::done();
    let running =
        start(&bus, &channel, 64, RecordingStore::new(StoreBehavior::Failing), recorder.clone());
    recorder.handled(500).await;
    running.stop().await;
    let sizes: Vec<_> = recorder.windows.borrow().iter().map(Vec::len).collect();
    assert_eq!(sizes.iter().max(), Some(&64), "{sizes:?}");
}

/// A handler that finishes its window only after the shutdown began.
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

async fn shutdown_finishes_the_current_window(transport: Transport) {
    let bus = transport.bus().await;
    let channel = Channel::intake(0);
    publish(&bus, &channel, 0..5).await;
    let (tell, told) = tokio::sync::watch::channel(false);
    let seen = Recorder::done();
    let handler = Arc::new(Waiting { seen: seen.clone(), shutdown: told });
    let running = start(&bus, &channel, 5, RecordingStore::new(StoreBehavior::Failing), handler);
    let first = wait_until(&seen.windows, |windows| !windows.is_empty()).await.concat();
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

async fn receiving_from_a_missing_channel_is_an_error(transport: Transport) {
    let bus = transport.bus().await;
    let nowhere = Channel::delivery("nowhere").unwrap();
    let ended = start_simple(&bus, &nowhere, Recorder::done()).end().await;
    assert!(matches!(ended, Err(ReceiveError::NoChannel { channel }) if channel == nowhere));
}
