//! The story: what is sent, what must be refused, and what has to be true in the end.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use formats::{BlobSink, Shelf};
use proto::journal::v1::{MessageType, Receipt};
use sdk::SubmitError;
use sha2::{Digest as _, Sha256};

use super::agency::{AGENCIES, Agency, Software, by_key};
use super::office::Office;
use super::paper::{Business, File, Paper};
use super::report::Report;
use crate::screen::Screen;

/// How long arrivals are waited for.
const PATIENCE: Duration = Duration::from_secs(90);

/// A document that was accepted, and who must have it.
struct Expected {
    paper: Paper,
    receipt: Receipt,
}

/// Tells the story; the counts, and the messages worth looking at.
pub(super) async fn tell(
    screen: Screen,
    offices: &[Office],
    documents: u32,
) -> anyhow::Result<(Report, Vec<String>)> {
    let begun = Instant::now();
    let mut report = Report::default();
    let mut expected = Vec::new();
    let first = circular()?;
    say(
        screen,
        "Tỉnh ủy gửi 45-CV/TU kèm 2 tệp cho MTTQ, LĐLĐ (iOffice) và Tỉnh đoàn (edXML)",
        "The Party office sends 45-CV/TU with 2 files to the Front, the unions (iOffice), the Youth Union (edXML)",
    );
    let receipt = accepted(offices, &first, "cv-45").await?;
    let shown = vec![receipt.message_id.clone()];
    expected.push(Expected { paper: first.clone(), receipt: receipt.clone() });
    let answer = reply()?;
    say(
        screen,
        "MTTQ gửi 12/MTTQ-BTT từ iOffice, kèm 1 tệp, cho Tỉnh ủy (edXML)",
        "The Front sends 12/MTTQ-BTT from iOffice with 1 file to the Party office (edXML)",
    );
    expected.push(Expected { receipt: accepted(offices, &answer, "vb-12").await?, paper: answer });
    repeats(screen, offices, (&first, &receipt), &mut report).await?;
    say(screen, "Tỉnh ủy thu hồi 45-CV/TU", "The Party office recalls 45-CV/TU");
    let recall = Paper {
        business: Business::Recall(first.id()),
        files: Vec::new(),
        subject: "Thu hồi Công văn 45-CV/TU".to_owned(),
        ..first.clone()
    };
    expected.push(Expected { receipt: accepted(offices, &recall, "th-45").await?, paper: recall });
    refusals(screen, offices, &first, &mut report).await?;
    say(screen, "Các cơ quan gửi thêm văn bản thường", "The agencies send ordinary documents");
    for number in 0..documents {
        let paper = ordinary(number)?;
        let receipt = accepted(offices, &paper, &format!("th-{number}")).await?;
        screen.progress(&format!("{}/{documents}", number + 1));
        expected.push(Expected { paper, receipt });
    }
    report.submitted = expected.len();
    arrivals(screen, offices, &expected).await;
    count(offices, &expected, &mut report)?;
    report.elapsed_ms = begun.elapsed().as_millis();
    Ok((report, shown))
}

fn say(screen: Screen, vi: &str, en: &str) {
    screen.note(&format!("→ {}", screen.say(vi, en)));
}

fn agency(key: &str) -> anyhow::Result<&'static Agency> {
    by_key(key).with_context(|| format!("there is no agency {key}"))
}

fn office<'a>(offices: &'a [Office], agency: &Agency) -> anyhow::Result<&'a Office> {
    offices.iter().find(|it| it.agency.key == agency.key).context("the office is closed")
}

/// Bytes that look like a PDF and are the same each time.
fn pdf(seed: u32, size: u32) -> Vec<u8> {
    let mut bytes = b"%PDF-1.4\n".to_vec();
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    for _ in 0..size {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        bytes.push(state.to_le_bytes()[0]);
    }
    bytes
}

fn circular() -> anyhow::Result<Paper> {
    Ok(Paper {
        number: "45".to_owned(),
        notation: "CV/TU".to_owned(),
        subject: "V/v phòng, chống lụt bão năm 2026".to_owned(),
        from: agency("tinhuy")?,
        to: vec![agency("mttq")?, agency("ldld")?, agency("tinhdoan")?],
        files: vec![
            File { name: "Công văn 45.pdf".to_owned(), bytes: pdf(1, 40_000) },
            File { name: "Phụ lục.pdf".to_owned(), bytes: pdf(2, 300_000) },
        ],
        business: Business::New,
    })
}

fn reply() -> anyhow::Result<Paper> {
    Ok(Paper {
        number: "12".to_owned(),
        notation: "MTTQ-BTT".to_owned(),
        subject: "Báo cáo kết quả vận động ủng hộ".to_owned(),
        from: agency("mttq")?,
        to: vec![agency("tinhuy")?],
        files: vec![File { name: "bao-cao.pdf".to_owned(), bytes: pdf(3, 20_000) }],
        business: Business::New,
    })
}

fn ordinary(number: u32) -> anyhow::Result<Paper> {
    let place = usize::try_from(number).unwrap_or_default();
    let pick = |place: usize| AGENCIES.get(place % AGENCIES.len()).context("there are no agencies");
    let (from, to) = (pick(place)?, pick(place + 1)?);
    Ok(Paper {
        number: (100 + number).to_string(),
        notation: "BC-VP".to_owned(),
        subject: format!("Báo cáo tuần {}", number + 1),
        from,
        to: vec![to],
        files: Vec::new(),
        business: Business::New,
    })
}

