//! Waits with a time limit, so that a missing event fails a test and does not hang it.

use std::time::Duration;

/// Time limit of every wait.
const LIMIT: Duration = Duration::from_secs(30);

/// Awaits a future for at most the time limit.
pub(crate) async fn timed<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("it did not happen in time")
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
