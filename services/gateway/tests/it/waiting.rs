//! Waits with a time limit, so that a missing answer fails a test and does not hang it.

use std::time::Duration;

/// Longest that a test waits for anything.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// Awaits a future for at most the time limit.
pub(crate) async fn timed<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIME_LIMIT, future).await.unwrap()
}

/// Asks again and again until there is a value.
pub(crate) async fn wait_for<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    timed(async {
        loop {
            if let Some(value) = ask().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}
