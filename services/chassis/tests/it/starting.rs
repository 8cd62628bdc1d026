//! The one restart loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chassis::supervise;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[tokio::test(start_paused = true)]
async fn what_fails_is_started_again_after_growing_pauses() {
    let (starts, begun) = (Arc::new(AtomicU32::new(0)), Instant::now());
    let shutdown = CancellationToken::new();
    supervise("test", &shutdown, || async {
        if starts.fetch_add(1, Ordering::Relaxed) < 10 { anyhow::bail!("away") } else { Ok(()) }
    })
    .await;
    assert_eq!(starts.load(Ordering::Relaxed), 11, "ten failures, then a good end");
    // 0.2 + 0.4 + … + 12.8 is 25.4; the three others are cut at 15.
    assert_eq!(begun.elapsed(), Duration::from_millis(25_400 + 45_000));
}

#[tokio::test(start_paused = true)]
async fn a_healthy_minute_makes_the_next_pause_short_again() {
    let (starts, begun) = (Arc::new(AtomicU32::new(0)), Instant::now());
    let shutdown = CancellationToken::new();
    supervise("test", &shutdown, || async {
        match starts.fetch_add(1, Ordering::Relaxed) {
            0..=4 => anyhow::bail!("away"),
            5 => {
                tokio::time::sleep(Duration::from_secs(61)).await;
                anyhow::bail!("away once more")
            }
            _ => Ok(()),
        }
    })
    .await;
    assert_eq!(begun.elapsed(), Duration::from_millis(6_200 + 61_000 + 200));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_pause_and_no_start_follows() {
    let starts = Arc::new(AtomicU32::new(0));
    let shutdown = CancellationToken::new();
    let supervised = supervise("test", &shutdown, || async {
        starts.fetch_add(1, Ordering::Relaxed);
        anyhow::bail!("away")
    });
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        shutdown.cancel();
    };
    tokio::join!(supervised, stopping);
    assert_eq!(starts.load(Ordering::Relaxed), 2, "at 0 and at 200 ms");
}
