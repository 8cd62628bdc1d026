//! The gateway's metrics.

use std::time::Duration;

use chassis::metrics::{Count, Seconds};

/// Counters of one gateway; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    submits: Count,
    refusals: Count,
    submit_duration: Seconds,
    deliveries: Count,
    settles: Count,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            submits: Count::new("lienthong.gateway.submits", "submits by outcome or code"),
            refusals: Count::new(
                "lienthong.gateway.refusals",
                "refused items and calls by application and code",
            ),
            submit_duration: Seconds::new(
                "lienthong.gateway.submit.duration",
                "time from the call to the receipt",
            ),
            deliveries: Count::new("lienthong.gateway.deliveries", "deliveries by outcome"),
            settles: Count::new("lienthong.gateway.settles", "settlements by outcome"),
        }
    }

    /// Counts a submit. `outcome` is `accepted`, `repeat`, or the code of a refusal.
    pub(crate) fn count_submit(&self, outcome: &str, took: Duration) {
        self.submits.add_for(1, "outcome", outcome);
        self.submit_duration.record(took, "component", "gateway");
    }

    /// Counts a refused item or call of an application.
    pub(crate) fn count_refusal(&self, application: &str, code: &str) {
        self.refusals.add_for_both(1, ("application", application), ("code", code));
    }

    /// Counts deliveries that a session took, and those that it could not take.
    pub(crate) fn count_deliveries(&self, queued: usize, unsent: usize) {
        for (count, outcome) in [(queued, "queued"), (unsent, "unsent")] {
            if count > 0 {
                self.deliveries.add(u64::try_from(count).unwrap_or_default(), "outcome", outcome);
            }
        }
    }

    /// Counts a settlement.
    pub(crate) fn count_settle(&self, outcome: &'static str) {
        self.settles.add(1, "outcome", outcome);
    }
}
