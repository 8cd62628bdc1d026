//! `format new`: a first description with its first case, from a native sample.

use std::fs;
use std::path::{Path, PathBuf};

use formats::cases::Case;
use formats::{Draft, draft_description};
use proto::fault::code;
use proto::fault::v1::Fault;
use serde_json::json;

use crate::command::format::attachments::files_beside;
use crate::command::format::check::bless;
use crate::command::format::input_file::load;
use crate::exit_status::ExitStatus;
use crate::fault::unwritable_path;
use crate::output::Output;

/// Name of the case that the sample becomes.
const FIRST_CASE: &str = "mau";

/// Writes the description, the sample as its first case, and what the case gives.
pub(super) fn draft_format(
    output: Output,
    name: &str,
    (from, folder): (&Path, Option<&Path>),
) -> anyhow::Result<ExitStatus> {
    let target = folder.unwrap_or(Path::new(".")).join(name);
    if target.exists() {
        let fault = Fault::new(&code::LT_FMT_072);
        return Err(fault.param("folder", target.display().to_string()).into());
    }
    let native = load(output, from)?;
    let files = named_files(output, from, &native)?;
    let sample = Case { name: FIRST_CASE.to_owned(), native, files, ..Case::default() };
    let draft = draft_description(name, &sample)?;
    let written = write_draft(&target, from, &sample, &draft)?;
    print_draft(output, &target, &draft, &written);
    let is_read = draft.outcome.class != "refused";
    Ok(if is_read { ExitStatus::Done } else { ExitStatus::Partial })
}

/// The files that would be submitted with the sample, and those beside it, as far as it names them.
fn named_files(
    output: Output,
    from: &Path,
    native: &[u8],
) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let text = formats::readable_text(native);
    let mut paths = adapter_folder::attachments_beside(from)?;
    paths.extend(files_beside(from));
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for path in paths {
        let name = path.file_name().map(|it| it.to_string_lossy().into_owned());
        let name = name.filter(|it| text.contains(it.as_str()));
        let Some(name) = name.filter(|name| files.iter().all(|(it, _)| it != name)) else {
            continue;
        };
        files.push((name, load(output, &path)?));
    }
    Ok(files)
}

fn write_draft(
    target: &Path,
    from: &Path,
    sample: &Case,
    draft: &Draft,
) -> anyhow::Result<Vec<PathBuf>> {
    let description = target.join("description.yaml");
    let case = target.join("cases").join(FIRST_CASE);
    let extension = from.extension().map_or("txt".into(), |it| it.to_string_lossy());
    let mut written = Vec::new();
    let mut write = |path: PathBuf, bytes: &[u8]| -> anyhow::Result<()> {
        let folder = path.parent().unwrap_or(target);
        let outcome = fs::create_dir_all(folder).and_then(|()| fs::write(&path, bytes));
        outcome.map_err(|error| unwritable_path(&path, &error))?;
        written.push(path);
        Ok(())
    };
    write(description.clone(), draft.description.as_bytes())?;
    write(case.join(format!("native.{extension}")), &sample.native)?;
    for (name, bytes) in &sample.files {
        write(case.join("files").join(name), bytes)?;
    }
    written.extend(bless(&description, sample, &draft.outcome)?);
    Ok(written)
}

fn print_draft(output: Output, target: &Path, draft: &Draft, written: &[PathBuf]) {
    let paths: Vec<_> = written.iter().map(|it| it.display().to_string()).collect();
    if output.json {
        output.print_json(&json!({
            "folder": target.display().to_string(),
            "written": paths,
            "proposed": draft.proposed,
            "open": draft.open,
            "class": draft.outcome.class,
            "outcome": draft.outcome.outcome,
        }));
        return;
    }
    output.print_line(output.localize("Đã ghi:", "Written:"));
    paths.iter().for_each(|it| output.print_line(&format!("  {it}")));
    let proposed = output.localize("chỗ đã đề nghị", "places proposed");
    let open = output.localize("chỗ chờ bạn chọn", "places to be decided by you");
    output.print_line(&format!("{} {proposed}, {} {open}", draft.proposed, draft.open));
    if draft.outcome.class == "refused" {
        output.print_note(
            output.localize("Tệp mẫu còn bị từ chối vì:", "The sample is still refused because:"),
        );
        output.print_note(&draft.outcome.outcome);
    }
    output.print_note(&format!(
        "{}: lienthong format check {}",
        output.localize("Tiếp theo: đọc lại từng dòng, rồi", "Next: read every line, then"),
        target.display()
    ));
}
