//! The bounds of a bus, each with its reason.

use std::{fmt, time::Duration};

/// How a bus is reached and bounded. Everything but `url` has a default that suits one machine.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// What the connections are called on the broker's side.
    pub name: String,
    /// `amqp://` or `amqps://` address, with the user and the password; the embedded bus has none.
    pub url: String,
    /// Certificates, as PEM, that an `amqps` broker's certificate must lead to; without them the
    /// public ones.
    pub certificates: Option<String>,
    /// Partitions of `intake`, at least one: how many documents can be worked on at once, fixed for the life of
    /// an installation, because a conversation's partition must not change under its messages.
    pub partitions: u16,
    /// The most messages of one window, of receivers and of the publisher. More gains no speed.
    pub window: u16,
    /// The longest a broker may take for any one call, confirms of one window included.
    pub call_ms_max: u64,
    /// The longest a caller of `publish` waits, behind other callers too.
    pub publish_ms_max: u64,
    /// The longest messages lie unsettled at a receiver whose handler has no free hands.
    pub hands_ms_max: u64,
    /// The longest a keeper may take to make a window's messages safe.
    pub keep_ms_max: u64,
    /// The longest a probe may take from end to end.
    pub probe_ms_max: u64,
    /// Requests that wait for one publisher; more wait with their callers, and are refused in the
    /// end.
    pub requests_max: usize,
    /// Messages that one channel of the embedded bus holds.
    pub channel_messages_max: usize,
    /// Bytes of bodies that one channel of the embedded bus holds.
    pub channel_bytes_max: usize,
    /// The longest a publish to a full partition of the embedded bus's `intake` waits for room. A
    /// full channel of an application refuses at once: it must not keep the others waiting.
    pub room_ms_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "lienthong".to_owned(),
            url: String::new(),
            certificates: None,
            partitions: 8,
            window: 256,
            call_ms_max: 10_000,
            publish_ms_max: 30_000,
            hands_ms_max: 60_000,
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

    pub(crate) const fn hands_limit(&self) -> Duration {
        Duration::from_millis(self.hands_ms_max)
    }

    pub(crate) const fn keep_limit(&self) -> Duration {
        Duration::from_millis(self.keep_ms_max)
    }

    pub(crate) const fn probe_limit(&self) -> Duration {
        Duration::from_millis(self.probe_ms_max)
    }

    pub(crate) const fn room_limit(&self) -> Duration {
        Duration::from_millis(self.room_ms_max)
    }
}

impl fmt::Debug for Settings {
    /// Leaves out the address, which holds a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("name", &self.name)
            .field("partitions", &self.partitions)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}
