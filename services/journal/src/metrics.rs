//! Metrics of the journal.

use std::time::Duration;

use chassis::metrics::{Count, Seconds};

/// The journal's instruments, created once.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    calls: Count,
    commits: Seconds,
    publishes: Count,
    altered_copies: Count,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            calls: Count::new("lienthong.journal.calls", "calls that were committed, by kind"),
            commits: Seconds::new(
                "lienthong.journal.group.duration",
                "how long a group of calls takes from its first statement to its commit",
            ),
            publishes: Count::new(
                "lienthong.journal.publishes",
                "messages that the journal published to their channel again, by outcome",
            ),
            altered_copies: Count::new(
                "lienthong.journal.altered_copies",
                "copies of messages that were changed on their channel, and dropped",
            ),
        }
    }

    pub(crate) fn called(&self, kind: &'static str) {
        self.calls.add(1, "kind", kind);
    }

    pub(crate) fn committed(&self, took: Duration) {
        self.commits.record(took, "kind", "group");
    }

    pub(crate) fn altered(&self, count: u64) {
        if count > 0 {
            self.altered_copies.add(count, "outcome", "dropped");
        }
    }

    pub(crate) fn published(&self, outcome: &'static str) {
        self.publishes.add(1, "outcome", outcome);
    }
}
