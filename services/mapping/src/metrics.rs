//! What this service counts.

use std::time::Duration;

use chassis::metrics::{Count, Seconds};

/// The instruments; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    reads: Count,
    copies: Count,
    windows: Seconds,
}

impl Metrics {
    /// The instruments of this process.
    pub(crate) fn new() -> Self {
        Self {
            reads: Count::new("lienthong.mapping.reads", "Items read at the door, by outcome"),
            copies: Count::new("lienthong.mapping.copies", "Copies for applications, by outcome"),
            windows: Seconds::new("lienthong.mapping.window.duration", "Time a window took"),
        }
    }

    /// One item at the door: no code when it passed.
    pub(crate) fn read(&self, code: Option<&str>) {
        self.reads.add_for(1, "outcome", code.unwrap_or("passed"));
    }

    /// One copy: no code when it was made.
    pub(crate) fn copy(&self, code: Option<&str>) {
        self.copies.add_for(1, "outcome", code.unwrap_or("made"));
    }

    /// One window.
    pub(crate) fn window(&self, took: Duration) {
        self.windows.record(took, "messaging.destination.name", "intake");
    }
}
