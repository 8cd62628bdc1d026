//! Delivery reports, in the format `delivery.report`.

use serde::Deserialize;

/// What became of a submitted message at one recipient (báo phát). The bus writes it; it is no
/// status of an organisation. Texts that the bus does not know are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DeliveryReport {
    /// Id of the submitted message, as in its receipt.
    pub message_id: String,
    /// The application's idempotency key.
    pub key: String,
    /// Message type of the submitted message: `document`, `status`.
    pub r#type: String,
    /// Number and notation of the document.
    pub number: String,
    /// The sender's document identifier.
    pub document_id: String,
    /// Subject (trích yếu).
    pub subject: String,
    /// Date of issue, `yyyy-MM-dd`.
    pub issued: String,
    /// Directory key of the receiving organisation; several are separated by commas.
    pub recipient: String,
    /// Official name of the receiving organisation.
    pub recipient_name: String,
    /// Id of the receiving application.
    pub recipient_application: String,
    /// What happened.
    pub outcome: ReportedOutcome,
    /// REFUSED: the reason as the receiver wrote it.
    pub reason: String,
    /// What happened and why, Vietnamese.
    pub text_vi: String,
    /// The same in English.
    pub text_en: String,
    /// What to do, Vietnamese.
    pub remedy_vi: String,
    /// The same in English.
    pub remedy_en: String,
    /// Code of the error catalogue.
    pub code: String,
    /// When it happened, `yyyy-MM-ddTHH:mm:ss+07:00`.
    pub at: String,
    /// When the bus accepted the message, in the same form.
    pub accepted: String,
}

/// What happened to a submitted message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportedOutcome {
    /// The receiving application rejected it for good.
    Refused,
    /// It could not be delivered and waits for an operator of the bus.
    Undeliverable,
    /// It was reported as undeliverable before, and the receiving application has it now.
    Delivered,
    /// An outcome that this version does not know; the texts say what it is.
    #[default]
    #[serde(other)]
    Unknown,
}

impl DeliveryReport {
    /// Name of the format that this type reads.
    pub const FORMAT: &str = "delivery.report";

    /// Reads a body in [`DeliveryReport::FORMAT`]. Members that this version does not know are
    /// ignored.
    ///
    /// # Errors
    ///
    /// The body is no JSON object, or a member is no text.
    pub fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_a_newer_version_is_still_read() {
        let body =
            r#"{"message_id": "m", "outcome": "returned", "text_vi": "Trả lại", "new": "x"}"#;
        let report = DeliveryReport::parse(body.as_bytes()).unwrap();
        assert_eq!(report.outcome, ReportedOutcome::Unknown);
        assert_eq!((report.text_vi.as_str(), report.number.as_str()), ("Trả lại", ""));
        assert!(DeliveryReport::parse(b"<html>").is_err());
    }
}
