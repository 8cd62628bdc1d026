//! The parts of an envelope that are read from the canonical message: search index, urgency, time.

use proto::canonical::v1::{
    Canonical, Date, Moment, Organisation, Status, canonical::Body, document::Urgency,
};
use proto::mapping::v1::ReadAttributes;
use proto::message::v1::Index;

use crate::document_number::printed_number;
use crate::identity::message_type;

/// Status kinds that QCVN 102 numbers 01 to 16; other kinds are indexed by their name.
const NUMBERED_STATUSES: std::ops::RangeInclusive<i32> = 1..=16;

/// Most signers, and most files, by whose names one message is found.
const NAMES_MAX: usize = 50;

/// The fields by which operators find the message.
pub(crate) fn build_index(canonical: &Canonical) -> Index {
    match &canonical.body {
        Some(Body::Document(it)) => Index {
            number: printed_number(it.number.as_ref()),
            document_id: it.id.clone(),
            subject: it.subject.clone(),
            issued_on: format_day(it.issued.as_ref()),
            issuer: organisation_name(it.issuer.as_ref().or(it.sender.as_ref())),
            signers: filled(it.signers.iter().map(|it| &it.full_name)),
            file_names: filled(it.attachments.iter().map(|it| &it.file_name)),
            ..Index::default()
        },
        Some(Body::Status(it)) => build_status_index(it),
        Some(Body::Receipt(_) | Body::DeliveryReport(_)) | None => Index::default(),
    }
}

/// What an operator finds an item by when it is refused.
pub(crate) fn read_attributes(canonical: &Canonical) -> ReadAttributes {
    ReadAttributes {
        number: build_index(canonical).number,
        r#type: message_type(canonical).unwrap_or_default().into(),
        format: String::new(),
    }
}

/// A status is found by the document that it is about.
fn build_status_index(status: &Status) -> Index {
    let about = status.about.clone().unwrap_or_default();
    let code = status.code.as_ref().map(|it| it.code.clone()).filter(|it| !it.is_empty());
    Index {
        number: printed_number(about.number.as_ref()),
        document_id: about.id,
        subject: about.subject,
        issued_on: format_day(about.issued.as_ref()),
        issuer: organisation_name(about.issuer.as_ref()),
        status: code.unwrap_or_else(|| match status.kind() as i32 {
            kind if NUMBERED_STATUSES.contains(&kind) => format!("{kind:02}"),
            _ => status.kind().as_str_name().to_lowercase(),
        }),
        status_text: status.text.clone(),
        ..Index::default()
    }
}

fn filled<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    names.filter(|it| !it.is_empty()).take(NAMES_MAX).cloned().collect()
}

fn organisation_name(organisation: Option<&Organisation>) -> String {
    organisation.map_or_else(String::new, |it| it.name.clone())
}

/// `yyyy-mm-dd`; empty for a date whose day or month is unknown.
fn format_day(date: Option<&Date>) -> String {
    match date {
        Some(it) if it.year > 0 && it.month > 0 && it.day > 0 => {
            format!("{:04}-{:02}-{:02}", it.year, it.month, it.day)
        }
        Some(_) | None => String::new(),
    }
}

/// The urgency of the envelope, 0 to 4. Statuses have none.
pub(crate) fn urgency(canonical: &Canonical) -> u32 {
    let Some(Body::Document(document)) = &canonical.body else { return 0 };
    match document.urgency() {
        Urgency::Unspecified | Urgency::Normal => 0,
        Urgency::Urgent => 1,
        Urgency::VeryUrgent => 2,
        Urgency::Flash => 3,
        Urgency::FlashTimed => 4,
    }
}

/// The time that the sender states, microseconds since 1970; 0 when the message states none.
pub(crate) fn occurred_at_us(canonical: &Canonical) -> i64 {
    match &canonical.body {
        Some(Body::Document(it)) => {
            let sent = it.moments.iter().find(|it| it.name == "sent");
            sent.and_then(|it| it.moment.as_ref()).map_or(0, to_microseconds)
        }
        Some(Body::Status(it)) => it.at.as_ref().map_or(0, to_microseconds),
        Some(Body::Receipt(_) | Body::DeliveryReport(_)) | None => 0,
    }
}

fn to_microseconds(moment: &Moment) -> i64 {
    let at = moment.at.unwrap_or_default();
    at.seconds.saturating_mul(1_000_000).saturating_add(i64::from(at.nanos) / 1_000)
}

#[cfg(test)]
mod tests {
    use proto::canonical::v1::{DocumentNumber, DocumentRef, status};

    use super::*;

    #[test]
    fn a_status_is_found_by_its_document_and_its_code() {
        let number = DocumentNumber { printed: "45-CV/TU".into(), ..DocumentNumber::default() };
        let status = Status {
            about: Some(DocumentRef {
                number: Some(number),
                issued: Some(Date { year: 2026, month: 3, day: 4 }),
                ..DocumentRef::default()
            }),
            kind: status::Kind::Registered.into(),
            ..Status::default()
        };
        let index = build_index(&Canonical { origin: None, body: Some(Body::Status(status)) });
        assert_eq!((index.number.as_str(), index.status.as_str()), ("45-CV/TU", "03"));
        assert_eq!(index.issued_on, "2026-03-04");
    }
}
