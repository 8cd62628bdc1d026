//! Converts an envelope to CloudEvents 1.0 attributes, and attributes to an envelope.

use std::{borrow::Cow, collections::BTreeMap};

use crate::journal::v1::Envelope;
use crate::message::v1::MessageType;

/// Attributes by name, without `id`, which the bus carries separately.
type Attributes = BTreeMap<Cow<'static, str>, String>;

/// `source` and `sender` of the messages that the bus itself writes. No application and no
/// organisation has this name.
pub const BUS: &str = "lienthong";

/// The attributes are not those of an envelope.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidEnvelope {
    /// Name of the attribute that is missing or has an invalid value.
    pub attribute: &'static str,
}

impl std::fmt::Display for InvalidEnvelope {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "attribute {} is missing or unreadable", self.attribute)
    }
}

impl std::error::Error for InvalidEnvelope {}

impl MessageType {
    /// The value of the attribute `type`: `document`, `status` …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "",
            Self::Document => "document",
            Self::Status => "status",
            Self::Meeting => "meeting",
            Self::Notice => "notice",
            Self::Dataset => "dataset",
            Self::DeliveryReport => "delivery_report",
        }
    }

    /// Parses the value of the attribute `type`.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Document,
            Self::Status,
            Self::Meeting,
            Self::Notice,
            Self::Dataset,
            Self::DeliveryReport,
        ];
        all.into_iter().find(|it| it.as_str() == text)
    }
}

impl Envelope {
    /// When the event occurred in the sending application, else when the bus accepted the message;
    /// microseconds since 1970 UTC.
    pub fn happened_at_us(&self) -> i64 {
        if self.occurred_at_us > 0 { self.occurred_at_us } else { self.accepted_at_us }
    }

    /// The attributes by name, without `id`. Attributes with empty values are left out, as
    /// CloudEvents 1.0 has no empty values.
    pub fn attributes(&self) -> Attributes {
        let number = |value: i128| if value == 0 { String::new() } else { value.to_string() };
        [
            ("source", self.source.clone()),
            ("sender", self.sender.clone()),
            ("type", self.r#type().as_str().to_owned()),
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
            ("copyof", self.copy_of.clone()),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (Cow::Borrowed(name), value))
        .collect()
    }

    /// Reads the envelope of the message `id`. Unknown attributes are ignored, so that a newer
    /// version can add some.
    ///
    /// # Errors
    ///
    /// A required attribute is missing, or an attribute has an invalid value.
    pub fn from_attributes(id: String, from: &Attributes) -> Result<Self, InvalidEnvelope> {
        let text = |name: &str| from.get(name).cloned().unwrap_or_default();
        let required = |attribute: &'static str| {
            from.get(attribute).cloned().ok_or(InvalidEnvelope { attribute })
        };
        Ok(Self {
            id,
            source: required("source")?,
            sender: required("sender")?,
            r#type: MessageType::parse(&required("type")?)
                .ok_or(InvalidEnvelope { attribute: "type" })?
                .into(),
            format: text("format"),
            format_version: parse_number(from, "formatversion")?,
            format_hash: text("formathash"),
            conversation: required("conversation")?,
            recipients: split_list(&text("recipients")),
            application: text("application"),
            urgency: parse_number(from, "urgency")?,
            occurred_at_us: parse_number(from, "occurredat")?,
            accepted_at_us: parse_number(from, "acceptedat")?,
            sequence: parse_number(from, "sequence")?,
            attempt: parse_number(from, "attempt")?,
            traceparent: text("traceparent"),
            tracestate: text("tracestate"),
            parent: text("parent"),
            copy_of: text("copyof"),
        })
    }
}

fn split_list(text: &str) -> Vec<String> {
    text.split(',').filter(|it| !it.is_empty()).map(ToOwned::to_owned).collect()
}

fn parse_number<N: std::str::FromStr + Default>(
    from: &Attributes,
    attribute: &'static str,
) -> Result<N, InvalidEnvelope> {
    from.get(attribute)
        .map_or(Ok(N::default()), |it| it.parse().map_err(|_| InvalidEnvelope { attribute }))
}
