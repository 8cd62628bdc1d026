//! The restart loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chassis::supervise;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[tokio::test(start_paused = true)]
async fn a_failed_service_is_restarted_with_exponential_backoff() {
    let (starts, started_at) = (Arc::new(AtomicU32::new(0)), Instant::now());
    let shutdown = CancellationToken::new();
    supervise("test", &shutdown, || async {
        if starts.fetch_add(1, Ordering::Relaxed) < 10 {
            anyhow::bail!("unavailable")
        } else {
            Ok(())
        }
    })
    .await;
    assert_eq!(starts.load(Ordering::Relaxed), 11, "ten failures, then success");
    // 0.2 + 0.4 + 0.8 + 1.6 is 3; the six others are limited to 2.
    assert_eq!(started_at.elapsed(), Duration::from_millis(3_000 + 12_000));
}

#[tokio::test(start_paused = true)]
async fn a_healthy_minute_resets_the_pause() {
    let (starts, started_at) = (Arc::new(AtomicU32::new(0)), Instant::now());
    let shutdown = CancellationToken::new();
    supervise("test", &shutdown, || async {
        match starts.fetch_add(1, Ordering::Relaxed) {
            0..=4 => anyhow::bail!("unavailable"),
            5 => {
                tokio::time::sleep(Duration::from_secs(61)).await;
                anyhow::bail!("unavailable again")
            }
            _ => Ok(()),
        }
    })
    .await;
    assert_eq!(started_at.elapsed(), Duration::from_millis(5_000 + 61_000 + 200));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_the_pause_without_a_restart() {
    let starts = Arc::new(AtomicU32::new(0));
    let shutdown = CancellationToken::new();
    let supervised = supervise("test", &shutdown, || async {
        starts.fetch_add(1, Ordering::Relaxed);
        anyhow::bail!("unavailable")
    });
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        shutdown.cancel();
    };
    tokio::join!(supervised, stopping);
    assert_eq!(starts.load(Ordering::Relaxed), 2, "at 0 and at 200 ms");
}
