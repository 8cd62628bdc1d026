//! The envelope as CloudEvents 1.0 attributes, and back.

use std::{borrow::Cow, collections::BTreeMap};

use crate::journal::v1::Envelope;
use crate::message::v1::MessageType;

/// Attributes by name, as a bus carries them beside the message's id.
type Attributes = BTreeMap<Cow<'static, str>, String>;

/// Attributes that are no envelope.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidEnvelope {
    /// The attribute that is missing or unreadable.
    pub attribute: &'static str,
}

impl std::fmt::Display for InvalidEnvelope {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "attribute {} is missing or unreadable", self.attribute)
    }
}

impl std::error::Error for InvalidEnvelope {}

impl MessageType {
    /// The attribute's text: `document`, `status` …
    pub fn word(self) -> &'static str {
        match self {
            Self::Unspecified => "",
            Self::Document => "document",
            Self::Status => "status",
            Self::Meeting => "meeting",
            Self::Notice => "notice",
            Self::Dataset => "dataset",
        }
    }

    /// The type of an attribute's text.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Document, Self::Status, Self::Meeting, Self::Notice, Self::Dataset]
            .into_iter()
            .find(|it| it.word() == word)
    }
}

impl Envelope {
    /// The attributes by name, but for `id`, which is the message's own; empty ones are left out.
    pub fn attributes(&self) -> Attributes {
        let number = |value: i128| if value == 0 { String::new() } else { value.to_string() };
        [
            ("source", self.source.clone()),
            ("sender", self.sender.clone()),
            ("type", self.r#type().word().to_owned()),
            ("format", self.format.clone()),
            ("formatversion", number(self.format_version.into())),
            ("formathash", self.format_hash.clone()),
            ("conversation", self.conversation.clone()),
            ("recipients", self.recipients.join(",")),
            ("application", self.application.clone()),
            ("urgency", number(self.urgency.into())),
            ("occurredat", number(self.occurred_at_us.into())),
            ("acceptedat", number(self.accepted_at_us.into())),
            ("sequence", number(self.sequence.into())),
            ("attempt", number(self.attempt.into())),
            ("traceparent", self.traceparent.clone()),
            ("tracestate", self.tracestate.clone()),
            ("parent", self.parent.clone()),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (Cow::Borrowed(name), value))
        .collect()
    }

    /// Reads the envelope of the message `id` back. Unknown attributes are passed over.
    ///
    /// # Errors
    ///
    /// An attribute that every message has is missing, or a number is unreadable.
    pub fn from_attributes(id: String, from: &Attributes) -> Result<Self, InvalidEnvelope> {
        let text = |name: &str| from.get(name).cloned().unwrap_or_default();
        let needed = |attribute: &'static str| {
            from.get(attribute).cloned().ok_or(InvalidEnvelope { attribute })
        };
        Ok(Self {
            id,
            source: needed("source")?,
            sender: needed("sender")?,
            r#type: MessageType::from_word(&needed("type")?)
                .ok_or(InvalidEnvelope { attribute: "type" })?
                .into(),
            format: text("format"),
            format_version: number(from, "formatversion")?,
            format_hash: text("formathash"),
            conversation: needed("conversation")?,
            recipients: list(&text("recipients")),
            application: text("application"),
            urgency: number(from, "urgency")?,
            occurred_at_us: number(from, "occurredat")?,
            accepted_at_us: number(from, "acceptedat")?,
            sequence: number(from, "sequence")?,
            attempt: number(from, "attempt")?,
            traceparent: text("traceparent"),
            tracestate: text("tracestate"),
            parent: text("parent"),
        })
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|it| !it.is_empty()).map(ToOwned::to_owned).collect()
}

fn number<N: std::str::FromStr + Default>(
    from: &Attributes,
    attribute: &'static str,
) -> Result<N, InvalidEnvelope> {
    from.get(attribute)
        .map_or(Ok(N::default()), |it| it.parse().map_err(|_| InvalidEnvelope { attribute }))
}