async fn accepted(offices: &[Office], paper: &Paper, key: &str) -> anyhow::Result<Receipt> {
    let sent = office(offices, paper.from)?.send(paper, key).await;
    sent.map_err(|error| match error {
        SubmitError::Refused(fault) => anyhow::Error::new(fault),
        error @ (SubmitError::Unavailable(_) | SubmitError::Unreadable(_)) => error.into(),
    })
}

async fn repeats(
    screen: Screen,
    offices: &[Office],
    (paper, first): (&Paper, &Receipt),
    report: &mut Report,
) -> anyhow::Result<()> {
    say(
        screen,
        "Tỉnh ủy gửi lặp 45-CV/TU hai lần (cùng khóa; không khóa)",
        "The Party office sends 45-CV/TU twice again (same key; no key)",
    );
    for key in ["cv-45", ""] {
        let receipt = accepted(offices, paper, key).await?;
        if receipt.repeat && receipt.message_id == first.message_id {
            report.repeats_answered += 1;
        } else {
            report.broken.push(format!("the repeat with the key `{key}` got a new receipt"));
        }
    }
    Ok(())
}

async fn refusals(
    screen: Screen,
    offices: &[Office],
    paper: &Paper,
    report: &mut Report,
) -> anyhow::Result<()> {
    let half: String = paper.native().chars().take(1_200).collect();
    let secret = Paper {
        number: "46".to_owned(),
        subject: "TỐI MẬT: phương án bảo vệ".to_owned(),
        files: Vec::new(),
        ..paper.clone()
    };
    let changed =
        Paper { subject: "Nội dung khác dưới khóa cũ".to_owned(), ..paper.clone() };
    let nowhere = paper.native().replace("A99.2", "A99.77");
    let cases = [
        (("gói tin bị cắt cụt", "a packet that is cut off"), paper, "hong", half),
        (("văn bản có dấu mật", "a document with a secrecy mark"), &secret, "mat", secret.native()),
        (
            ("khóa cũ, nội dung khác", "an old key with other content"),
            &changed,
            "cv-45",
            changed.native(),
        ),
        (("nơi nhận không tồn tại", "a recipient that does not exist"), paper, "lac", nowhere),
    ];
    for ((vi, en), paper, key, native) in cases {
        let outcome = office(offices, paper.from)?.send_native(paper, key, native).await;
        match outcome {
            Err(SubmitError::Refused(fault)) => {
                say(
                    screen,
                    &format!("{vi}: bị từ chối {}: {}", fault.code, fault.title(screen.lang)),
                    &format!("{en}: refused {}: {}", fault.code, fault.title(screen.lang)),
                );
                report.refused.push(fault.code);
            }
            Err(error) => return Err(error.into()),
            Ok(_) => report.broken.push(format!("accepted although it is {en}")),
        }
    }
    Ok(())
}

fn goal(expected: &[Expected]) -> usize {
    expected.iter().map(|it| it.paper.to.len()).sum()
}

fn arrived(offices: &[Office], kind: MessageType) -> usize {
    offices.iter().map(|it| it.mailroom.inbox().iter().filter(|it| it.kind == kind).count()).sum()
}

async fn arrivals(screen: Screen, offices: &[Office], expected: &[Expected]) {
    let goal = goal(expected);
    let patience = Instant::now() + PATIENCE;
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while Instant::now() < patience {
        look.tick().await;
        let documents = arrived(offices, MessageType::Document);
        let statuses = arrived(offices, MessageType::Status);
        screen.progress(&format!("{documents}/{goal}  {statuses}/{goal}"));
        if documents >= goal && statuses >= goal {
            break;
        }
    }
    screen.progress_done();
}

/// Compares what arrived with what was sent.
fn count(offices: &[Office], expected: &[Expected], report: &mut Report) -> anyhow::Result<()> {
    let shelf = Shelf::shipped().map_err(|it| anyhow::anyhow!(it.join("; ")))?;
    report.expected = goal(expected);
    report.statuses_expected = report.expected;
    for it in expected {
        for to in &it.paper.to {
            let office = office(offices, to)?;
            let inbox = office.mailroom.inbox();
            let found: Vec<_> = inbox
                .iter()
                .filter(|got| got.kind == MessageType::Document)
                .filter(|got| got.conversation == it.receipt.conversation && same(&it.paper, got))
                .collect();
            report.delivered += usize::from(!found.is_empty());
            report.duplicated += found.len().saturating_sub(1);
            report.attachments_expected += it.paper.files.len();
            if let Some(got) = found.first() {
                report.attachments_identical += identical(&shelf, to, &it.paper, got)?;
            }
        }
    }
    for office in offices {
        let handed = office.mailroom.handed();
        let mut once = handed.clone();
        once.sort_unstable();
        once.dedup();
        report.duplicated += handed.len() - once.len();
    }
    report.statuses_returned = arrived(offices, MessageType::Status);
    report.submitted += report.statuses_returned;
    report.duplicated += report.statuses_returned.saturating_sub(report.statuses_expected);
    Ok(())
}

/// A document and its recall are one conversation; their subjects tell them apart.
fn same(paper: &Paper, got: &adapter_sample::Received) -> bool {
    got.index.subject == paper.subject
}

/// How many of a paper's files arrived bit for bit.
fn identical(
    shelf: &Shelf,
    to: &Agency,
    paper: &Paper,
    got: &adapter_sample::Received,
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

/// Digests of the files inside a packet.
#[derive(Default)]
struct Digests {
    open: Sha256,
    done: Vec<[u8; 32]>,
}

impl BlobSink for Digests {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.open.update(bytes);
        Ok(())
    }

    fn finish(&mut self) -> std::io::Result<()> {
        self.done.push(std::mem::take(&mut self.open).finalize().into());
        Ok(())
    }
}
