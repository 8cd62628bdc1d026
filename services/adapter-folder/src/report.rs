//! Delivery reports: a text for the clerk beside the file that was sent.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sdk::{DeliveryReport, ReportedOutcome};

use crate::file_name::{sanitize, with_number};
use crate::layout::{Layout, sync_directory, write_durably};

/// How long a report waits for the file that it is about to be moved to `sent`: the answer of the
/// receiver may come before the receipt is written.
const MOVE_WAIT: Duration = Duration::from_secs(5);
const MOVE_POLL: Duration = Duration::from_millis(50);

/// Remembers in which subfolder of `sent` a message is, for the reports about it. The same content
/// that was sent twice has one message and two subfolders.
pub(crate) fn note_sent(layout: &Layout, message_id: &str, name: &str) -> io::Result<()> {
    if !is_id(message_id) {
        return Ok(());
    }
    let path = layout.sent_names.join(message_id);
    let mut names = sent_names(layout, message_id);
    if !names.iter().any(|it| it == name) {
        names.push(name.to_owned());
        write_atomically(&path, names.join("\n").as_bytes())?;
    }
    Ok(())
}

fn sent_names(layout: &Layout, message_id: &str) -> Vec<String> {
    let text = fs::read_to_string(layout.sent_names.join(message_id)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
}

/// Writes a report beside the file that it is about, or into `sent` under the document's number when
/// that file is no longer there. A report that was written before is not written again.
pub(crate) fn write_report(layout: &Layout, id: &str, report: &DeliveryReport) -> io::Result<()> {
    if !is_id(id) {
        return Err(io::Error::other("the message's id is not valid as the name of a file"));
    }
    let id_file = layout.delivered.join(id);
    if id_file.exists() {
        return Ok(());
    }
    let folders = find_sent(layout, &report.message_id);
    if folders.is_empty() {
        let number = if report.number.is_empty() { &report.message_id } else { &report.number };
        let name = format!("{} {}", sanitize(&number.replace(['/', '\\'], "-")), file_name(report));
        write_once(&layout.sent, &name, &text(report, None))?;
    }
    for folder in folders {
        let sent_file = folder.file_name().map(|it| it.to_string_lossy().into_owned());
        write_once(&folder, &file_name(report), &text(report, sent_file.as_deref()))?;
    }
    write_durably(&id_file, b"")?;
    sync_directory(&layout.delivered)
}

/// The subfolders of `sent` that hold a message. While documents are being submitted, the one that
/// is asked for may be among them.
fn find_sent(layout: &Layout, message_id: &str) -> Vec<PathBuf> {
    let until = Instant::now() + MOVE_WAIT;
    loop {
        let names = if is_id(message_id) { sent_names(layout, message_id) } else { Vec::new() };
        let folders: Vec<PathBuf> =
            names.iter().map(|it| layout.sent.join(it)).filter(|it| it.is_dir()).collect();
        let is_sending = fs::read_dir(&layout.sending).is_ok_and(|mut it| it.next().is_some());
        if !folders.is_empty() || !names.is_empty() || !is_sending || Instant::now() >= until {
            return folders;
        }
        std::thread::sleep(MOVE_POLL);
    }
}

/// Writes a text under this name, numbered when another text has it.
fn write_once(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let mut path = folder.join(name);
    let mut number = 1;
    while path.exists() {
        if fs::read(&path)? == text.as_bytes() {
            return Ok(());
        }
        number += 1;
        path = folder.join(with_number(name, number));
    }
    write_atomically(&path, text.as_bytes())
}

/// Writes a file so that a reader sees it whole or not at all.
fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    let mut file = tempfile::Builder::new().prefix(".").suffix(".tmp").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    // As files that programs create by themselves; that of a temporary file is for its owner only.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(file.path(), mode)?;
    file.persist(path).map_err(|it| it.error)?;
    sync_directory(folder)
}

/// Name of the text: what happened, and where.
fn file_name(report: &DeliveryReport) -> String {
    let what = match report.outcome {
        ReportedOutcome::Refused => "BI-TU-CHOI",
        ReportedOutcome::Undeliverable => "CHUA-DEN-NOI-NHAN",
        ReportedOutcome::Delivered => "DA-DEN-NOI-NHAN",
        ReportedOutcome::Unknown => "BAO-PHAT",
    };
    match report.recipient.as_str() {
        "" => format!("{what}.txt"),
        several if several.contains(',') => format!("{what}.txt"),
        recipient => sanitize(&format!("{what} {recipient}.txt")),
    }
}

