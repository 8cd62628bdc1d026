//! Compares what is in the inboxes with what was accepted.

use std::collections::BTreeMap;

use anyhow::Context as _;
use proto::message::v1::{MessageType, Receipt};
use sha2::{Digest as _, Sha256};

use crate::agency::SimulatedAgency;
use crate::application::DeliveredMessage;
use crate::arrival::Arrival;
use crate::document::{DocumentPurpose, OfficialDocument};
use crate::native_reader::NativeReader;
use crate::profile::{AgencyProfile, profile_by_key};
use crate::report::{ScenarioReport, Violation};
use crate::status_report::StatusCode;

/// A document that was accepted; each of its recipients must get it.
#[derive(Clone, Debug)]
pub(crate) struct AcceptedDocument {
    pub(crate) document: OfficialDocument,
    pub(crate) receipt: Receipt,
}

/// How often a message should be in an inbox, and how often it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    expected: usize,
    found: usize,
}

/// The simulated agency with this profile.
pub(crate) fn find_agency<'a>(
    agencies: &'a [SimulatedAgency],
    profile: &AgencyProfile,
) -> anyhow::Result<&'a SimulatedAgency> {
    let found = agencies.iter().find(|it| it.profile().key == profile.key);
    found.with_context(|| format!("the agency {} is not simulated", profile.key))
}

/// How many documents have to arrive; as many statuses have to come back.
pub(crate) fn expected_arrivals(accepted: &[AcceptedDocument]) -> usize {
    accepted.iter().map(|it| it.document.recipients.len()).sum()
}

/// How many messages of a type are in the inboxes.
pub(crate) fn count_arrivals(agencies: &[SimulatedAgency], message_type: MessageType) -> usize {
    agencies.iter().map(|it| it.application().count(message_type)).sum()
}

/// Checks that each document is at each recipient once, that its sender has one status for it from
/// each of them, that the files are bit-identical, and that the inboxes hold nothing else.
pub(crate) fn check_inboxes(
    agencies: &[SimulatedAgency],
    accepted: &[AcceptedDocument],
    report: &mut ScenarioReport,
) -> anyhow::Result<()> {
    let reader = NativeReader::new()?;
    let mut counts: BTreeMap<Arrival, Count> = BTreeMap::new();
    for arrival in accepted.iter().flat_map(|it| expected_of(&reader, &it.document)) {
        counts.entry(arrival).or_default().expected += 1;
    }
    for agency in agencies {
        let inbox = agency.application().inbox();
        // A report says what became of a document, and is neither a document nor a status.
        let is_report = |it: &DeliveredMessage| it.message_type == MessageType::DeliveryReport;
        for message in inbox.into_iter().filter(|it| !is_report(it)) {
            counts.entry(found_in(agency, &message)).or_default().found += 1;
        }
        report.duplicated += repeated_deliveries(agency);
    }
    for (arrival, count) in &counts {
        record_count(arrival, *count, report);
    }
    for it in accepted {
        for recipient in &it.document.recipients {
            check_files(find_agency(agencies, recipient)?, it, &reader, report)?;
        }
    }
    Ok(())
}

/// Deliveries beyond the first of each message.
fn repeated_deliveries(agency: &SimulatedAgency) -> usize {
    let mut message_ids = agency.application().delivery_log();
    let deliveries = message_ids.len();
    message_ids.sort_unstable();
    message_ids.dedup();
    deliveries - message_ids.len()
}

/// The document at each recipient, and a status from each at the sender.
fn expected_of(reader: &NativeReader, document: &OfficialDocument) -> Vec<Arrival> {
    let at_recipient = |recipient: &&'static AgencyProfile| Arrival {
        inbox: recipient.key,
        message_type: MessageType::Document.as_str(),
        sender: document.sender.key,
        document_id: document.id(),
        content: document.subject.clone(),
    };
    let at_sender = |recipient: &&'static AgencyProfile| {
        let is_recall = document.purpose != DocumentPurpose::Issue
            && reader.can_express_recall(recipient.software);
        let code = if is_recall { StatusCode::RecallAgreed } else { StatusCode::Registered };
        Arrival {
            inbox: document.sender.key,
            message_type: MessageType::Status.as_str(),
            sender: recipient.key,
            document_id: document.id(),
            content: code.digits().to_owned(),
        }
    };
    let recipients = &document.recipients;
    recipients.iter().map(at_recipient).chain(recipients.iter().map(at_sender)).collect()
}

