//! Messages: an id, a conversation, attributes, and a body that the bus does not read.

use std::{borrow::Cow, collections::BTreeMap, fmt, str::FromStr};

use bytes::Bytes;
use uuid::Uuid;

use crate::claim::Claim;

/// The largest inline body; a larger one is a [`Claim`].
pub const INLINE_BYTES_MAX: usize = 256 * 1024;

/// The most bytes of a message's attributes together. Every service on the way holds them in memory,
/// so content does not belong there.
pub const ATTRIBUTES_BYTES_MAX: usize = 64 * 1024;

/// Bytes of an attribute's encoding beside its name and value: two lengths and the type.
const ATTRIBUTE_BYTES: usize = 8;

/// A window ends with the message that brings it to this size, so that memory stays bounded when
/// bodies are large.
pub(crate) const WINDOW_BYTES: usize = 8 * 1024 * 1024;

/// The limit of an AMQP short string, which holds the conversation.
const CONVERSATION_BYTES_MAX: usize = 255;

/// `CloudEvents` recommends at most 20 characters; the bus is less strict.
const NAME_BYTES_MAX: usize = 64;

/// Attributes that the bus writes itself: those of every message, and those of a claim.
const RESERVED: [&str; 5] = ["id", "specversion", "data", "dataref", "datasize"];

/// The attributes of a message by name.
pub type Attributes = BTreeMap<Cow<'static, str>, String>;

/// A message's id: the same for every copy of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(Uuid);

impl MessageId {
    /// Wraps an id that was computed elsewhere.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The id (UUID v5) of the message that is derived from this one under `name`, such as the
    /// channel it goes to. Deriving twice gives the same id twice, so that receivers recognize
    /// duplicates.
    #[must_use]
    pub fn derive(&self, name: &str) -> Self {
        Self(Uuid::new_v5(&self.0, name.as_bytes()))
    }

    /// The id as a UUID.
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl From<Uuid> for MessageId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl From<MessageId> for Uuid {
    fn from(id: MessageId) -> Self {
        id.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(formatter)
    }
}

impl FromStr for MessageId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A message's body, which the bus does not read.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// The bytes, at most [`INLINE_BYTES_MAX`].
    Inline(Bytes),
    /// A reference to bytes in a [`ClaimStore`](crate::ClaimStore).
    Claim(Claim),
}

impl Body {
    /// The size of an inline body; 0 for a claim.
    pub fn inline_bytes(&self) -> usize {
        match self {
            Self::Inline(bytes) => bytes.len(),
            Self::Claim(_) => 0,
        }
    }
}

impl fmt::Debug for Body {
    /// Prints the size only, because bodies must not be logged.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(bytes) => write!(formatter, "Inline({} bytes)", bytes.len()),
            Self::Claim(claim) => write!(formatter, "Claim({claim})"),
        }
    }
}

/// A message on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The message's id.
    pub id: MessageId,
    /// The key of partition and order, at most 255 bytes.
    pub conversation: String,
    /// The attributes, which the bus does not read. Their names follow `CloudEvents` 1.0: lower-case
    /// letters and digits, at most 64. The bus adds `id` and `specversion`.
    pub attributes: Attributes,
    /// The body.
    pub body: Body,
}

/// A message that no transport can carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMessage {
    /// The inline body is over [`INLINE_BYTES_MAX`].
    #[error("the body of {bytes} bytes is too large to ride inline")]
    TooLarge {
        /// The body's size.
        bytes: usize,
    },
    /// The conversation's key is over 255 bytes.
    #[error("the conversation's key is longer than 255 bytes")]
    LongConversation,
    /// An attribute's name is reserved, too long, or not of lower-case letters and digits.
    #[error("an attribute cannot be called `{name}`")]
    AttributeName {
        /// The name.
        name: String,
    },
    /// The attributes together are over [`ATTRIBUTES_BYTES_MAX`].
    #[error("the attributes of {bytes} bytes are too large to ride along")]
    LargeAttributes {
        /// Their size together.
        bytes: usize,
    },
}

