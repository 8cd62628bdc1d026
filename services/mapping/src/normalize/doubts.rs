//! What a clerk would doubt at a glance: years that nobody means, and a refusal without a reason.

use name_folding::is_invisible;
use proto::canonical::v1::{Canonical, Document, Moment, Status, canonical::Body, status};
use proto::message::v1::Finding;
use registry_client::day_in_vietnam;

use super::context::NormalizeContext;

/// Years between the day that a message names and the day on which it is read. Further away it is a
/// slip of typing more often than a document from an archive.
const YEARS_MAX: i32 = 30;

/// The findings of a message that is taken all the same.
pub(super) fn find(canonical: &Canonical, context: &NormalizeContext<'_>) -> Vec<Finding> {
    let (years, reasonless) = match &canonical.body {
        Some(Body::Document(it)) => (years_of_document(it), false),
        Some(Body::Status(it)) => (years_of_status(it), lacks_reason(it)),
        Some(Body::Receipt(_) | Body::DeliveryReport(_)) | None => return Vec::new(),
    };
    let today = context.day.get(..4).and_then(|it| it.parse().ok());
    let is_far =
        |year: i32| today.is_some_and(|it: i32| year.abs_diff(it) > YEARS_MAX.unsigned_abs());
    let far = years.into_iter().filter(|(_, year)| *year != 0 && is_far(*year));
    let mut findings: Vec<Finding> = far
        .map(|(path, year)| Finding {
            code: "LT-MAP-243".to_owned(),
            field: (context.native_path)(&path),
            text_vi: format!("Ghi năm {year}, cách hôm nay hơn {YEARS_MAX} năm; có thể gõ nhầm."),
            text_en: format!(
                "Says the year {year}, more than {YEARS_MAX} years from today; perhaps a slip of typing."
            ),
        })
        .collect();
    if reasonless {
        findings.push(Finding {
            code: "LT-MAP-244".to_owned(),
            field: (context.native_path)("text"),
            text_vi: "Trạng thái này cần nêu lý do, mà không có lý do nào.".to_owned(),
            text_en: "This status needs a reason, and none is given.".to_owned(),
        });
    }
    findings
}

/// Years by canonical path; 0 for what is not known.
type Years = Vec<(String, i32)>;

fn years_of_document(document: &Document) -> Years {
    let year = |it: &Option<proto::canonical::v1::Date>| it.map_or(0, |it| it.year);
    let mut years = vec![
        ("issued".to_owned(), year(&document.issued)),
        ("due".to_owned(), year(&document.due)),
    ];
    let due = document.recipients.iter().enumerate();
    years.extend(due.map(|(at, it)| (format!("recipients[{at}].due"), year(&it.due))));
    years
}

fn years_of_status(status: &Status) -> Years {
    let about = status.about.as_ref().and_then(|it| it.issued);
    vec![
        ("about.issued".to_owned(), about.map_or(0, |it| it.year)),
        ("at".to_owned(), status.at.as_ref().map_or(0, year_of)),
        ("due".to_owned(), status.due.map_or(0, |it| it.year)),
    ]
}

fn year_of(moment: &Moment) -> i32 {
    let seconds = moment.at.unwrap_or_default().seconds;
    let day = day_in_vietnam(seconds.saturating_mul(1_000_000));
    day.split('-').next().and_then(|it| it.parse().ok()).unwrap_or_default()
}

/// True for a refusal, or for a request to take a document back, that says no why: people on the
/// other side have to ask by telephone. (QCVN 102 StatusCode 02, 13 and 16)
fn lacks_reason(status: &Status) -> bool {
    let needs_reason = matches!(
        status.kind(),
        status::Kind::Rejected | status::Kind::RecallRequested | status::Kind::ChangeRefused
    );
    let says_something = |it: &str| it.chars().any(|it| !it.is_whitespace() && !is_invisible(it));
    let has_reason = status.reasons.iter().any(|it| {
        let code = it.code.as_ref();
        says_something(&it.text)
            || code.is_some_and(|it| says_something(&it.code) || says_something(&it.name))
    });
    needs_reason && !has_reason && !says_something(&status.text)
}
