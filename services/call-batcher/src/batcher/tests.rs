//! Bounds of batches, order, backpressure, and how calls end without an output.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const LIMITS: BatchLimits =
    BatchLimits { items_max: 256, bytes_max: 2 * 1024 * 1024, in_flight_max: 4 };
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The batches that `items` are handled in, when all of them wait before the first is taken.
async fn collect_batches(items: &[usize], limits: BatchLimits) -> Vec<Vec<usize>> {
    let batcher: CallBatcher<usize, ()> = CallBatcher::new(items.len(), |it| *it);
    for item in items {
        batcher.try_enqueue(*item).unwrap();
    }
    let (handled, mut batches) = mpsc::channel(items.len());
    let running = batcher.run(limits, |batch| {
        let handled = handled.clone();
        async move {
            handled.send(batch).await.unwrap();
            Vec::new()
        }
    });
    let collecting = async {
        let mut collected: Vec<Vec<usize>> = Vec::new();
        while collected.iter().map(Vec::len).sum::<usize>() < items.len() {
            collected.push(batches.recv().await.unwrap());
        }
        collected
    };
    tokio::select! {
        () = running => panic!("run ended while a batcher exists"),
        collected = collecting => collected,
    }
}

#[tokio::test]
async fn batches_keep_the_order_and_the_bounds_of_items_and_bytes() {
    let limits = BatchLimits { items_max: 3, bytes_max: 100, in_flight_max: 1 };
    assert_eq!(collect_batches(&[1, 1, 1, 1], limits).await, [vec![1, 1, 1], vec![1]]);
    assert_eq!(collect_batches(&[60, 60, 30], limits).await, [vec![60], vec![60, 30]]);
    assert_eq!(collect_batches(&[500, 1, 500], limits).await, [vec![500], vec![1], vec![500]]);
}

#[tokio::test]
async fn a_full_queue_is_distinguished_from_a_silent_handler() {
    let batcher: CallBatcher<u8, u8> = CallBatcher::new(1, |_| 0);
    let short = Duration::from_millis(20);
    assert_eq!(batcher.try_call(1, short).await, Err(CallError::Unanswered));
    assert_eq!(batcher.try_call(2, short).await, Err(CallError::QueueFull));
    assert_eq!(batcher.try_enqueue(2), Err(CallError::QueueFull));
    let double = |batch: Vec<u8>| async move { batch.into_iter().map(|it| 2 * it).collect() };
    tokio::select! {
        () = batcher.run(LIMITS, double) => panic!("run ended while a batcher exists"),
        () = async {
            // The call that timed out occupies its slot until it is taken.
            while batcher.try_call(4, TIME_LIMIT).await != Ok(8) {
                tokio::task::yield_now().await;
            }
        } => {}
    }
}

#[tokio::test]
async fn no_more_batches_are_in_flight_than_allowed() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counters = (running.clone(), most.clone());
    let limits = BatchLimits { items_max: 1, in_flight_max: 3, ..LIMITS };
    let batcher = CallBatcher::spawn(
        64,
        |_: &u8| 0,
        limits,
        move |batch: Vec<u8>| {
            let (running, most) = counters.clone();
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(2)).await;
                running.fetch_sub(1, Ordering::SeqCst);
                batch
            }
        },
    );
    let mut calls = JoinSet::new();
    for item in 0..50 {
        let batcher = batcher.clone();
        calls.spawn(async move { assert_eq!(batcher.call(item).await, Ok(item)) });
    }
    calls.join_all().await;
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_panic_leaves_only_its_own_batch_unanswered() {
    let limits = BatchLimits { items_max: 1, in_flight_max: 1, ..LIMITS };
    let batcher = CallBatcher::spawn(
        8,
        |_: &u8| 0,
        limits,
        |batch: Vec<u8>| async move {
            assert_ne!(batch, [13], "a fault of the handler");
            batch
        },
    );
    assert_eq!(batcher.call(13).await, Err(CallError::Unanswered));
    assert_eq!(batcher.call(14).await, Ok(14));
}

#[tokio::test]
async fn an_item_without_an_output_is_unanswered() {
    let batcher = CallBatcher::spawn(8, |_: &u8| 0, LIMITS, |_| async { Vec::<u8>::new() });
    assert_eq!(batcher.call(1).await, Err(CallError::Unanswered));
}

#[tokio::test]
async fn the_task_ends_with_the_last_clone() {
    let (started, mut handled) = mpsc::channel(1);
    let batcher = CallBatcher::<u8, u8>::spawn(
        8,
        |_| 0,
        LIMITS,
        move |_| {
            let started = started.clone();
            async move {
                started.send(()).await.unwrap();
                std::future::pending().await
            }
        },
    );
    let clone = batcher.clone();
    batcher.enqueue(1).await.unwrap();
    assert_eq!(handled.recv().await, Some(()));
    drop(batcher);
    clone.enqueue(2).await.unwrap();
    assert_eq!(handled.recv().await, Some(()), "a clone keeps the task");
    drop(clone);
    // The task owned the handler, and the handler the sender.
    assert_eq!(handled.recv().await, None);
}

#[tokio::test]
async fn calls_of_an_ended_queue_do_not_wait_for_their_time_limit() {
    let batcher: CallBatcher<u8, u8> = CallBatcher::new(4, |_| 0);
    let begun = tokio::time::Instant::now();
    let handling = batcher.run(LIMITS, |batch| async move { batch });
    let first = batcher.try_call(1, TIME_LIMIT);
    tokio::select! {
        () = handling => panic!("run ended while a batcher exists"),
        first = first => assert_eq!(first, Ok(1)),
    }
    let waiting = batcher.try_call(2, TIME_LIMIT);
    let closing = async {
        tokio::task::yield_now().await;
        batcher.close();
    };
    let (waiting, ()) = tokio::join!(waiting, closing);
    assert_eq!(waiting, Err(CallError::Unanswered));
    assert_eq!(batcher.try_call(3, TIME_LIMIT).await, Err(CallError::Unanswered));
    assert!(begun.elapsed() < TIME_LIMIT / 2);
}
