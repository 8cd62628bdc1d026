//! Metrics: counted once, read as Prometheus text and sent over OTLP.
//!
//! Names are OpenTelemetry's where it has one, else `lienthong.<room>.<noun>`; Prometheus gets them
//! with underscores. Labels come from small closed sets, never an id.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter};

/// The bounds of everything that is measured in seconds: from a commit to a slow call. The usual
/// ones are made for milliseconds, and would put all of ours into one.
pub(crate) const SECONDS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The meter of this process. Instruments are made once and kept by who uses them.
pub fn meter() -> Meter {
    opentelemetry::global::meter("lienthong")
}

/// Counts things; in Prometheus the name ends with `_total`.
#[derive(Clone, Debug)]
pub struct Count(Counter<u64>);

impl Count {
    /// A counter of this name, e.g. `lienthong.gateway.submits`.
    pub fn new(name: &'static str, description: &'static str) -> Self {
        Self(meter().u64_counter(name).with_description(description).build())
    }

    /// Counts `by` more, under one label of a closed set.
    pub fn add(&self, by: u64, label: &'static str, value: &'static str) {
        self.0.add(by, &[KeyValue::new(label, value)]);
    }

    /// Counts `by` more, under one label whose values the registry or the catalogue bounds.
    pub fn add_for(&self, by: u64, label: &'static str, value: &str) {
        self.0.add(by, &[KeyValue::new(label, value.to_owned())]);
    }
}

/// Measures how long things take, in seconds.
#[derive(Clone, Debug)]
pub struct Seconds(Histogram<f64>);

impl Seconds {
    /// A histogram of this name, e.g. `messaging.process.duration`.
    pub fn new(name: &'static str, description: &'static str) -> Self {
        Self(meter().f64_histogram(name).with_unit("s").with_description(description).build())
    }

    /// Records one duration, under one label of a closed set.
    pub fn record(&self, took: std::time::Duration, label: &'static str, value: &'static str) {
        self.0.record(took.as_secs_f64(), &[KeyValue::new(label, value)]);
    }
}
