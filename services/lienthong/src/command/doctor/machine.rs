//! Checks of the program and of the folders it works in.

use std::fs;
use std::path::Path;

use chassis::disk::{DiskLevel, read_usage};
use proto::fault::Lang;

use crate::command::doctor::check::Check;
use crate::command::doctor::formats_state::description_mistake;
use crate::command::registry::state::waiting_fault;
use crate::format_engine;
use crate::output::Output;
use crate::settings::Settings;

pub(super) fn check_formats(output: Output) -> Check {
    Check {
        id: "formats",
        title: output.localize("Định dạng", "Formats"),
        outcome: formats::FormatRegistry::shipped()
            .map(|it| it.all().map(formats::Format::name).collect::<Vec<_>>().join(", "))
            .map_err(|it| it.join("; ")),
        remedy: output.localize("Cài lại chương trình.", "Install the program again.").to_owned(),
    }
}

pub(super) fn check_catalog(output: Output) -> Check {
    let count = proto::fault::catalog().len();
    Check {
        id: "catalogue",
        title: output.localize("Danh mục lỗi", "Error catalogue"),
        outcome: Ok(format!("{count} {}", output.localize("mã", "codes"))),
        remedy: String::new(),
    }
}

/// Checks the folders of the claim store, of an SQLite database, and of the registry.
pub(super) fn check_folders(output: Output, settings: &Settings) -> Vec<Check> {
    let data = output.localize("Thư mục dữ liệu", "Data folder");
    let mut checks =
        vec![check_folder(output, settings, ("data_folder", data, &settings.claims.folder))];
    let database = settings.journal.database.reveal();
    if !database.contains("://")
        && let Some(folder) = Path::new(database).parent()
    {
        let title = output.localize("Đĩa của cơ sở dữ liệu", "The database's disk");
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        checks.push(check_folder(output, settings, ("database_folder", title, folder)));
    }
    checks.push(check_registry_folder(output, &settings.registry));
    checks.push(check_formats_folder(output, &settings.formats));
    checks
}

/// Bytes of a gigabyte.
const GB: u64 = 1_000_000_000;

/// Checks that a folder can be written and that its disk has more than the critical space.
fn check_folder(
    output: Output,
    settings: &Settings,
    (id, title, folder): (&'static str, &'static str, &Path),
) -> Check {
    // Before the first start, the folder itself does not exist: its nearest ancestor is checked.
    let existing = folder.ancestors().find(|it| it.is_dir()).unwrap_or(Path::new("."));
    let probe = existing.join(".lienthong-doctor");
    let written = fs::write(&probe, b"ok").and_then(|()| fs::remove_file(&probe));
    let outcome = match written.and_then(|()| read_usage(existing)) {
        Err(error) => Err(format!("{}: {error}", existing.display())),
        Ok(usage) => {
            let gigabytes = |bytes: u64| format!("{},{} GB", bytes / GB, bytes % GB * 10 / GB);
            let (free, total) = (gigabytes(usage.free_bytes), gigabytes(usage.total_bytes));
            let space = match output.lang {
                Lang::Vi => {
                    format!("còn trống {free} trên {total}, còn tạo được {} tệp", usage.free_inodes)
                }
                Lang::En => format!("{free} of {total} free, room for {} files", usage.free_inodes),
            };
            let text = format!("{}: {space}", existing.display());
            // A warning does not stop anything, and is seen in the numbers.
            if usage.level(&settings.disk) == DiskLevel::Critical { Err(text) } else { Ok(text) }
        }
    };
    Check {
        id,
        title,
        outcome,
        remedy: output
            .localize(
                "Giải phóng chỗ trên đĩa này, hoặc cho người dùng chạy lienthong quyền ghi; hoặc nêu thư mục khác bằng --data, claims.folder hay journal.database.",
                "Free space on this disk, or let the user that runs lienthong write there; or name another folder by --data, claims.folder or journal.database.",
            )
            .to_owned(),
    }
}

/// Checks the descriptions that are loaded beside the shipped ones.
fn check_formats_folder(output: Output, config: &registry::FormatsConfig) -> Check {
    let folder = config.folder.display();
    let outcome = match format_engine::check_formats_folder(config) {
        Err(error) => Err(format!("{error:#}")),
        Ok(checked) if !checked.mistakes.is_empty() => {
            let all = checked.mistakes.iter();
            let texts = all.map(|it| description_mistake(output, &it.file, &it.fault));
            Err(format!("{folder}: {}", texts.collect::<Vec<_>>().join("; ")))
        }
        Ok(checked) => {
            let loaded = output.localize("định dạng nạp thêm", "loaded formats");
            Ok(format!("{folder}, {} {loaded}", checked.formats.len()))
        }
    };
    Check {
        id: "formats_folder",
        title: output.localize("Thư mục định dạng", "Formats folder"),
        outcome,
        remedy: "lienthong format check".to_owned(),
    }
}

fn check_registry_folder(output: Output, config: &registry::Config) -> Check {
    let folder = &config.folder;
    let checked = registry::check(folder, None);
    let losses = registry::find_waiting_losses(folder, &config.state_file);
    Check {
        id: "registry_folder",
        title: output.localize("Thư mục sổ đăng ký", "Registry folder"),
        outcome: match checked {
            Ok(_) if losses.is_some() => {
                let fault = waiting_fault(output, &losses.unwrap_or_default());
                Err(format!("{}: {}", fault.code, fault.title(output.lang)))
            }
            Ok(it) => Ok(format!(
                "{}, {} {}",
                folder.display(),
                it.organisations.len(),
                output.localize("cơ quan", "organisations")
            )),
            Err(it) => Err(format!(
                "{}: {} {}",
                folder.display(),
                it.len(),
                output.localize("lỗi", "mistakes")
            )),
        },
        remedy: format!("lienthong registry check {}", folder.display()),
    }
}
