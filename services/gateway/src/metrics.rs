//! What is counted at the door.

use std::time::Duration;

use chassis::metrics::{Count, Seconds};

/// Counters of one gateway; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    submits: Count,
    submitting: Seconds,
    deliveries: Count,
    settles: Count,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            submits: Count::new("lienthong.gateway.submits", "submits by outcome or code"),
            submitting: Seconds::new("lienthong.gateway.submit.duration", "from call to receipt"),
            deliveries: Count::new(
                "lienthong.gateway.deliveries",
                "deliveries by what became of them",
            ),
            settles: Count::new("lienthong.gateway.settles", "answers of applications by outcome"),
        }
    }

    /// A submit was answered: with `accepted`, `repeat`, or the code of a refusal.
    pub(crate) fn submit(&self, outcome: &str, took: Duration) {
        self.submits.add_for(1, "outcome", outcome);
        self.submitting.record(took, "room", "gateway");
    }

    /// Deliveries were handed to an adapter, or could not be.
    pub(crate) fn deliveries(&self, handed: usize, unsent: usize) {
        for (count, word) in [(handed, "handed"), (unsent, "unsent")] {
            if count > 0 {
                self.deliveries.add(u64::try_from(count).unwrap_or_default(), "outcome", word);
            }
        }
    }

    /// An application answered.
    pub(crate) fn settle(&self, outcome: &'static str) {
        self.settles.add(1, "outcome", outcome);
    }
}
