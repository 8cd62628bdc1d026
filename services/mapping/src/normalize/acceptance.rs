//! What a document must say in whatever format it comes.

use proto::canonical::v1::{Canonical, Date, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::Finding;

/// One thing that is wrong: canonical path, Vietnamese, English.
type Wrong = (&'static str, &'static str, &'static str);

/// A document has a subject, a number and a day of issue, or a finding that says what is odd about
/// that day. Everything that is missing is told at once.
pub(super) fn check(
    canonical: &Canonical,
    findings: &[Finding],
    place: &dyn Fn(&str) -> String,
) -> Result<(), Fault> {
    let Some(Body::Document(document)) = &canonical.body else { return Ok(()) };
    let mut wrong: Vec<Wrong> = Vec::new();
    if document.subject.trim().is_empty() {
        wrong.push(("subject", "Thiếu trích yếu.", "The subject is missing."));
    }
    let is_numbered = document.number.as_ref().is_some_and(|it| {
        [&it.number, &it.notation, &it.printed].iter().any(|it| !it.trim().is_empty())
    });
    if !is_numbered {
        wrong.push(("number", "Thiếu số, ký hiệu.", "Number and notation are missing."));
    }
    let is_told = |path: &str| findings.iter().any(|it| it.field == place(path));
    if document.issued.is_none_or(|it| it.year == 0) && !is_told("issued") {
        wrong.push(("issued", "Thiếu ngày ban hành.", "The day of issue is missing."));
    }
    for (path, day) in [("issued", document.issued), ("due", document.due)] {
        if !day.as_ref().is_none_or(is_real) {
            wrong.push((path, "Ngày không có thật.", "There is no such day."));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let fault = Fault::new(&code::LT_MAP_014);
    Err(wrong.into_iter().fold(fault, |fault, (path, vi, en)| fault.violation(place(path), vi, en)))
}

/// True for a day, a month or a year of the calendar; 0: not known.
fn is_real(date: &Date) -> bool {
    let known = |it: i32| if it == 0 { 1 } else { it };
    let part = |it: i32| i8::try_from(known(it)).ok();
    let (Ok(year), Some(month), Some(day)) =
        (i16::try_from(known(date.year)), part(date.month), part(date.day))
    else {
        return false;
    };
    let has_gap = date.month == 0 && date.day != 0 || date.year == 0 && date.month != 0;
    !has_gap && year > 0 && jiff::civil::Date::new(year, month, day).is_ok()
}