/// The report in words for a clerk: what happened first, codes last.
fn text(report: &DeliveryReport, sent_file: Option<&str>) -> String {
    let title = match report.outcome {
        ReportedOutcome::Refused => "NƠI NHẬN ĐÃ TỪ CHỐI VĂN BẢN NÀY",
        ReportedOutcome::Undeliverable => "VĂN BẢN NÀY CHƯA ĐẾN NƠI NHẬN",
        ReportedOutcome::Delivered => "VĂN BẢN NÀY ĐÃ ĐẾN NƠI NHẬN",
        ReportedOutcome::Unknown => "BÁO PHÁT VĂN BẢN",
    };
    let kind =
        if report.r#type == "status" { "Trạng thái của văn bản" } else { "Văn bản" };
    let number = match (report.number.as_str(), day(&report.issued)) {
        ("", _) => "(không có số)".to_owned(),
        (number, None) => number.to_owned(),
        (number, Some(day)) => format!("{number} ngày {day}"),
    };
    let recipient = match report.recipient_name.as_str() {
        "" => report.recipient.as_str(),
        name => name,
    };
    let lines = [
        (kind, number),
        ("Trích yếu", report.subject.clone()),
        ("Nơi nhận", recipient.to_owned()),
        ("Việc gì", report.text_vi.clone()),
        ("Lúc", time(&report.at)),
        ("Cần làm gì", report.remedy_vi.clone()),
        ("Tệp đã gửi", sent_file.unwrap_or_default().to_owned()),
    ];
    let mut text = format!("{title}\r\n\r\n");
    for (name, value) in lines.into_iter().filter(|(_, it)| !it.is_empty()) {
        text.push_str(&format!("{name}: {}\r\n", one_line(&value)));
    }
    let codes = [report.message_id.as_str(), report.code.as_str()];
    let codes: Vec<_> = codes.into_iter().filter(|it| !it.is_empty()).collect();
    text.push_str(&format!("\r\nMã để hỏi người vận hành: {}\r\n", one_line(&codes.join(", "))));
    text
}

/// A foreign text without line ends and other control characters.
fn one_line(text: &str) -> String {
    let plain = text.replace(|it: char| it.is_control(), " ");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A day `yyyy-MM-dd` as people write it.
fn day(text: &str) -> Option<String> {
    let day: jiff::civil::Date = text.parse().ok()?;
    Some(format!("{:02}/{:02}/{:04}", day.day(), day.month(), day.year()))
}

/// A time of a report as people write it; it is Vietnam's already.
fn time(text: &str) -> String {
    let local = text.split_once('+').map_or(text, |(local, _)| local);
    let Ok(at) = local.parse::<jiff::civil::DateTime>() else { return text.to_owned() };
    let (date, hour, minute) = (at.date(), at.hour(), at.minute());
    let day = format!("{:02}/{:02}/{:04}", date.day(), date.month(), date.year());
    format!("{hour:02} giờ {minute:02} ngày {day}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> DeliveryReport {
        let text = |it: &str| it.to_owned();
        DeliveryReport {
            message_id: text("m-1"),
            r#type: text("document"),
            number: text("45/CV-TU"),
            subject: text("V/v báo cáo quý I"),
            issued: text("2026-03-05"),
            recipient: text("hai"),
            recipient_name: text("Cơ quan hai"),
            outcome: ReportedOutcome::Refused,
            reason: text("Thiếu phụ lục"),
            text_vi: text("Ứng dụng nhận đã từ chối: Thiếu\nphụ lục"),
            remedy_vi: text("Sửa theo lý do rồi gửi lại."),
            code: text("LT-JNL-016"),
            at: text("2026-03-05T09:30:15+07:00"),
            ..DeliveryReport::default()
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let all = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            all.map(|it| it.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_text_says_what_happened_in_words_and_codes_come_last() {
        let text = text(&report(), Some("bao-cao.json"));
        let lines: Vec<_> = text.lines().collect();
        let expected = [
            "NƠI NHẬN ĐÃ TỪ CHỐI VĂN BẢN NÀY",
            "",
            "Văn bản: 45/CV-TU ngày 05/03/2026",
            "Trích yếu: V/v báo cáo quý I",
            "Nơi nhận: Cơ quan hai",
            "Việc gì: Ứng dụng nhận đã từ chối: Thiếu phụ lục",
            "Lúc: 09 giờ 30 ngày 05/03/2026",
            "Cần làm gì: Sửa theo lý do rồi gửi lại.",
            "Tệp đã gửi: bao-cao.json",
            "",
            "Mã để hỏi người vận hành: m-1, LT-JNL-016",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_report_is_written_once_beside_its_file_and_its_sequel_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        fs::create_dir(layout.sent.join("bao-cao.json")).unwrap();
        note_sent(&layout, "m-1", "bao-cao.json").unwrap();
        for _ in 0..3 {
            write_report(&layout, "r-1", &report()).unwrap();
        }
        let beside = layout.sent.join("bao-cao.json");
        assert_eq!(names(&beside), ["BI-TU-CHOI hai.txt"]);
        // Its id was not stored before a crash: the same text is not written twice either.
        fs::remove_file(layout.delivered.join("r-1")).unwrap();
        write_report(&layout, "r-1", &report()).unwrap();
        assert_eq!(names(&beside), ["BI-TU-CHOI hai.txt"]);
        let again =
            DeliveryReport { reason: "khác".to_owned(), text_vi: "khác".to_owned(), ..report() };
        write_report(&layout, "r-2", &again).unwrap();
        assert_eq!(names(&beside), ["BI-TU-CHOI hai (2).txt", "BI-TU-CHOI hai.txt"]);
    }

    #[test]
    fn a_report_about_a_file_that_is_gone_has_the_documents_number() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        write_report(&layout, "r-1", &report()).unwrap();
        assert_eq!(names(&layout.sent), ["45-CV-TU BI-TU-CHOI hai.txt"]);
        let unnamed = DeliveryReport { number: String::new(), ..report() };
        note_sent(&layout, "m-1", "removed.json").unwrap();
        write_report(&layout, "r-2", &unnamed).unwrap();
        assert_eq!(names(&layout.sent).len(), 2);
        assert!(write_report(&layout, "../r", &report()).is_err());
    }
}
