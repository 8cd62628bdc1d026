//! Calls that go on to their end although their caller goes away.

use std::future::Future;

use tokio::task::JoinError;

/// Runs a call to its end, also when the caller goes away in the middle of it, so that what the call
/// opens at another machine has an owner at every moment. The call needs a time limit of its own.
#[expect(clippy::disallowed_methods, reason = "nobody is left who could wait for it")]
pub(crate) async fn uninterrupted<T: Send + 'static>(
    call: impl Future<Output = T> + Send + 'static,
) -> T {
    match tokio::spawn(call).await.map_err(JoinError::try_into_panic) {
        Ok(answered) => answered,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime ends, and the caller with it.
        Err(Err(_cancelled)) => std::future::pending().await,
    }
}
