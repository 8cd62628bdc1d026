//! The story: what is sent, and what must be refused.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use proto::message::v1::{MessageType, Receipt};
use sdk::SubmitError;

use super::agency::{AGENCIES, Agency, Software, by_key};
use super::arrivals::{Expected, arrived, goal, office};
use super::office::{Office, sees_recalls, shelf};
use super::paper::{Business, File, Paper};
use super::report::Report;
use crate::screen::Screen;

/// How long arrivals are waited for.
const PATIENCE: Duration = Duration::from_secs(90);

/// What was told.
#[derive(Default)]
pub(super) struct Told {
    /// The counts so far.
    pub(super) report: Report,
    /// What was accepted.
    pub(super) expected: Vec<Expected>,
    /// Messages whose journeys are worth looking at.
    pub(super) shown: Vec<String>,
}

/// Tells the story, and waits until everything arrived or patience is over.
pub(super) async fn tell(
    screen: Screen,
    (offices, run): (&[Office], &str),
    documents: u32,
) -> anyhow::Result<Told> {
    let begun = Instant::now();
    let mut told = Told::default();
    let first = circular(run)?;
    say(
        screen,
        "Tỉnh ủy gửi 45-CV/TU kèm 2 tệp cho MTTQ, LĐLĐ (iOffice) và Tỉnh đoàn (edXML)",
        "The Party office sends 45-CV/TU with 2 files to the Front, the unions (iOffice), the Youth Union (edXML)",
    );
    let receipt = told.send(offices, &first, "cv-45").await?;
    say(
        screen,
        "MTTQ gửi 12/MTTQ-BTT từ iOffice, kèm 1 tệp, cho Tỉnh ủy (edXML)",
        "The Front sends 12/MTTQ-BTT from iOffice with 1 file to the Party office (edXML)",
    );
    told.send(offices, &reply(run)?, "vb-12").await?;
    repeats(screen, offices, (&first, &receipt), &mut told.report).await?;
    say(screen, "Tỉnh ủy thu hồi 45-CV/TU", "The Party office recalls 45-CV/TU");
    told.send(offices, &recall(&first), "th-45").await?;
    told.shown = told.expected.iter().map(|it| it.receipt.message_id.clone()).collect();
    refusals(screen, offices, &first, &mut told.report).await?;
    say(screen, "Các cơ quan gửi thêm văn bản thường", "The agencies send ordinary documents");
    for number in 0..documents {
        told.send(offices, &ordinary(number, run)?, &format!("th-{number}")).await?;
        screen.progress(&format!("{}/{documents}", number + 1));
    }
    arrivals(screen, offices, &told.expected).await;
    if !sees_recalls(&shelf()?, Software::Ioffice) {
        told.report.remark(
            "iOffice không có chỗ ghi việc thu hồi: nơi dùng iOffice vào sổ như văn bản mới.",
            "iOffice has no place for a recall: an office that uses it registers a new document.",
        );
    }
    told.report.submitted = told.expected.len() + arrived(offices, MessageType::Status);
    told.report.elapsed_ms = begun.elapsed().as_millis();
    Ok(told)
}

impl Told {
    async fn send(
        &mut self,
        offices: &[Office],
        paper: &Paper,
        key: &str,
    ) -> anyhow::Result<Receipt> {
        let receipt = accepted(offices, paper, key).await?;
        self.expected.push(Expected { paper: paper.clone(), receipt: receipt.clone() });
        Ok(receipt)
    }
}

fn say(screen: Screen, vi: &str, en: &str) {
    screen.note(&format!("→ {}", screen.say(vi, en)));
}

fn agency(key: &str) -> anyhow::Result<&'static Agency> {
    by_key(key).with_context(|| format!("there is no agency {key}"))
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

fn circular(run: &str) -> anyhow::Result<Paper> {
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
        run: run.to_owned(),
    })
}

fn recall(of: &Paper) -> Paper {
    Paper {
        business: Business::Recall(of.id()),
        files: Vec::new(),
        subject: "Thu hồi Công văn 45-CV/TU".to_owned(),
        ..of.clone()
    }
}

fn reply(run: &str) -> anyhow::Result<Paper> {
    Ok(Paper {
        number: "12".to_owned(),
        notation: "MTTQ-BTT".to_owned(),
        subject: "Báo cáo kết quả vận động ủng hộ".to_owned(),
        from: agency("mttq")?,
        to: vec![agency("tinhuy")?],
        files: vec![File { name: "bao-cao.pdf".to_owned(), bytes: pdf(3, 20_000) }],
        business: Business::New,
        run: run.to_owned(),
    })
}

fn ordinary(number: u32, run: &str) -> anyhow::Result<Paper> {
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
        run: run.to_owned(),
    })
}

async fn accepted(offices: &[Office], paper: &Paper, key: &str) -> anyhow::Result<Receipt> {
    let sent = office(offices, paper.from)?.send(paper, key).await;
    sent.map_err(|error| match error {
        SubmitError::Refused(fault) | SubmitError::NotAdmitted(fault) => anyhow::Error::new(fault),
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
            report.breach(
                format!("bản gửi lặp với khóa “{key}” nhận biên nhận mới"),
                format!("the repeat with the key `{key}` got a new receipt"),
            );
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
        (("gói tin bị cắt cụt", "a packet that is cut off"), "LT-MAP-001", "hong", half),
        (
            ("văn bản có dấu mật", "a document with a secrecy mark"),
            "LT-MAP-210",
            "mat",
            secret.native(),
        ),
        (
            ("khóa cũ, nội dung khác", "an old key with other content"),
            "LT-JNL-001",
            "cv-45",
            changed.native(),
        ),
        (
            ("nơi nhận không tồn tại", "a recipient that does not exist"),
            "LT-MAP-204",
            "lac",
            nowhere,
        ),
    ];
    for ((vi, en), code, key, native) in cases {
        let outcome = office(offices, paper.from)?.send_native(paper, key, native).await;
        let fault = match outcome {
            Err(SubmitError::Refused(fault)) => fault,
            Err(error) => return Err(error.into()),
            Ok(_) => {
                report.breach(format!("{vi}: lại được nhận"), format!("{en}: it was accepted"));
                continue;
            }
        };
        let title = fault.title(screen.lang);
        say(
            screen,
            &format!("{vi}: bị từ chối {}: {title}", fault.code),
            &format!("{en}: refused {}: {title}", fault.code),
        );
        if fault.code != code {
            report.breach(
                format!("{vi}: mã {}, phải là {code}", fault.code),
                format!("{en}: code {}, expected {code}", fault.code),
            );
        }
        report.refused.push(fault.code);
    }
    Ok(())
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
