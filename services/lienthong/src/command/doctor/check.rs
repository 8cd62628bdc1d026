//! One check of `doctor`.

use std::time::Duration;

use crate::fault::error_line;
use crate::output::Output;

/// The longest that one check may take.
const CHECK_LIMIT: Duration = Duration::from_secs(10);

/// A check and its outcome.
pub(super) struct Check {
    /// Its name for programs; never changes.
    pub(super) id: &'static str,
    /// Its name for people.
    pub(super) title: &'static str,
    /// What was found, or what is wrong.
    pub(super) outcome: Result<String, String>,
    /// How to repair it, when it failed.
    pub(super) remedy: String,
}

/// Waits for the outcome of a check within its time limit.
pub(super) async fn within_limit<T, E: Into<anyhow::Error>>(
    output: Output,
    check: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match tokio::time::timeout(CHECK_LIMIT, check).await {
        Ok(outcome) => outcome.map_err(|error| error_line(&error.into(), output.lang)),
        Err(_elapsed) => {
            Err(output.localize("không trả lời trong 10 giây", "no answer in 10 s").to_owned())
        }
    }
}
