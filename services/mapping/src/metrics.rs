//! The metrics of this service.

use std::time::Duration;

use chassis::metrics::{Count, Seconds};

/// The instruments; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    items: Count,
    copies: Count,
    windows: Seconds,
}

impl Metrics {
    /// The instruments of this process.
    pub(crate) fn new() -> Self {
        Self {
            items: Count::new("lienthong.mapping.items", "Items normalized, by outcome"),
            copies: Count::new("lienthong.mapping.copies", "Copies for applications, by outcome"),
            windows: Seconds::new("lienthong.mapping.window.duration", "Duration of a window"),
        }
    }

    /// Counts an item; `code` is the fault that refused it, or none when it passed.
    pub(crate) fn count_item(&self, code: Option<&str>) {
        self.items.add_for(1, "outcome", code.unwrap_or("passed"));
    }

    /// Counts a copy; `code` is the fault that holds it back, or none when it was made.
    pub(crate) fn count_copy(&self, code: Option<&str>) {
        self.copies.add_for(1, "outcome", code.unwrap_or("made"));
    }

    /// Records the duration of a window.
    pub(crate) fn record_window(&self, duration: Duration) {
        self.windows.record(duration, "messaging.destination.name", "intake");
    }
}
