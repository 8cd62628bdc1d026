//! A message: an envelope of attributes and a sealed body, under a name that can be derived.

use std::{borrow::Cow, collections::BTreeMap, fmt, str::FromStr};

use bytes::Bytes;
use uuid::Uuid;

use crate::claim::Claim;

/// The largest body that rides inside a message; anything larger is a [`Claim`].
pub const INLINE_BYTES_MAX: usize = 256 * 1024;

/// The most that a message's attributes may weigh together: they are an envelope, not a place for
/// content, and everybody on the way holds them in memory.
pub const ATTRIBUTES_BYTES_MAX: usize = 64 * 1024;

/// What one attribute weighs beside its name and its value: the lengths and the type.
const ATTRIBUTE_BYTES: usize = 8;

/// AMQP's short strings, one of which a conversation becomes, end here.
const CONVERSATION_BYTES_MAX: usize = 255;

/// Far beyond the 20 letters that `CloudEvents` counsels.
const NAME_BYTES_MAX: usize = 64;

/// What the bus itself says of every message, and of data that does not ride along.
const RESERVED: [&str; 5] = ["id", "specversion", "data", "dataref", "datasize"];

/// The attributes of an envelope by name.
pub type Attributes = BTreeMap<Cow<'static, str>, String>;

/// A message's name: the same for every copy of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(Uuid);

impl MessageId {
    /// Takes a name that was computed elsewhere.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The name of what follows from this message and is called `name`, such as the channel it
    /// goes to. Deriving twice gives the same name twice, so the next receiver can tell.
    #[must_use]
    pub fn derive(&self, name: &str) -> Self {
        Self(Uuid::new_v5(&self.0, name.as_bytes()))
    }

    /// The name as a UUID.
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

/// What a message carries, unopened.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// The bytes themselves, at most [`INLINE_BYTES_MAX`].
    Inline(Bytes),
    /// The name of bytes that lie in a [`ClaimStore`](crate::ClaimStore).
    Claim(Claim),
}

impl Body {
    /// How many bytes ride inside the message.
    pub fn inline_bytes(&self) -> usize {
        match self {
            Self::Inline(bytes) => bytes.len(),
            Self::Claim(_) => 0,
        }
    }
}

impl fmt::Debug for Body {
    /// Tells the size only: a body never reaches a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(bytes) => write!(formatter, "Inline({} bytes)", bytes.len()),
            Self::Claim(claim) => write!(formatter, "Claim({claim})"),
        }
    }
}

/// What travels on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The message's name.
    pub id: MessageId,
    /// What it belongs to: the key of partition and order. At most 255 bytes.
    pub conversation: String,
    /// The envelope's attributes; the bus carries them and reads none. Their names are those of
    /// `CloudEvents` 1.0: lower-case letters and digits, at most 64. The bus itself adds `id` and
    /// `specversion`.
    pub attributes: Attributes,
    /// The sealed body.
    pub body: Body,
}

/// Why a message cannot be carried at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMessage {
    /// The inline body is over [`INLINE_BYTES_MAX`].
    #[error("the body of {bytes} bytes is too large to ride inline")]
    TooLarge {
        /// Its size.
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
        /// What they weigh.
        bytes: usize,
    },
}

impl Message {
    /// Whether every transport can carry this message.
    ///
    /// # Errors
    ///
    /// When the body, the conversation's key or the attributes are beyond what is carried.
    pub fn check(&self) -> Result<(), InvalidMessage> {
        let bytes = self.body.inline_bytes();
        if bytes > INLINE_BYTES_MAX {
            return Err(InvalidMessage::TooLarge { bytes });
        }
        if self.conversation.len() > CONVERSATION_BYTES_MAX {
            return Err(InvalidMessage::LongConversation);
        }
        if let Some(name) = self.attributes.keys().find(|name| !may_be_attribute(name)) {
            return Err(InvalidMessage::AttributeName { name: name.to_string() });
        }
        let bytes = self.attributes_bytes();
        if bytes > ATTRIBUTES_BYTES_MAX {
            return Err(InvalidMessage::LargeAttributes { bytes });
        }
        Ok(())
    }

    /// What the attributes weigh together.
    pub fn attributes_bytes(&self) -> usize {
        let weigh = |(name, value): (&Cow<'static, str>, &String)| {
            name.len() + value.len() + ATTRIBUTE_BYTES
        };
        self.attributes.iter().map(weigh).sum()
    }

    /// How many bytes of this message lie in memory while it is on its way.
    pub(crate) fn bytes(&self) -> usize {
        self.body.inline_bytes() + self.attributes_bytes()
    }
}

/// Whether `name` can be an attribute's (`CloudEvents` 1.0.2, section 3.1), and is not the bus's own.
pub(crate) fn may_be_attribute(name: &str) -> bool {
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
    fn a_derived_name_is_the_same_every_time_and_another_for_another_channel() {
        let parent: MessageId = "6ba7b810-9dad-11d1-80b4-00c04fd430c8".parse().unwrap();
        let child = parent.derive("delivery.tinhuy-ioffice");
        assert_eq!(child.to_string(), "8644e33b-5f7b-5dda-b724-58637a96742d");
        assert_eq!(child, parent.derive("delivery.tinhuy-ioffice"));
        assert_ne!(child, parent.derive("delivery.tinhuy-mail"));
    }

    #[test]
    fn what_cannot_be_carried_is_told_before_it_is_tried() {
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
    fn many_small_attributes_weigh_as_much_as_a_large_one() {
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
    fn a_body_is_never_written_out() {
        let secret = Body::Inline(Bytes::from_static(b"mat khau"));
        assert_eq!(format!("{secret:?}"), "Inline(8 bytes)");
    }
}
