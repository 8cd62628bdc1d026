//! The fields that a document must have in every format.

use name_folding::is_invisible;
use proto::canonical::v1::{Canonical, Date, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::Finding;

/// One violation: canonical path, Vietnamese text, English text.
type Violation = (&'static str, &'static str, &'static str);

/// A document must have a subject, a number and a day of issue; a finding about the day of issue
/// counts in its place, because the unreadable day is then shown to people. Every violation is
/// reported at once.
pub(super) fn check(
    canonical: &Canonical,
    findings: &[Finding],
    native_path: &dyn Fn(&str) -> String,
) -> Result<(), Fault> {
    let Some(Body::Document(document)) = &canonical.body else { return Ok(()) };
    check_length(&document.subject, native_path)?;
    let mut violations: Vec<Violation> = Vec::new();
    // A subject of invisible characters alone is as empty as one of spaces.
    if !document.subject.chars().any(|it| !it.is_whitespace() && !is_invisible(it)) {
        violations.push(("subject", "Thiếu trích yếu.", "The subject is missing."));
    }
    let has_number = document.number.as_ref().is_some_and(|it| {
        [&it.number, &it.notation, &it.printed].iter().any(|it| !it.trim().is_empty())
    });
    if !has_number {
        violations.push(("number", "Thiếu số, ký hiệu.", "Number and notation are missing."));
    }
    let has_finding = |path: &str| findings.iter().any(|it| it.field == native_path(path));
    if document.issued.is_none_or(|it| it.year == 0) && !has_finding("issued") {
        violations.push(("issued", "Thiếu ngày ban hành.", "The day of issue is missing."));
    }
    for (path, date) in [("issued", document.issued), ("due", document.due)] {
        if !date.as_ref().is_none_or(is_calendar_date) {
            violations.push((path, "Ngày không có thật.", "There is no such day."));
        }
    }
    if violations.is_empty() {
        return Ok(());
    }
    let fault = Fault::new(&code::LT_MAP_014);
    Err(violations
        .into_iter()
        .fold(fault, |fault, (path, vi, en)| fault.violation(native_path(path), vi, en)))
}

/// Longest subject, characters: ten times the 500 of QCVN 102:2016. Formats that give its length
/// refuse it while they read; this holds for those that do not.
const SUBJECT_CHARS_MAX: usize = 5_000;

fn check_length(subject: &str, native_path: &dyn Fn(&str) -> String) -> Result<(), Fault> {
    let count = subject.chars().count();
    if count <= SUBJECT_CHARS_MAX {
        return Ok(());
    }
    Err(Fault::new(&code::LT_MAP_005).violation(
        native_path("subject"),
        format!("Trích yếu dài {count} ký tự, nhiều nhất {SUBJECT_CHARS_MAX}."),
        format!("The subject has {count} characters, at most {SUBJECT_CHARS_MAX}."),
    ))
}

/// True for a day, a month or a year of the calendar. In the canonical model 0 means unknown, and
/// only the smaller parts of a date may be unknown.
fn is_calendar_date(date: &Date) -> bool {
    let or_first = |it: i32| if it == 0 { 1 } else { it };
    let part = |it: i32| i8::try_from(or_first(it)).ok();
    let (Ok(year), Some(month), Some(day)) =
        (i16::try_from(or_first(date.year)), part(date.month), part(date.day))
    else {
        return false;
    };
    let has_gap = date.month == 0 && date.day != 0 || date.year == 0 && date.month != 0;
    !has_gap && year > 0 && jiff::civil::Date::new(year, month, day).is_ok()
}