impl Message {
    /// Checks that every transport can carry this message.
    ///
    /// # Errors
    ///
    /// The body, the conversation's key or the attributes exceed a limit.
    pub fn check(&self) -> Result<(), InvalidMessage> {
        let bytes = self.body.inline_bytes();
        if bytes > INLINE_BYTES_MAX {
            return Err(InvalidMessage::TooLarge { bytes });
        }
        if self.conversation.len() > CONVERSATION_BYTES_MAX {
            return Err(InvalidMessage::LongConversation);
        }
        if let Some(name) = self.attributes.keys().find(|name| !is_attribute_name(name)) {
            return Err(InvalidMessage::AttributeName { name: name.to_string() });
        }
        let bytes = self.attributes_bytes();
        if bytes > ATTRIBUTES_BYTES_MAX {
            return Err(InvalidMessage::LargeAttributes { bytes });
        }
        Ok(())
    }

    /// The encoded size of all attributes.
    pub fn attributes_bytes(&self) -> usize {
        let size = |(name, value): (&Cow<'static, str>, &String)| {
            name.len() + value.len() + ATTRIBUTE_BYTES
        };
        self.attributes.iter().map(size).sum()
    }

    /// The bytes of memory that this message takes.
    pub(crate) fn bytes(&self) -> usize {
        self.body.inline_bytes() + self.attributes_bytes()
    }
}

/// Whether `name` follows the naming rule of `CloudEvents` 1.0.2, section 3.1, and is not reserved.
pub(crate) fn is_attribute_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit())
        && !RESERVED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: usize, conversation: usize, attribute: &str) -> Message {
        Message {
            id: MessageId::new(Uuid::nil()),
            conversation: "c".repeat(conversation),
            attributes: Attributes::from([(attribute.to_owned().into(), String::new())]),
            body: Body::Inline(vec![7; body].into()),
        }
    }

    #[test]
    fn a_derived_id_is_the_same_every_time_and_differs_by_channel() {
        let parent: MessageId = "6ba7b810-9dad-11d1-80b4-00c04fd430c8".parse().unwrap();
        let child = parent.derive("delivery.tinhuy-ioffice");
        assert_eq!(child.to_string(), "8644e33b-5f7b-5dda-b724-58637a96742d");
        assert_eq!(child, parent.derive("delivery.tinhuy-ioffice"));
        assert_ne!(child, parent.derive("delivery.tinhuy-mail"));
    }

    #[test]
    fn a_message_beyond_a_limit_is_invalid() {
        assert_eq!(message(INLINE_BYTES_MAX, 255, "type").check(), Ok(()));
        let bytes = INLINE_BYTES_MAX + 1;
        assert_eq!(message(bytes, 0, "type").check(), Err(InvalidMessage::TooLarge { bytes }));
        assert_eq!(message(0, 256, "type").check(), Err(InvalidMessage::LongConversation));
        for name in ["x-death", "Type", "datasize", "", &"n".repeat(65)] {
            let name = name.to_owned();
            assert_eq!(message(0, 0, &name).check(), Err(InvalidMessage::AttributeName { name }));
        }
    }

    #[test]
    fn many_small_attributes_count_as_much_as_a_large_one() {
        let count = ATTRIBUTES_BYTES_MAX / (4 + ATTRIBUTE_BYTES);
        let many = |count: usize| Message {
            attributes: (0..count).map(|it| (format!("{it:04}").into(), String::new())).collect(),
            ..message(0, 0, "type")
        };
        assert_eq!(many(count).check(), Ok(()));
        let bytes = many(count + 1).attributes_bytes();
        assert_eq!(many(count + 1).check(), Err(InvalidMessage::LargeAttributes { bytes }));
    }

    #[test]
    fn a_body_is_never_printed() {
        let secret = Body::Inline(Bytes::from_static(b"mat khau"));
        assert_eq!(format!("{secret:?}"), "Inline(8 bytes)");
    }
}
