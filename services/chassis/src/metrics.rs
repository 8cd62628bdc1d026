//! Metrics, exported as Prometheus text and over OTLP.
//!
//! A name is that of the OpenTelemetry semantic conventions where they have one, else
//! `lienthong.<service>.<noun>`; Prometheus gets it with underscores. The values of a label form a
//! small bounded set: never an id.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter};

/// Bucket boundaries of histograms in seconds, from a database commit to a slow call. The default
/// boundaries of the OpenTelemetry SDK are meant for milliseconds: nearly every duration in seconds
/// would fall into the first bucket.
pub(crate) const SECONDS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The meter of this process. Create each instrument once and keep it.
pub fn meter() -> Meter {
    opentelemetry::global::meter("lienthong")
}

/// A counter. In Prometheus its name gets the suffix `_total`.
#[derive(Clone, Debug)]
pub struct Count(Counter<u64>);

impl Count {
    /// Creates a counter with this name, e.g. `lienthong.gateway.submits`.
    pub fn new(name: &'static str, description: &'static str) -> Self {
        Self(meter().u64_counter(name).with_description(description).build())
    }

    /// Adds `by`, with one label of a fixed set of values.
    pub fn add(&self, by: u64, label: &'static str, value: &'static str) {
        self.0.add(by, &[KeyValue::new(label, value)]);
    }

    /// Adds `by`, with one label whose values are bounded by the registry or the error catalogue.
    pub fn add_for(&self, by: u64, label: &'static str, value: &str) {
        self.0.add(by, &[KeyValue::new(label, value.to_owned())]);
    }
}

impl Count {
    /// Adds `by`, with two labels whose values are bounded by the registry or the error catalogue.
    pub fn add_for_both(
        &self,
        by: u64,
        (label, value): (&'static str, &str),
        (other_label, other): (&'static str, &str),
    ) {
        let first = KeyValue::new(label, value.to_owned());
        self.0.add(by, &[first, KeyValue::new(other_label, other.to_owned())]);
    }
}

/// A value that goes up and down.
#[derive(Clone, Debug)]
pub struct Level(Gauge<f64>);

impl Level {
    /// Creates a gauge with this name and unit, e.g. `lienthong.journal.channel.oldest` and `s`.
    pub fn new(name: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self(meter().f64_gauge(name).with_unit(unit).with_description(description).build())
    }

    /// Sets the value, with one label whose values are bounded by the registry. A value stays until
    /// it is set again.
    pub fn set_for(&self, to: f64, label: &'static str, value: &str) {
        self.0.record(to, &[KeyValue::new(label, value.to_owned())]);
    }
}

/// A histogram of durations in seconds.
#[derive(Clone, Debug)]
pub struct Seconds(Histogram<f64>);

impl Seconds {
    /// Creates a histogram with this name, e.g. `messaging.process.duration`.
    pub fn new(name: &'static str, description: &'static str) -> Self {
        Self(meter().f64_histogram(name).with_unit("s").with_description(description).build())
    }

    /// Records a duration, with one label of a fixed set of values.
    pub fn record(&self, duration: std::time::Duration, label: &'static str, value: &'static str) {
        self.0.record(duration.as_secs_f64(), &[KeyValue::new(label, value)]);
    }
}
