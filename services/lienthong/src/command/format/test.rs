//! `format test`: runs the cases of formats, shipped ones or those beside a description.

use std::path::Path;

use formats::Format;
use formats::FormatRegistry;
use formats::cases::{Case, differences, run_base_case, run_case};
use proto::fault::v1::Fault;
use serde_json::json;

use crate::command::format::cases::{load_cases, shipped_cases};
use crate::command::format::description_file::{BaseFormat, load_description};
use crate::exit_status::ExitStatus;
use crate::output::Output;
use crate::table::Row;

/// The cases of one format after a run.
struct TestedFormat {
    name: String,
    total: usize,
    /// Cases with the files that differ.
    failed: Vec<(String, Vec<&'static str>)>,
}

/// Runs the cases of every shipped format, or of the format or description that is named.
pub(super) fn test_formats(
    output: Output,
    formats: &FormatRegistry,
    argument: Option<&str>,
) -> Result<ExitStatus, Fault> {
    let mut tested = Vec::new();
    match argument {
        Some(argument) if formats.get(argument).is_none() && Path::new(argument).exists() => {
            let loaded = load_description(output, Path::new(argument))?;
            let format = loaded.compile()?;
            let mut own = run_cases(&format, &load_cases(&loaded.path)?);
            if let Some(base) = &loaded.base {
                own.total += base.cases.len();
                own.failed.extend(run_base_cases(base, &format));
            }
            tested.push(own);
        }
        Some(name) => {
            let format = formats.choose(name, &[])?;
            tested.push(run_cases(format, &shipped_cases(format.name())));
        }
        None => tested.extend(formats.all().map(|it| run_cases(it, &shipped_cases(it.name())))),
    }
    let has_passed = tested.iter().all(|it| it.failed.is_empty());
    print_tested(output, &tested);
    Ok(if has_passed { ExitStatus::Done } else { ExitStatus::Refused })
}

fn run_cases(format: &Format, cases: &[Case]) -> TestedFormat {
    let failed = cases.iter().filter_map(|case| {
        let found = differences(case, &run_case(format, case));
        let files: Vec<_> = found.iter().map(|it| it.file).collect();
        (!files.is_empty()).then(|| (case.name.clone(), files))
    });
    TestedFormat { name: format.name().to_owned(), failed: failed.collect(), total: cases.len() }
}

/// The cases of the base that fail in a profile.
fn run_base_cases(base: &BaseFormat, profile: &Format) -> Vec<(String, Vec<&'static str>)> {
    let name = base.format.name();
    let is_failed = |case: &&Case| !run_base_case(&base.format, profile, case).failures.is_empty();
    let failed = base.cases.iter().filter(is_failed);
    failed.map(|it| (format!("{name}/{}", it.name), vec!["native"])).collect()
}

fn print_tested(output: Output, tested: &[TestedFormat]) {
    if output.json {
        let formats: Vec<_> = tested
            .iter()
            .map(|it| {
                let failed: Vec<_> = it
                    .failed
                    .iter()
                    .map(|(case, files)| json!({ "case": case, "files": files }))
                    .collect();
                json!({ "name": it.name, "cases": it.total, "failed": failed })
            })
            .collect();
        output.print_json(&json!({ "formats": formats }));
        return;
    }
    let rows: Vec<Row> = tested
        .iter()
        .map(|it| {
            let mark = if it.failed.is_empty() { "✓" } else { "✗" };
            let passed = format!("{}/{}", it.total - it.failed.len(), it.total);
            Row::from(vec![mark.to_owned(), it.name.clone(), passed])
        })
        .collect();
    let (format, cases) =
        (output.localize("Định dạng", "Format"), output.localize("Ca mẫu", "Cases"));
    output.print_table(&["", format, cases], &rows);
    for format in tested {
        for (case, files) in &format.failed {
            output.print_line(&format!("{} {case}: {}", format.name, files.join(", ")));
        }
    }
    let total: usize = tested.iter().map(|it| it.total).sum();
    let failed: usize = tested.iter().map(|it| it.failed.len()).sum();
    let (formats, cases) =
        (output.localize("định dạng", "formats"), output.localize("ca mẫu", "cases"));
    let count = tested.len();
    let mark = if failed == 0 { "✓" } else { "✗" };
    output.print_line(&format!("{mark} {count} {formats}, {}/{total} {cases}", total - failed));
}
