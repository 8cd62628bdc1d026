//! Cases of a format: examples with their expected result, checked in both directions.
//!
//! A case consists of native bytes, the canonical JSON of each message that they decode to, and a class:
//!
//! - `exact`: encoding the message gives the same bytes;
//! - `same`: encoding and decoding it again gives the same message, without losses;
//! - `report`: the outcome lists the losses of encoding it;
//! - `refused`: the outcome has the code and the violations; there is no canonical JSON.
//!
//! A body of several records has the outcomes of all; one in which a record is refused and another is
//! not is a `report`. The outcome lists findings too. A case whose class is weaker than its result is
//! a failure as well.

mod again;
mod base_case;
mod case;
mod coverage;
mod difference;

pub use base_case::{BaseCaseOutcome, run_base_case};
pub use case::{Case, CaseOutcome};
pub use coverage::untouched;
pub use difference::{CaseDifference, DifferenceLine, differences};

use proto::canonical::v1::{Canonical, canonical::Body};
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;

use crate::canonical_json;
use crate::cases::again::{decode_again, written_at};
use crate::content::MemoryBlobs;
use crate::format::{DecodedMessage, Format};

/// A failed case, or a mistake in the description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFailure {
    /// Name of the case; empty for the description.
    pub case: String,
    /// Vietnamese, then English.
    pub text: String,
}

/// Compiles a description and runs its cases; returns every failure.
pub fn check_cases(description: &str, cases: &[Case]) -> Vec<CaseFailure> {
    let format = match Format::compile(description) {
        Ok(format) => format,
        Err(mistakes) => {
            return mistakes
                .into_iter()
                .map(|it| CaseFailure { case: String::new(), text: it.to_string() })
                .collect();
        }
    };
    cases.iter().flat_map(|case| compare(case, &run_case(&format, case))).collect()
}

/// The differences between the expected and the actual result.
fn compare(case: &Case, actual: &CaseOutcome) -> Vec<CaseFailure> {
    let failure = |text: String| CaseFailure { case: case.name.clone(), text };
    let mut failures = Vec::new();
    if case.class.trim() != actual.class {
        failures.push(failure(format!(
            "loại là `{}`, đáng lẽ `{1}` / the class is `{0}`, it should be `{1}`",
            case.class.trim(),
            actual.class
        )));
    }
    let mut compare_text = |name: &str, expected: &str, actual: &str| {
        if expected.trim_end() != actual.trim_end() {
            let lines = expected.lines().zip(actual.lines());
            let line = lines.take_while(|(expected, actual)| expected == actual).count() + 1;
            let line_of = |it: &str| it.lines().nth(line - 1).unwrap_or_default().trim().to_owned();
            failures.push(failure(format!(
                "{name}:{line}: ghi `{expected}`, thực tế `{actual}` / says `{expected}`, is `{actual}`",
                expected = line_of(expected),
                actual = line_of(actual)
            )));
        }
    };
    compare_text("outcome", &case.outcome, &actual.outcome);
    let expected = case.canonical.as_deref().unwrap_or_default();
    compare_text("canonical.json", expected, actual.canonical.as_deref().unwrap_or_default());
    failures
}

/// Decodes a case, encodes each of its messages again, and returns the result of all.
pub fn run_case(format: &Format, case: &Case) -> CaseOutcome {
    let mut files = MemoryBlobs::default();
    let declared: Vec<_> =
        case.files.iter().map(|(name, bytes)| files.declare(name, bytes)).collect();
    let records = match format.decode_records(&case.native, &declared, &mut files) {
        Ok(records) => records,
        Err(fault) => return refusal(&fault),
    };
    let outcomes = records.into_iter().map(|it| match it.outcome {
        Ok(message) => encode_again(format, case, (message, &declared), &mut files),
        Err(fault) => refusal(&fault),
    });
    let joined = outcomes.reduce(join);
    joined.unwrap_or_else(|| CaseOutcome { class: "refused", ..CaseOutcome::default() })
}

/// The results of a record and of those before it. A message alone is never all of a body, so
/// several are the same at best.
fn join(before: CaseOutcome, next: CaseOutcome) -> CaseOutcome {
    let has_class = |class: &str| [before.class, next.class].map(|it| it == class);
    let class = match (has_class("refused"), has_class("report")) {
        ([true, true], _) => "refused",
        ([false, false], [false, false]) => "same",
        _ => "report",
    };
    let canonical =
        [before.canonical, next.canonical].into_iter().flatten().reduce(|it, next| it + &next);
    CaseOutcome {
        canonical,
        outcome: before.outcome + &next.outcome,
        native: [before.native, next.native].concat(),
        class,
    }
}

fn refusal(fault: &Fault) -> CaseOutcome {
    let mut outcome = format!("{}\n", fault.code);
    for it in &fault.violations {
        outcome += &format!("{}: {} / {}\n", it.field, it.description_vi, it.description_en);
    }
    CaseOutcome { outcome, class: "refused", ..CaseOutcome::default() }
}

fn encode_again(
    format: &Format,
    case: &Case,
    (mut decoded, declared): (DecodedMessage, &[DeclaredAttachment]),
    files: &mut MemoryBlobs,
) -> CaseOutcome {
    decoded.canonical.origin = None;
    let canonical = canonical_json::write(&decoded.canonical).ok().map(|it| it + "\n");
    let mut outcome: String = decoded
        .findings
        .iter()
        .map(|it| format!("{} {}: {}\n", it.code, it.field, it.text_en))
        .collect();
    let mut native = Vec::new();
    let losses = match format.encode(&decoded.canonical, written_at(), files, &mut native) {
        Ok(losses) => losses,
        Err(fault) => {
            outcome += &refusal(&fault).outcome;
            return CaseOutcome { canonical, outcome, native, class: "report" };
        }
    };
    for it in &losses {
        outcome +=
            &format!("{} {} {} {:?}\n", it.kind().as_str_name(), it.path, it.reason, it.value);
    }
    let class = if native == case.native {
        "exact"
    } else if losses.is_empty()
        && decode_again(format, (&native, declared), files).map(sort_leftovers)
            == Some(sort_leftovers(decoded.canonical))
    {
        "same"
    } else {
        "report"
    };
    CaseOutcome { canonical, outcome, native, class }
}

/// The message with its leftovers in the order of their places: they are written behind what the
/// rules write, so that their order in the native content changes.
fn sort_leftovers(mut canonical: Canonical) -> Canonical {
    let leftovers = match &mut canonical.body {
        Some(Body::Document(it)) => &mut it.leftovers,
        Some(Body::Status(it)) => &mut it.leftovers,
        Some(Body::DeliveryReport(it)) => &mut it.leftovers,
        Some(Body::Receipt(_)) | None => return canonical,
    };
    leftovers.iter_mut().for_each(|it| it.items.sort_by(|one, other| one.at.cmp(&other.at)));
    canonical
}
