//! What the bus measures, under the names of OpenTelemetry's messaging conventions.

use std::{collections::HashMap, time::Duration};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram},
};

use crate::{
    channel::{Channel, Kind},
    error::PublishError,
    verdict::Verdict,
};

/// The instruments of one bus; clones share them. Without an exporter they cost next to nothing.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    system: &'static str,
    sent: Counter<u64>,
    consumed: Counter<u64>,
    operations: Histogram<f64>,
    processes: Histogram<f64>,
}

impl Metrics {
    /// The instruments of a bus over `system`, a value of `messaging.system`.
    pub(crate) fn new(system: &'static str) -> Self {
        let meter = opentelemetry::global::meter("lienthong-bus");
        let seconds = |name, text| meter.f64_histogram(name).with_unit("s").with_description(text);
        let messages = |name, text| {
            meter.u64_counter(name).with_unit("{message}").with_description(text).build()
        };
        Self {
            system,
            sent: messages("messaging.client.sent.messages", "messages given to a channel"),
            consumed: messages("messaging.client.consumed.messages", "messages handed over"),
            operations: seconds("messaging.client.operation.duration", "from call to answer")
                .build(),
            processes: seconds("messaging.process.duration", "how long windows were worked on")
                .build(),
        }
    }

    /// The value of `messaging.system`.
    pub(crate) const fn system(&self) -> &'static str {
        self.system
    }

    /// Counts a batch of publishes by its outcomes.
    pub(crate) fn record_sent(
        &self,
        channels: &[Channel],
        outcomes: &[Result<(), PublishError>],
        duration: Duration,
    ) {
        let codes = outcomes.iter().map(|it| it.as_ref().err().map(PublishError::code));
        for ((channel, code), count) in count_each(channels.iter().zip(codes)) {
            let labels = self.labels("publish", channel, code);
            self.sent.add(count, &labels);
            self.operations.record(duration.as_secs_f64(), &labels);
        }
    }

    /// Counts a handled window by its verdicts.
    pub(crate) fn record_processed(
        &self,
        channel: &Channel,
        verdicts: &[Verdict],
        duration: Duration,
    ) {
        let codes = verdicts.iter().map(|it| match it {
            Verdict::Done => None,
            Verdict::Retry(fault) | Verdict::Reject(fault) => Some(fault.code.as_str()),
        });
        for ((channel, code), count) in count_each(codes.map(|it| (channel, it))) {
            self.processes.record(duration.as_secs_f64(), &self.labels("process", channel, code));
            self.consumed.add(count, &self.labels("receive", channel, None));
        }
    }

    /// Records how long settling a window took.
    pub(crate) fn record_settled(&self, channel: &Channel, duration: Duration) {
        self.operations.record(duration.as_secs_f64(), &self.labels("settle", channel, None));
    }

    /// Labels with few values: the applications of the registry and the codes of the catalogue.
    fn labels(&self, name: &'static str, channel: &Channel, code: Option<&str>) -> Vec<KeyValue> {
        let mut labels = vec![
            KeyValue::new("messaging.system", self.system),
            KeyValue::new("messaging.operation.name", name),
        ];
        match (channel.kind(), channel.name().split_once('.')) {
            (Kind::Intake, Some((name, partition))) => labels.extend([
                KeyValue::new("messaging.destination.name", name.to_owned()),
                KeyValue::new("messaging.destination.partition.id", partition.to_owned()),
            ]),
            _ => {
                labels.push(KeyValue::new("messaging.destination.name", channel.name().to_owned()))
            }
        }
        labels.extend(code.map(|it| KeyValue::new("error.type", it.to_owned())));
        labels
    }
}

fn count_each<K: std::hash::Hash + Eq>(items: impl Iterator<Item = K>) -> HashMap<K, u64> {
    let mut counts = HashMap::new();
    for it in items {
        *counts.entry(it).or_default() += 1;
    }
    counts
}
