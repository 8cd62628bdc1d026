//! `format check`: compiles a description and runs its cases.

use std::path::Path;

use formats::Format;
use formats::cases::{Case, check_cases};
use serde_json::json;

use crate::command::format::cases::load_cases;
use crate::command::format::input_file::load;
use crate::command::format::summary::format_json;
use crate::exit_status::ExitStatus;
use crate::output::Output;

/// A description after its check.
struct CheckedDescription {
    /// Mistakes of the description itself.
    mistakes: Vec<String>,
    /// The compiled format; none when there are mistakes.
    format: Option<Format>,
    /// Each case with its mistakes.
    cases: Vec<(Case, Vec<String>)>,
}

/// Checks a description and prints every mistake.
pub(super) fn check_description(output: Output, path: &Path) -> anyhow::Result<ExitStatus> {
    let text = String::from_utf8_lossy(&load(output, path)?).into_owned();
    let checked = match Format::compile(&text) {
        Ok(format) => {
            let cases = run_cases(&text, load_cases(path)?);
            CheckedDescription { mistakes: Vec::new(), format: Some(format), cases }
        }
        Err(mistakes) => {
            let mistakes = mistakes.iter().map(ToString::to_string).collect();
            CheckedDescription { mistakes, format: None, cases: Vec::new() }
        }
    };
    let failed = checked.cases.iter().filter(|(_, mistakes)| !mistakes.is_empty()).count();
    if output.json {
        print_json(output, &checked);
    } else {
        print_text(output, path, &checked, failed);
    }
    let passed = checked.format.is_some() && failed == 0;
    Ok(if passed { ExitStatus::Done } else { ExitStatus::Refused })
}

fn run_cases(description: &str, cases: Vec<Case>) -> Vec<(Case, Vec<String>)> {
    let mistakes = check_cases(description, &cases);
    let mistakes_of = |case: &Case| {
        mistakes.iter().filter(|it| it.case == case.name).map(|it| it.text.clone()).collect()
    };
    cases
        .into_iter()
        .map(|it| {
            let mistakes = mistakes_of(&it);
            (it, mistakes)
        })
        .collect()
}

fn print_json(output: Output, checked: &CheckedDescription) {
    let cases: Vec<_> = checked
        .cases
        .iter()
        .map(|(case, mistakes)| json!({ "name": case.name, "mistakes": mistakes }))
        .collect();
    let format = checked.format.as_ref().map(format_json);
    let mistakes = &checked.mistakes;
    output.print_json(&json!({ "mistakes": mistakes, "format": format, "cases": cases }));
}

fn print_text(output: Output, path: &Path, checked: &CheckedDescription, failed: usize) {
    for it in &checked.mistakes {
        output.print_line(&format!("{}: {it}", path.display()));
    }
    for (case, mistakes) in &checked.cases {
        for it in mistakes {
            output.print_line(&format!("{}: {it}", case.name));
        }
    }
    let cases = output.localize("ca mẫu", "cases");
    let total = checked.cases.len();
    match &checked.format {
        Some(it) if failed == 0 => {
            output.print_line(&format!("✓ {} v{}, {total} {cases}", it.name(), it.version()));
        }
        Some(_) => output.print_note(&format!("✗ {}/{total} {cases}", total - failed)),
        None => {
            let mistakes = output.localize("lỗi", "mistakes");
            output.print_note(&format!("✗ {} {mistakes}", checked.mistakes.len()));
        }
    }
}
