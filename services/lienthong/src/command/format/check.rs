//! `format check`: compiles a description, runs its cases and writes their expected files.

use std::fs;
use std::path::{Path, PathBuf};

use formats::cases::{
    Case, CaseDifference, CaseOutcome, DifferenceLine, differences, run_case, untouched,
};
use formats::{Format, SourceMistake, SourcePosition};
use proto::fault::code;
use serde_json::{Value, json};

use crate::command::format::cases::load_cases;
use crate::command::format::input_file::load;
use crate::command::format::summary::format_json;
use crate::exit_status::ExitStatus;
use crate::fault::unwritable_path;
use crate::output::Output;

/// A description after its check.
struct CheckedDescription {
    path: PathBuf,
    text: String,
    /// Mistakes of the description itself, and what no case touches.
    mistakes: Vec<SourceMistake>,
    /// The compiled format; none when a mistake refuses it.
    format: Option<Format>,
    /// Each case with its differences.
    cases: Vec<(Case, Vec<CaseDifference>)>,
}

impl CheckedDescription {
    fn failed(&self) -> usize {
        self.cases.iter().filter(|(_, it)| !it.is_empty()).count()
    }

    fn has_passed(&self) -> bool {
        self.format.is_some() && self.failed() == 0
    }
}

/// Checks a description and prints every mistake. With `is_blessed` the expected files of its cases
/// are written from the results.
pub(super) fn check_description(
    output: Output,
    path: &Path,
    is_blessed: bool,
) -> anyhow::Result<ExitStatus> {
    let path = description_in(path);
    let text = String::from_utf8_lossy(&load(output, &path)?).into_owned();
    let (format, mut mistakes) = Format::check(&text);
    let mut cases = Vec::new();
    let mut written = Vec::new();
    if let Some(format) = &format {
        let loaded = load_cases(&path)?;
        let run: Vec<_> = loaded
            .into_iter()
            .map(|case| {
                let outcome = run_case(format, &case);
                (case, outcome)
            })
            .collect();
        mistakes.extend(untouched(format, &text, &run));
        for (case, outcome) in run {
            let found = differences(&case, &outcome);
            let found = if is_blessed && !found.is_empty() {
                written.extend(bless(&path, &case, &outcome)?);
                Vec::new()
            } else {
                found
            };
            cases.push((case, found));
        }
    }
    let checked = CheckedDescription { path, text, mistakes, format, cases };
    if output.json {
        output.print_json(&checked_json(&checked, &written));
    } else {
        print_text(output, &checked, &written);
    }
    Ok(if checked.has_passed() { ExitStatus::Done } else { ExitStatus::Refused })
}

/// The description itself, or the one in a folder.
fn description_in(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("description.yaml") } else { path.to_owned() }
}

/// Writes the expected files of a case from its result; returns those that changed.
fn bless(description: &Path, case: &Case, outcome: &CaseOutcome) -> anyhow::Result<Vec<PathBuf>> {
    let folder = description.with_file_name("cases").join(&case.name);
    let mut written = Vec::new();
    let mut write = |name: &str, text: &str| -> anyhow::Result<()> {
        let path = folder.join(name);
        if fs::read_to_string(&path).is_ok_and(|it| it.trim_end() == text.trim_end()) {
            return Ok(());
        }
        fs::write(&path, text).map_err(|error| unwritable_path(&path, &error))?;
        written.push(path);
        Ok(())
    };
    write("class", &format!("{}\n", outcome.class))?;
    write("outcome", &outcome.outcome)?;
    match &outcome.canonical {
        Some(canonical) => write("canonical.json", canonical)?,
        None => {
            let path = folder.join("canonical.json");
            if path.exists() {
                fs::remove_file(&path).map_err(|error| unwritable_path(&path, &error))?;
                written.push(path);
            }
        }
    }
    Ok(written)
}

fn checked_json(checked: &CheckedDescription, written: &[PathBuf]) -> Value {
    let cases: Vec<_> = checked
        .cases
        .iter()
        .map(|(case, found)| {
            let differences: Vec<_> = found.iter().map(difference_json).collect();
            json!({ "name": case.name, "class": case.class.trim(), "differences": differences })
        })
        .collect();
    let file = checked.path.display().to_string();
    json!({
        "mistakes": checked.mistakes.iter().map(|it| mistake_json(it, &file)).collect::<Vec<_>>(),
        "format": checked.format.as_ref().map(format_json),
        "cases": cases,
        "written": written.iter().map(|it| it.display().to_string()).collect::<Vec<_>>(),
    })
}

fn mistake_json(mistake: &SourceMistake, file: &str) -> Value {
    let SourcePosition { line, column } = mistake.position;
    json!({
        "code": mistake.code.code,
        "severity": if mistake.is_warning { "warning" } else { "error" },
        "file": file,
        "line": line,
        "column": column,
        "subject": mistake.subject,
        "text_vi": mistake.text_vi,
        "text_en": mistake.text_en,
        "cause_vi": mistake.code.cause.vi,
        "cause_en": mistake.code.cause.en,
        "remedy_vi": mistake.code.remedy.vi,
        "remedy_en": mistake.code.remedy.en,
    })
}