fn found_in(agency: &SimulatedAgency, message: &DeliveredMessage) -> Arrival {
    let index = &message.index;
    let is_status = message.message_type == MessageType::Status;
    Arrival {
        inbox: agency.profile().key,
        message_type: message.message_type.as_str(),
        sender: profile_by_key(&message.sender).map_or("?", |it| it.key),
        document_id: index.document_id.clone(),
        content: if is_status { index.status.clone() } else { index.subject.clone() },
    }
}

fn record_count(arrival: &Arrival, count: Count, report: &mut ScenarioReport) {
    let Count { expected, found } = count;
    let arrived = expected.min(found);
    if arrival.is_status() {
        report.statuses_expected += expected;
        report.statuses_returned += arrived;
    } else {
        report.expected += expected;
        report.delivered += arrived;
    }
    let surplus = found.saturating_sub(expected);
    if expected > 0 {
        report.duplicated += surplus;
    } else {
        report.unexpected += surplus;
    }
    if expected != found {
        let arrival = arrival.clone();
        report.violations.push(Violation::WrongCount { arrival, expected, found });
    }
}

fn check_files(
    recipient: &SimulatedAgency,
    accepted: &AcceptedDocument,
    reader: &NativeReader,
    report: &mut ScenarioReport,
) -> anyhow::Result<()> {
    let AcceptedDocument { document, receipt } = accepted;
    report.attachments_expected += document.files.len();
    let inbox = recipient.application().inbox();
    let delivered = inbox
        .iter()
        .find(|it| it.conversation == receipt.conversation && it.index.subject == document.subject);
    if let Some(delivered) = delivered {
        let digests = reader.file_digests(recipient.profile().software, delivered)?;
        report.attachments_identical += count_identical(document, digests);
    }
    Ok(())
}

/// How many files of a document are among the delivered ones, each delivered file counted once.
fn count_identical(document: &OfficialDocument, mut delivered: Vec<[u8; 32]>) -> usize {
    let mut count = 0;
    for file in &document.files {
        let expected: [u8; 32] = Sha256::digest(&file.bytes).into();
        if let Some(index) = delivered.iter().position(|it| *it == expected) {
            delivered.swap_remove(index);
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(message_type: MessageType) -> Arrival {
        Arrival {
            inbox: "tinhuy",
            message_type: message_type.as_str(),
            sender: "mttq",
            document_id: "1".to_owned(),
            content: "03".to_owned(),
        }
    }

    fn report_of(message_type: MessageType, expected: usize, found: usize) -> ScenarioReport {
        let mut report = ScenarioReport::default();
        record_count(&arrival(message_type), Count { expected, found }, &mut report);
        report
    }

    #[test]
    fn a_missing_repeated_or_unexpected_message_is_a_violation() {
        let (document, status) = (MessageType::Document, MessageType::Status);
        assert_eq!(report_of(document, 1, 1).violations.len(), 0);
        assert_eq!(report_of(document, 1, 0).lost(), 1);
        assert_eq!(report_of(status, 1, 0).lost(), 1);
        assert_eq!(report_of(status, 1, 2).duplicated, 1);
        assert_eq!(report_of(status, 0, 1).unexpected, 1);
        for (expected, found) in [(1, 0), (1, 2), (0, 1)] {
            let report = report_of(status, expected, found);
            assert_eq!(report.violations.len(), 1, "{expected} {found}");
            assert!(!report.is_successful());
        }
    }
}
