//! Checks of the program and of the folders it works in.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command::doctor::check::Check;
use crate::output::Output;
use crate::settings::Settings;

pub(super) fn check_formats(output: Output) -> Check {
    Check {
        id: "formats",
        title: output.localize("Định dạng", "Formats"),
        outcome: formats::FormatRegistry::shipped()
            .map(|it| it.all().iter().map(formats::Format::name).collect::<Vec<_>>().join(", "))
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

/// Checks the claim store's folder and the registry's.
pub(super) fn check_folders(output: Output, settings: &Settings) -> [Check; 2] {
    [
        check_data_folder(output, &settings.claims.folder),
        check_registry_folder(output, &settings.registry.folder),
    ]
}

fn check_data_folder(output: Output, folder: &Path) -> Check {
    // Before the first start, the folder itself does not exist: its nearest ancestor is checked.
    let existing = folder.ancestors().find(|it| it.is_dir()).unwrap_or(Path::new("."));
    let probe = existing.join(".lienthong-doctor");
    let written = fs::write(&probe, b"ok").and_then(|()| fs::remove_file(&probe));
    let outcome = match written {
        Err(error) => Err(format!("{}: {error}", existing.display())),
        Ok(()) => Ok(match free_bytes(existing) {
            None => existing.display().to_string(),
            Some(free) => {
                format!(
                    "{}, {free} {}",
                    existing.display(),
                    output.localize("byte trống", "bytes free")
                )
            }
        }),
    };
    Check {
        id: "data_folder",
        title: output.localize("Thư mục dữ liệu", "Data folder"),
        outcome,
        remedy: output
            .localize(
                "Cho người dùng chạy lienthong quyền ghi, hoặc nêu thư mục khác bằng --data hay claims.folder.",
                "Let the user that runs lienthong write there, or name another by --data or claims.folder.",
            )
            .to_owned(),
    }
}

/// The free space under a folder, by POSIX `df`.
fn free_bytes(folder: &Path) -> Option<u64> {
    let df = Command::new("df").arg("-Pk").arg(folder).output().ok()?;
    let text = String::from_utf8(df.stdout).ok()?;
    let free: u64 = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(free * 1024)
}

fn check_registry_folder(output: Output, folder: &Path) -> Check {
    let checked = registry::check(folder, None);
    Check {
        id: "registry_folder",
        title: output.localize("Thư mục sổ đăng ký", "Registry folder"),
        outcome: match checked {
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