fn difference_json(difference: &CaseDifference) -> Value {
    let lines: Vec<String> = difference.lines.iter().map(line_text).collect();
    json!({ "code": code::LT_FMT_017.code, "file": difference.file, "lines": lines })
}

/// A line of a difference as `diff` marks it.
fn line_text(line: &DifferenceLine) -> String {
    match line {
        DifferenceLine::Same(it) => format!("  {it}"),
        DifferenceLine::Expected(it) => format!("- {it}"),
        DifferenceLine::Actual(it) => format!("+ {it}"),
        DifferenceLine::Gap(number) => format!("@ {number}"),
    }
}

fn print_text(output: Output, checked: &CheckedDescription, written: &[PathBuf]) {
    let (warnings, errors): (Vec<_>, Vec<_>) =
        checked.mistakes.iter().partition(|it| it.is_warning);
    errors.iter().for_each(|it| print_mistake(output, checked, it));
    print_warnings(output, checked, &warnings);
    for (case, found) in checked.cases.iter().filter(|(_, it)| !it.is_empty()) {
        found.iter().for_each(|it| print_difference(output, checked, (&case.name, it)));
    }
    if !written.is_empty() {
        output.print_line(output.localize("Đã ghi:", "Written:"));
        written.iter().for_each(|it| output.print_line(&format!("  {}", it.display())));
    }
    let (total, failed) = (checked.cases.len(), checked.failed());
    let cases = output.localize("ca mẫu", "cases");
    match &checked.format {
        Some(it) if failed == 0 => {
            output.print_line(&format!("✓ {} v{}, {total} {cases}", it.name(), it.version()));
            if total == 0 {
                output.print_note(output.localize(
                    "Chưa có ca mẫu: đặt một tệp thật vào cases/TÊN/native.json (hay .xml, .csv), rồi chạy lại với --bless.",
                    "There are no cases: put a real file into cases/NAME/native.json (or .xml, .csv), then run again with --bless.",
                ));
            }
        }
        Some(_) => {
            output.print_note(&format!("✗ {}/{total} {cases}", total - failed));
            let code = &code::LT_FMT_017;
            output.print_note(&format!(
                "{}: {}",
                code.code,
                output.localize(code.remedy.vi, code.remedy.en)
            ));
        }
        None => {
            let mistakes = output.localize("lỗi", "mistakes");
            output.print_note(&format!("✗ {} {mistakes}", errors.len()));
        }
    }
}

/// Prints a mistake: where, the line with a mark under the place, what, why, what to do.
fn print_mistake(output: Output, checked: &CheckedDescription, mistake: &SourceMistake) {
    let SourcePosition { line, column } = mistake.position;
    let code = mistake.code;
    let heading =
        format!("{}:{line}:{column}: {}  {}", checked.path.display(), code.code, mistake.subject);
    output.print_line(heading.trim_end());
    let index = usize::try_from(line).unwrap_or_default().checked_sub(1);
    if let Some(source) = index.and_then(|it| checked.text.lines().nth(it)) {
        let before = usize::try_from(column).unwrap_or_default().saturating_sub(1);
        output.print_line(&format!("  | {source}"));
        output.print_line(&format!("  | {}^", " ".repeat(before)));
    }
    output.print_line(&format!("  {}", mistake.text_vi));
    output.print_line(&format!("    {} {}", code.cause.vi, code.remedy.vi));
    output.print_line(&format!("  {}", mistake.text_en));
    output.print_line(&format!("    {} {}", code.cause.en, code.remedy.en));
}

/// Prints warnings in one row each, and what to do once.
fn print_warnings(output: Output, checked: &CheckedDescription, warnings: &[&SourceMistake]) {
    for it in warnings {
        let SourcePosition { line, column } = it.position;
        let warning = output.localize("cảnh báo", "warning");
        let text = output.localize(&it.text_vi, &it.text_en);
        output.print_note(&format!(
            "{}:{line}:{column}: {} ({warning})  {text}",
            checked.path.display(),
            it.code.code
        ));
    }
    let mut codes: Vec<_> = warnings.iter().map(|it| it.code).collect();
    codes.dedup_by_key(|it| it.code);
    for it in codes {
        output.print_note(&format!("{}: {}", it.code, output.localize(it.remedy.vi, it.remedy.en)));
    }
}

fn print_difference(
    output: Output,
    checked: &CheckedDescription,
    (case, difference): (&str, &CaseDifference),
) {
    let path = checked.path.with_file_name("cases").join(case).join(difference.file);
    let expected = output.localize("- tệp mong đợi, + kết quả", "- expected file, + result");
    output.print_line(&format!("{}: {}  ({expected})", path.display(), code::LT_FMT_017.code));
    for it in &difference.lines {
        output.print_line(&format!("  {}", line_text(it)));
    }
}
