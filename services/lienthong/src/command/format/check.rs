//! `format check`: compiles a description, runs its cases and writes their expected files.

use std::fs;
use std::path::{Path, PathBuf};

use formats::cases::{
    BaseCaseOutcome, Case, CaseDifference, CaseOutcome, DifferenceLine, differences, run_base_case,
    run_case, untouched,
};
use formats::{Format, SourceMistake, SourcePosition};
use proto::fault::code;
use serde_json::{Value, json};

use crate::command::format::cases::load_cases;
use crate::command::format::description_file::{DescriptionText, load_description};
use crate::command::format::summary::format_json;
use crate::exit_status::ExitStatus;
use crate::fault::unwritable_path;
use crate::output::Output;

/// A description after its check.
struct CheckedDescription {
    loaded: DescriptionText,
    /// Mistakes of the description itself.
    mistakes: Vec<SourceMistake>,
    /// The compiled format; none when a mistake refuses it.
    format: Option<Format>,
    /// Each case with its differences.
    cases: Vec<(Case, Vec<CaseDifference>)>,
    /// Each case of the base of a profile.
    base_cases: Vec<(String, BaseCaseOutcome)>,
    /// What no case touches.
    untouched: Vec<SourceMistake>,
    /// Expected files that were written.
    written: Vec<PathBuf>,
}

impl CheckedDescription {
    fn failed(&self) -> usize {
        let own = self.cases.iter().filter(|(_, it)| !it.is_empty()).count();
        own + self.base_cases.iter().filter(|(_, it)| !it.failures.is_empty()).count()
    }

    fn total(&self) -> usize {
        self.cases.len() + self.base_cases.len()
    }

    fn has_passed(&self) -> bool {
        self.format.is_some() && self.failed() == 0 && self.untouched.is_empty()
    }
}

/// Checks a description or a profile, and prints every mistake. With `is_blessed` the expected files
/// of its cases are written from the results.
///
/// What no case touches refuses it here, where its author asks. A running system loads it all the
/// same: a format that works is not taken from its users because a case is missing.
pub(super) fn check_description(
    output: Output,
    path: &Path,
    is_blessed: bool,
) -> anyhow::Result<ExitStatus> {
    let loaded = load_description(output, path)?;
    let (format, mistakes) = match &loaded.description {
        Ok(text) => Format::check(text),
        Err(mistakes) => (None, mistakes.clone()),
    };
    let mut checked = CheckedDescription {
        loaded,
        mistakes,
        format,
        cases: Vec::new(),
        base_cases: Vec::new(),
        untouched: Vec::new(),
        written: Vec::new(),
    };
    run_all_cases(&mut checked, is_blessed)?;
    if checked.loaded.base.is_some() {
        // The text that a profile stands for has no lines that its author could look at.
        let own = checked.mistakes.iter_mut().chain(&mut checked.untouched);
        own.for_each(|it| it.position = SourcePosition { line: 1, column: 1 });
    }
    if output.json {
        output.print_json(&checked_json(&checked));
    } else {
        print_text(output, &checked);
    }
    Ok(if checked.has_passed() { ExitStatus::Done } else { ExitStatus::Refused })
}

/// Runs the own cases, and those of the base of a profile, whose differences they must survive.
fn run_all_cases(checked: &mut CheckedDescription, is_blessed: bool) -> anyhow::Result<()> {
    let Some(format) = &checked.format else { return Ok(()) };
    let run = |case: Case| {
        let outcome = run_case(format, &case);
        (case, outcome)
    };
    let mut run: Vec<_> = load_cases(&checked.loaded.path)?.into_iter().map(run).collect();
    for (case, outcome) in &run {
        let mut found = differences(case, outcome);
        if is_blessed && !found.is_empty() {
            checked.written.extend(bless(&checked.loaded.path, case, outcome)?);
            found.clear();
        }
        checked.cases.push((case.clone(), found));
    }
    if let Some(base) = &checked.loaded.base {
        for case in &base.cases {
            let outcome = run_base_case(&base.format, format, case);
            run.extend(outcome.native.iter().map(|native| written_case(case, native)));
            checked.base_cases.push((case.name.clone(), outcome));
        }
    }
    let description = checked.loaded.description.as_deref().unwrap_or_default();
    checked.untouched = untouched(format, description, &run);
    Ok(())
}

/// What a profile writes of a case of its base touches its rules in both directions.
fn written_case(case: &Case, native: &[u8]) -> (Case, CaseOutcome) {
    let outcome = CaseOutcome { native: native.to_vec(), ..CaseOutcome::default() };
    (Case { native: native.to_vec(), ..case.clone() }, outcome)
}

