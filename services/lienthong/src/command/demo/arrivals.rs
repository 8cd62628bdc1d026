//! What has to be in each office's inbox, and what is there.

use std::collections::BTreeMap;

use adapter_sample::Received;
use anyhow::Context as _;
use formats::FormatRegistry;
use proto::message::v1::{MessageType, Receipt};
use sha2::{Digest as _, Sha256};

use super::agency::{Agency, Software, by_key};
use super::office::{Digests, Office, RECALL_AGREED, REGISTERED, sees_recalls, shelf};
use super::paper::{Business, Paper};
use super::report::Report;

/// A document that was accepted, and who must have it.
pub(super) struct Expected {
    pub(super) paper: Paper,
    pub(super) receipt: Receipt,
}

/// One thing in one inbox.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    /// Whose inbox.
    at: &'static str,
    /// `document` or `status`.
    kind: &'static str,
    /// Who sent it.
    from: &'static str,
    /// The identifier of the document it is or is about.
    document_id: String,
    /// The subject of a document, which tells it from its recall; the code of a status.
    says: String,
}

/// How often something should be there, and how often it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    expected: usize,
    found: usize,
}

/// The office of an agency.
pub(super) fn office<'a>(offices: &'a [Office], agency: &Agency) -> anyhow::Result<&'a Office> {
    offices.iter().find(|it| it.agency.key == agency.key).context("the office is closed")
}

/// How many things have to arrive.
pub(super) fn goal(expected: &[Expected]) -> usize {
    expected.iter().map(|it| it.paper.to.len()).sum()
}

/// How many messages of a kind are in the inboxes.
pub(super) fn arrived(offices: &[Office], kind: MessageType) -> usize {
    offices.iter().map(|it| it.mailroom.inbox().iter().filter(|it| it.kind == kind).count()).sum()
}

/// Compares what is there with what was sent: each document once at each recipient, one status
/// for it back at its sender, and nothing else.
pub(super) fn compare(
    offices: &[Office],
    expected: &[Expected],
    report: &mut Report,
) -> anyhow::Result<()> {
    let shelf = shelf()?;
    let mut counts: BTreeMap<Arrival, Count> = BTreeMap::new();
    for arrival in expected.iter().flat_map(|it| wanted(&shelf, &it.paper)) {
        counts.entry(arrival).or_default().expected += 1;
    }
    for office in offices {
        for got in office.mailroom.inbox() {
            counts.entry(found(office, &got)).or_default().found += 1;
        }
        let mut once = office.mailroom.handed();
        let handed = once.len();
        once.sort_unstable();
        once.dedup();
        report.duplicated += handed - once.len();
    }
    for (arrival, count) in &counts {
        tally(arrival, *count, report);
    }
    for it in expected {
        for to in &it.paper.to {
            files(offices, (it, to), &shelf, report)?;
        }
    }
    Ok(())
}

/// A document at each recipient, and each one's status at the sender.
fn wanted(shelf: &FormatRegistry, paper: &Paper) -> Vec<Arrival> {
    let document = |to: &&'static Agency| Arrival {
        at: to.key,
        kind: MessageType::Document.as_str(),
        from: paper.from.key,
        document_id: paper.id(),
        says: paper.subject.clone(),
    };
    let status = |to: &&'static Agency| {
        let is_recall = paper.business != Business::New && sees_recalls(shelf, to.software);
        let code = if is_recall { RECALL_AGREED } else { REGISTERED };
        Arrival {
            at: paper.from.key,
            kind: MessageType::Status.as_str(),
            from: to.key,
            document_id: paper.id(),
            says: code.to_owned(),
        }
    };
    paper.to.iter().map(document).chain(paper.to.iter().map(status)).collect()
}

fn found(office: &Office, got: &Received) -> Arrival {
    let is_status = got.kind == MessageType::Status;
    Arrival {
        at: office.agency.key,
        kind: got.kind.as_str(),
        from: by_key(&got.sender).map_or("?", |it| it.key),
        document_id: got.index.document_id.clone(),
        says: if is_status { got.index.status.clone() } else { got.index.subject.clone() },
    }
}

fn tally(arrival: &Arrival, count: Count, report: &mut Report) {
    let there = count.expected.min(count.found);
    if arrival.kind == MessageType::Status.as_str() {
        report.statuses_expected += count.expected;
        report.statuses_returned += there;
    } else {
        report.expected += count.expected;
        report.delivered += there;
    }
    let more = count.found.saturating_sub(count.expected);
    if count.expected > 0 {
        report.duplicated += more;
    } else {
        report.unexpected += more;
    }
    if count.expected != count.found {
        let Arrival { at, kind, from, document_id, says } = arrival;
        let what = format!("{kind} {from} → {at}, {document_id}, {says}");
        let Count { expected, found } = count;
        report.breach(
            format!("{what}: có {found}, phải có {expected}"),
            format!("{what}: found {found}, expected {expected}"),
        );
    }
}

fn files(
    offices: &[Office],
    (expected, to): (&Expected, &Agency),
    shelf: &FormatRegistry,
    report: &mut Report,
) -> anyhow::Result<()> {
    let paper = &expected.paper;
    report.attachments_expected += paper.files.len();
    let inbox = office(offices, to)?.mailroom.inbox();
    let got = inbox.iter().find(|it| {
        it.conversation == expected.receipt.conversation && it.index.subject == paper.subject
    });
    if let Some(got) = got {
        report.attachments_identical += identical(shelf, to, paper, got)?;
    }
    Ok(())
}

/// How many of a paper's files arrived bit for bit.
fn identical(
    shelf: &FormatRegistry,
    to: &Agency,
    paper: &Paper,
    got: &Received,
) -> anyhow::Result<usize> {
    let mut digests: Vec<[u8; 32]> = match to.software {
        Software::Ioffice => got.files.iter().map(|(_, _, it)| Sha256::digest(it).into()).collect(),
        Software::Edxml => {
            let mut sink = Digests::default();
            let format = shelf.get("edxml.document").context("edxml.document is not shipped")?;
            format.decode(&got.body, &[], &mut sink)?;
            sink.done
        }
    };
    let mut count = 0;
    for file in &paper.files {
        let wanted: [u8; 32] = Sha256::digest(&file.bytes).into();
        if let Some(place) = digests.iter().position(|it| *it == wanted) {
            digests.swap_remove(place);
            count += 1;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(kind: MessageType) -> Arrival {
        Arrival {
            at: "tinhuy",
            kind: kind.as_str(),
            from: "mttq",
            document_id: "1".to_owned(),
            says: "03".to_owned(),
        }
    }

    fn judged(kind: MessageType, expected: usize, found: usize) -> Report {
        let mut report = Report::default();
        tally(&arrival(kind), Count { expected, found }, &mut report);
        report
    }

    #[test]
    fn what_is_missing_doubled_or_unexpected_breaks_the_promise() {
        let (document, status) = (MessageType::Document, MessageType::Status);
        assert_eq!(judged(document, 1, 1).breaches(), 0);
        assert_eq!(judged(document, 1, 0).lost(), 1);
        assert_eq!(judged(status, 1, 0).lost(), 1);
        assert_eq!(judged(status, 1, 2).duplicated, 1);
        assert_eq!(judged(status, 0, 1).unexpected, 1);
        for (expected, found) in [(1, 0), (1, 2), (0, 1)] {
            assert_eq!(judged(status, expected, found).breaches(), 1, "{expected} {found}");
            assert!(!judged(status, expected, found).is_kept());
        }
    }
}
