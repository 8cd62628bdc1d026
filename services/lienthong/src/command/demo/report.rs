//! The report of the scenario, for people and for programs.

use proto::fault::Lang;
use sandbox::{Arrival, RefusalCase, Remark, ScenarioReport, Software, Violation};
use serde_json::{Value, json};

use crate::labels::state_label;
use crate::output::Output;

/// The report as programs read it.
pub(super) fn to_json(report: &ScenarioReport, transport: &str, journeys: &[Value]) -> Value {
    let violations = report.violations.iter().map(in_both_languages(violation_text));
    let remarks = report.remarks.iter().map(in_both_languages(remark_text));
    json!({
        "transport": transport,
        "submitted": report.submitted,
        "delivered": report.delivered,
        "expected": report.expected,
        "statuses_returned": report.statuses_returned,
        "statuses_expected": report.statuses_expected,
        "repeats_answered": report.repeats_answered,
        "refused": report.refused.len(),
        "refused_codes": report.refused,
        "lost": report.lost(),
        "duplicated": report.duplicated,
        "unexpected": report.unexpected,
        "attachments_identical": report.attachments_identical,
        "attachments_expected": report.attachments_expected,
        "seconds": seconds(report),
        "kept": report.is_successful(),
        "broken": violations.collect::<Value>(),
        "notes": remarks.collect::<Value>(),
        "journeys": journeys,
    })
}

/// Prints the report.
pub(super) fn print(output: Output, report: &ScenarioReport) {
    output.print_line("");
    output.print_line(output.localize("Kết quả", "Result"));
    let of = |done: usize, all: usize| format!("{done}/{all}");
    let rows = [
        (output.localize("Nhận vào trục", "Submitted"), report.submitted.to_string()),
        (
            output.localize("Văn bản đến nơi", "Documents delivered"),
            of(report.delivered, report.expected),
        ),
        (
            output.localize("Trạng thái về lại", "Statuses returned"),
            of(report.statuses_returned, report.statuses_expected),
        ),
        (
            output.localize("Tệp đính kèm nguyên vẹn", "Attachments bit-identical"),
            of(report.attachments_identical, report.attachments_expected),
        ),
        (
            output.localize("Gửi lặp, trả biên nhận cũ", "Repeats given the first receipt"),
            report.repeats_answered.to_string(),
        ),
        (
            output.localize("Từ chối tại cửa", "Refused at the door"),
            format!("{}: {}", report.refused.len(), report.refused.join(", ")),
        ),
        (output.localize("Mất", "Lost"), report.lost().to_string()),
        (output.localize("Trùng", "Duplicated"), report.duplicated.to_string()),
        (output.localize("Lạc", "Unexpected"), report.unexpected.to_string()),
        (output.localize("Thời gian", "Time"), format!("{:.2} s", seconds(report))),
    ];
    let longest = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, value) in rows {
        let gap = longest + 2 - name.chars().count();
        output.print_line(&format!("  {name}{}{value}", " ".repeat(gap)));
    }
    for it in &report.remarks {
        output.print_line(&format!("  · {}", remark_text(output.lang, it)));
    }
    for it in &report.violations {
        output.print_line(&format!("  ✗ {}", violation_text(output.lang, it)));
    }
    output.print_line(if report.is_successful() {
        output.localize("✓ Mọi điều đúng như cam kết.", "✓ All is as promised.")
    } else {
        output.localize("✗ Có điều không đúng cam kết.", "✗ Something is not as promised.")
    });
}

/// The name of a refused submission.
pub(super) fn case_name(lang: Lang, case: RefusalCase) -> &'static str {
    let (vi, en) = match case {
        RefusalCase::TruncatedPacket => ("gói tin bị cắt cụt", "a packet that is cut off"),
        RefusalCase::SecrecyMark => ("văn bản có dấu mật", "a document with a secrecy mark"),
        RefusalCase::ReusedKey => ("khóa cũ, nội dung khác", "an old key with other content"),
        RefusalCase::UnknownRecipient => {
            ("nơi nhận không tồn tại", "a recipient that does not exist")
        }
    };
    match lang {
        Lang::Vi => vi,
        Lang::En => en,
    }
}

fn violation_text(lang: Lang, violation: &Violation) -> String {
    match (violation, lang) {
        (Violation::NotTerminal { message_id, state }, Lang::Vi) => {
            format!("{message_id} vẫn ở trạng thái {}", state_label(lang, *state))
        }
        (Violation::NotTerminal { message_id, state }, Lang::En) => {
            format!("{message_id} is still {}", state_label(lang, *state))
        }
        (Violation::RepeatNotRecognised { key }, Lang::Vi) => {
            format!("bản gửi lặp với khóa “{key}” nhận biên nhận mới")
        }
        (Violation::RepeatNotRecognised { key }, Lang::En) => {
            format!("the repeat with the key `{key}` got a new receipt")
        }
        (Violation::NotRefused { case }, Lang::Vi) => {
            format!("{}: lại được nhận", case_name(lang, *case))
        }
        (Violation::NotRefused { case }, Lang::En) => {
            format!("{}: it was accepted", case_name(lang, *case))
        }
        (Violation::WrongRefusalCode { case, code }, Lang::Vi) => {
            format!("{}: mã {code}, phải là {}", case_name(lang, *case), case.expected_code())
        }
        (Violation::WrongRefusalCode { case, code }, Lang::En) => {
            format!("{}: code {code}, expected {}", case_name(lang, *case), case.expected_code())
        }
        (Violation::WrongCount { arrival, expected, found }, Lang::Vi) => {
            format!("{}: có {found}, phải có {expected}", arrival_text(arrival))
        }
        (Violation::WrongCount { arrival, expected, found }, Lang::En) => {
            format!("{}: found {found}, expected {expected}", arrival_text(arrival))
        }
    }
}

fn remark_text(lang: Lang, remark: &Remark) -> String {
    let Remark::RecallNotExpressible(software) = remark;
    let name = match software {
        Software::Edxml => "edXML",
        Software::Ioffice => "iOffice",
    };
    match lang {
        Lang::Vi => {
            format!("{name} không có chỗ ghi việc thu hồi: nơi dùng {name} vào sổ như văn bản mới.")
        }
        Lang::En => format!(
            "{name} has no place for a recall: an office that uses it registers a new document."
        ),
    }
}

fn arrival_text(of: &Arrival) -> String {
    let Arrival { inbox, message_type, sender, document_id, content } = of;
    format!("{message_type} {sender} → {inbox}, {document_id}, {content}")
}

/// Applies a text function in both languages.
fn in_both_languages<T>(text: fn(Lang, &T) -> String) -> impl Fn(&T) -> Value {
    move |it| json!({ "vi": text(Lang::Vi, it), "en": text(Lang::En, it) })
}

fn seconds(report: &ScenarioReport) -> f64 {
    let ms = u32::try_from(report.elapsed.as_millis()).unwrap_or(u32::MAX);
    f64::from(ms) / 1000.0
}