/// Writes the expected files of a case from its result; returns those that changed.
pub(super) fn bless(
    description: &Path,
    case: &Case,
    outcome: &CaseOutcome,
) -> anyhow::Result<Vec<PathBuf>> {
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

fn checked_json(checked: &CheckedDescription) -> Value {
    let case_json = |(case, found): &(Case, Vec<CaseDifference>)| {
        let differences: Vec<_> = found.iter().map(difference_json).collect();
        json!({ "name": case.name, "class": case.class.trim(), "differences": differences })
    };
    let base_case_json = |(name, outcome): &(String, BaseCaseOutcome)| {
        let failures: Vec<_> =
            outcome.failures.iter().map(|(vi, en)| json!({ "vi": vi, "en": en })).collect();
        json!({ "name": name, "differences": outcome.differences, "failures": failures })
    };
    let file = checked.loaded.path.display().to_string();
    let all = checked.mistakes.iter().chain(&checked.untouched);
    json!({
        "mistakes": all.map(|it| mistake_json(it, &file)).collect::<Vec<_>>(),
        "format": checked.format.as_ref().map(format_json),
        "base": checked.loaded.base.as_ref().map(|it| it.format.name()),
        "cases": checked.cases.iter().map(case_json).collect::<Vec<_>>(),
        "base_cases": checked.base_cases.iter().map(base_case_json).collect::<Vec<_>>(),
        "written": checked.written.iter().map(|it| it.display().to_string()).collect::<Vec<_>>(),
    })
}

fn mistake_json(mistake: &SourceMistake, file: &str) -> Value {
    let SourcePosition { line, column } = mistake.position;
    json!({
        "code": mistake.code.code,
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

fn print_text(output: Output, checked: &CheckedDescription) {
    checked.mistakes.iter().for_each(|it| print_mistake(output, checked, it));
    for (case, found) in checked.cases.iter().filter(|(_, it)| !it.is_empty()) {
        found.iter().for_each(|it| print_difference(output, checked, (&case.name, it)));
    }
    for (case, outcome) in &checked.base_cases {
        print_base_case(output, case, outcome);
    }
    print_untouched(output, checked);
    if !checked.written.is_empty() {
        output.print_line(output.localize("Đã ghi:", "Written:"));
        checked.written.iter().for_each(|it| output.print_line(&format!("  {}", it.display())));
    }
    match &checked.format {
        Some(it) => print_result(output, checked, it),
        None => {
            let mistakes = output.localize("lỗi", "mistakes");
            output.print_note(&format!("✗ {} {mistakes}", checked.mistakes.len()));
        }
    }
}

/// Prints how the cases of a description that compiles went.
fn print_result(output: Output, checked: &CheckedDescription, format: &Format) {
    let (total, failed) = (checked.total(), checked.failed());
    let cases = output.localize("ca mẫu", "cases");
    if total == 0 {
        output.print_note(output.localize(
            "Chưa có ca mẫu: đặt một tệp thật vào cases/TÊN/native.json (hay .xml, .csv), rồi chạy lại với --bless.",
            "There are no cases: put a real file into cases/NAME/native.json (or .xml, .csv), then run again with --bless.",
        ));
    }
    if failed > 0 {
        output.print_note(&format!("✗ {}/{total} {cases}", total - failed));
        let code = &code::LT_FMT_017;
        let remedy = output.localize(code.remedy.vi, code.remedy.en);
        output.print_note(&format!("{}: {remedy}", code.code));
    } else if checked.untouched.is_empty() {
        output.print_line(&format!("✓ {} v{}, {total} {cases}", format.name(), format.version()));
    } else {
        let parts =
            output.localize("phần không có ca mẫu nào đi qua", "parts that no case touches");
        output.print_note(&format!("✗ {total} {cases}, {} {parts}", checked.untouched.len()));
        output.print_note(output.localize(
            "Hệ thống đang chạy vẫn nạp mô tả này; kiểm tra chỉ đạt khi mỗi phần có ca mẫu.",
            "A running system loads this description all the same; the check passes once each part has a case.",
        ));
    }
}

/// Prints what a profile does to a case of its base, where it does something.
fn print_base_case(output: Output, case: &str, outcome: &BaseCaseOutcome) {
    for it in &outcome.differences {
        output.print_note(&format!("  {case}: {it}"));
    }
    for (vi, en) in &outcome.failures {
        output.print_line(&format!("✗ {case}: {}", output.localize(vi, en)));
    }
}

/// Prints a mistake: where, the line with a mark under the place, what, why, what to do.
fn print_mistake(output: Output, checked: &CheckedDescription, mistake: &SourceMistake) {
    let SourcePosition { line, column } = mistake.position;
    let code = mistake.code;
    let heading = format!(
        "{}:{line}:{column}: {}  {}",
        checked.loaded.path.display(),
        code.code,
        mistake.subject
    );
    output.print_line(heading.trim_end());
    let index = usize::try_from(line).unwrap_or_default().checked_sub(1);
    if let Some(source) = index.and_then(|it| checked.loaded.text.lines().nth(it)) {
        let before = usize::try_from(column).unwrap_or_default().saturating_sub(1);
        output.print_line(&format!("  | {source}"));
        output.print_line(&format!("  | {}^", " ".repeat(before)));
    }
    output.print_line(&format!("  {}", mistake.text_vi));
    output.print_line(&format!("    {} {}", code.cause.vi, code.remedy.vi));
    output.print_line(&format!("  {}", mistake.text_en));
    output.print_line(&format!("    {} {}", code.cause.en, code.remedy.en));
}

/// Prints what no case touches in one row each, and what to do once.
fn print_untouched(output: Output, checked: &CheckedDescription) {
    for it in &checked.untouched {
        let SourcePosition { line, column } = it.position;
        let path = checked.loaded.path.display();
        let text = output.localize(&it.text_vi, &it.text_en);
        output.print_line(&format!("{path}:{line}:{column}: {}  {text}", it.code.code));
    }
    if let Some(it) = checked.untouched.first() {
        let remedy = output.localize(it.code.remedy.vi, it.code.remedy.en);
        output.print_note(&format!("{}: {remedy}", it.code.code));
    }
}

fn print_difference(
    output: Output,
    checked: &CheckedDescription,
    (case, difference): (&str, &CaseDifference),
) {
    let path = checked.loaded.path.with_file_name("cases").join(case).join(difference.file);
    let expected = output.localize("- tệp mong đợi, + kết quả", "- expected file, + result");
    output.print_line(&format!("{}: {}  ({expected})", path.display(), code::LT_FMT_017.code));
    for it in &difference.lines {
        output.print_line(&format!("  {}", line_text(it)));
    }
}
