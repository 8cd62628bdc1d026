//! A channel's name, which cannot be misspelt, and the partition a conversation belongs to.

use std::{fmt, sync::Arc};

/// The broker's limit is 255; what comes before the application's name takes some.
const APPLICATION_BYTES_MAX: usize = 200;

/// Where messages go and come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel {
    kind: Kind,
    name: Arc<str>,
}

/// What a channel is for, which decides how its transport treats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Intake,
    Delivery,
    Control,
    Undeliverable,
    Probe,
}

/// Why there can be no channel of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{application}` cannot name a channel: use letters, digits, dashes and underscores")]
pub struct InvalidChannel {
    /// The name that was asked for.
    pub application: String,
}

impl Channel {
    /// What the gateway accepted and mapping has not yet routed: one partition of it.
    pub fn intake(partition: u16) -> Self {
        Self { kind: Kind::Intake, name: format!("intake.{partition}").into() }
    }

    /// What waits for one application. The name becomes lower-case, its dots become dashes.
    ///
    /// # Errors
    ///
    /// When the application's name is empty, too long, or has other characters.
    pub fn delivery(application: &str) -> Result<Self, InvalidChannel> {
        let folded = application.to_ascii_lowercase().replace('.', "-");
        let is_plain = folded.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
        });
        if !is_plain || folded.is_empty() || folded.len() > APPLICATION_BYTES_MAX {
            return Err(InvalidChannel { application: application.to_owned() });
        }
        Ok(Self { kind: Kind::Delivery, name: format!("delivery.{folded}").into() })
    }

    /// What everybody hears who listens at that moment; see [`Bus::listen`](crate::Bus::listen).
    pub fn control() -> Self {
        Self { kind: Kind::Control, name: "control".into() }
    }

    /// What fell through every other net. The journal reads it, and it should stay empty.
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

/// The partition of `intake` that a conversation belongs to, the same for ever: FNV-1a of its
/// bytes, finished by a multiplication so that keys that differ in one place spread as well.
pub fn partition(conversation: &str, partitions: u16) -> u16 {
    let hash = conversation.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    // 16 bits times 16 bits: the product's upper half is the partition, without a bias to speak of.
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
    fn other_names_are_refused() {
        for application in ["", "văn-bản", "a b", "a/b", "*", "#", &"a".repeat(201)] {
            let refused = Channel::delivery(application).unwrap_err();
            assert_eq!(refused.application, application);
        }
    }

    #[test]
    fn a_conversation_stays_in_its_partition_for_ever() {
        let found = ["", "a", "b", "3f0c8b0e-70a5-5c7e-8d0b-6d0f0d6f6a51", "văn bản"]
            .map(|conversation| (partition(conversation, 8), partition(conversation, 32)));
        assert_eq!(found, [(4, 16), (4, 16), (2, 9), (5, 21), (2, 10)]);
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
