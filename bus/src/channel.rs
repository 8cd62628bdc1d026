//! Channels, which only constructors can name, and the partition of a conversation.

use std::{fmt, sync::Arc};

/// AMQP limits a queue's name to 255 bytes, of which the prefix takes some.
const APPLICATION_BYTES_MAX: usize = 200;

/// A message channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel {
    kind: Kind,
    name: Arc<str>,
}

/// The purpose of a channel. The transports treat the purposes differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Intake,
    Delivery,
    Control,
    Undeliverable,
    Probe,
}

/// An application's name cannot be part of a channel's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{application}` cannot name a channel: use letters, digits, dashes and underscores")]
pub struct InvalidChannel {
    /// The application's name.
    pub application: String,
}

impl Channel {
    /// One partition of the messages that the gateway accepted and mapping has not yet routed.
    pub fn intake(partition: u16) -> Self {
        Self { kind: Kind::Intake, name: format!("intake.{partition}").into() }
    }

    /// The messages for one application. Its name is lower-cased and its dots become dashes.
    ///
    /// # Errors
    ///
    /// The application's name is empty, too long, or has other characters than letters, digits,
    /// dots, dashes and underscores.
    pub fn delivery(application: &str) -> Result<Self, InvalidChannel> {
        let name = application.to_ascii_lowercase().replace('.', "-");
        let is_plain = name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
        });
        if !is_plain || name.is_empty() || name.len() > APPLICATION_BYTES_MAX {
            return Err(InvalidChannel { application: application.to_owned() });
        }
        Ok(Self { kind: Kind::Delivery, name: format!("delivery.{name}").into() })
    }

    /// Broadcasts, received by every listener of that moment; see
    /// [`Bus::listen`](crate::Bus::listen).
    pub fn control() -> Self {
        Self { kind: Kind::Control, name: "control".into() }
    }

    /// Messages that the broker could not route or delivered too often. The journal reads it, and it
    /// stays empty in normal operation. On the broker it is called `stranded`.
    pub fn undeliverable() -> Self {
        Self { kind: Kind::Undeliverable, name: "stranded".into() }
    }

    pub(crate) fn probe() -> Self {
        Self { kind: Kind::Probe, name: "probe".into() }
    }

    /// The name, such as `intake.3` or `delivery.tinhuy-ioffice`.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

/// The partition of `intake` for a conversation: FNV-1a of its bytes, finished by a multiplication so
/// that keys that differ in one byte spread evenly. It must never change, because messages of one
/// conversation would then be in two partitions and lose their order.
pub fn partition(conversation: &str, partitions: u16) -> u16 {
    let hash = conversation.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    // The upper half of a product of two 16-bit numbers, which avoids the bias of a remainder.
    let scaled = (mixed * u64::from(partitions)) >> 16;
    u16::try_from(scaled).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_without_dots() {
        let name = |application| Channel::delivery(application).unwrap().name().to_owned();
        assert_eq!(name("tinhuy-ioffice"), "delivery.tinhuy-ioffice");
        assert_eq!(name("000.00.15.H40"), "delivery.000-00-15-h40");
        assert_eq!(Channel::intake(3).name(), "intake.3");
        assert_eq!(Channel::delivery("A.b"), Channel::delivery("a-B"));
    }

    #[test]
    fn names_with_other_characters_are_refused() {
        for application in ["", "văn-bản", "a b", "a/b", "*", "#", &"a".repeat(201)] {
            let refused = Channel::delivery(application).unwrap_err();
            assert_eq!(refused.application, application);
        }
    }

    #[test]
    fn the_partition_of_a_conversation_never_changes() {
        let partitions = ["", "a", "b", "3f0c8b0e-70a5-5c7e-8d0b-6d0f0d6f6a51", "văn bản"]
            .map(|conversation| (partition(conversation, 8), partition(conversation, 32)));
        assert_eq!(partitions, [(4, 16), (4, 16), (2, 9), (5, 21), (2, 10)]);
    }

    #[test]
    fn conversations_spread_evenly() {
        let mut counts = [0_u32; 8];
        for number in 0..80_000 {
            counts[usize::from(partition(&format!("conversation {number}"), 8))] += 1;
        }
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
        assert_eq!(partition("alone", 1), 0);
        assert_eq!(partition("nowhere", 0), 0);
    }
}
