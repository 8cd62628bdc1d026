//! Settings of a bus: the connection and the limits, each with its reason.

use std::{fmt, time::Duration};

/// The connection and the limits of a bus. Everything but `url` has a default that suits one machine.
/// Limits in milliseconds have the same names as in the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// The name of the connections at the broker.
    pub name: String,
    /// `amqp://` or `amqps://` URL with the user and the password; empty for the embedded bus.
    pub url: String,
    /// PEM of the authorities that may have issued an `amqps` broker's certificate; `None` for the
    /// public ones.
    pub authorities: Option<String>,
    /// PEM of the certificate that is shown to an `amqps` broker, and of its PKCS #8 key; `None`: the
    /// broker identifies the connection by user and password alone.
    pub certificate: Option<(String, String)>,
    /// Partitions of `intake`, at least one: how many conversations can be handled at the same time.
    /// It is fixed for the life of an installation, because a conversation's partition must not
    /// change while messages of it are on their way.
    pub partitions: u16,
    /// The most messages of one window, of receivers and of the publisher. Larger windows are not
    /// faster.
    pub window: u16,
    /// Time limit of one call to the broker, including the confirms of one window.
    pub call_ms_max: u64,
    /// Time limit of `publish`, including the wait behind other callers.
    pub publish_ms_max: u64,
    /// The longest that a delivered message stays unsettled while its handler has no capacity.
    pub hands_ms_max: u64,
    /// Time limit of the failure store for the failures of one window.
    pub keep_ms_max: u64,
    /// Time limit of a probe from end to end.
    pub probe_ms_max: u64,
    /// Requests in the queue of one publisher. More wait with their callers, and are refused after
    /// `publish_ms_max`.
    pub requests_max: usize,
    /// The most messages of one channel of the embedded bus.
    pub channel_messages_max: usize,
    /// The most bytes of bodies of one channel of the embedded bus.
    pub channel_bytes_max: usize,
    /// The longest that a publish to a full partition of the embedded bus's `intake` waits. A full
    /// channel of an application refuses at once, because it must not delay the others.
    pub room_ms_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "lienthong".to_owned(),
            url: String::new(),
            authorities: None,
            certificate: None,
            partitions: 8,
            window: 256,
            call_ms_max: 10_000,
            publish_ms_max: 30_000,
            hands_ms_max: 1_000,
            keep_ms_max: 30_000,
            probe_ms_max: 5_000,
            requests_max: 64,
            channel_messages_max: 8_192,
            channel_bytes_max: 64 * 1024 * 1024,
            room_ms_max: 1_000,
        }
    }
}

impl Settings {
    pub(crate) const fn call_limit(&self) -> Duration {
        Duration::from_millis(self.call_ms_max)
    }

    pub(crate) const fn publish_limit(&self) -> Duration {
        Duration::from_millis(self.publish_ms_max)
    }

    pub(crate) const fn capacity_limit(&self) -> Duration {
        Duration::from_millis(self.hands_ms_max)
    }

    pub(crate) const fn failure_store_limit(&self) -> Duration {
        Duration::from_millis(self.keep_ms_max)
    }

    pub(crate) const fn probe_limit(&self) -> Duration {
        Duration::from_millis(self.probe_ms_max)
    }

    pub(crate) const fn full_channel_limit(&self) -> Duration {
        Duration::from_millis(self.room_ms_max)
    }
}

impl fmt::Debug for Settings {
    /// Leaves out the URL, which holds a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("name", &self.name)
            .field("partitions", &self.partitions)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}
