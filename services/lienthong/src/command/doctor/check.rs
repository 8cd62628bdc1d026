//! One check of `doctor`.

use std::time::Duration;

use crate::fault::fault_from_error;
use crate::output::Output;
use proto::fault::v1::Fault;

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
        Ok(outcome) => {
            outcome.map_err(|error| fault_text(output, &fault_from_error(&error.into())))
        }
        Err(_elapsed) => {
            Err(output.localize("không trả lời trong 10 giây", "no answer in 10 s").to_owned())
        }
    }
}

/// A fault in one line. The technical text stands for a fault that says nothing of its own.
fn fault_text(output: Output, fault: &Fault) -> String {
    let mut text = format!("{}: {}", fault.code, fault.title(output.lang));
    for it in &fault.violations {
        let words = output.localize(&it.description_vi, &it.description_en);
        text = format!("{text} {}: {words}", it.field);
    }
    if fault.detail.is_empty() { text } else { format!("{text} ({})", fault.detail) }
}
