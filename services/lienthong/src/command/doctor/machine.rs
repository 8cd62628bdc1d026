//! What can be looked at without anybody else: the program itself and the folders it works in.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Finding;
use crate::screen::Screen;
use crate::settings::Settings;

pub(super) fn formats(screen: Screen) -> Finding {
    Finding {
        id: "formats",
        what: screen.say("Định dạng", "Formats"),
        outcome: formats::FormatRegistry::shipped()
            .map(|it| it.all().iter().map(formats::Format::name).collect::<Vec<_>>().join(", "))
            .map_err(|it| it.join("; ")),
        remedy: screen.say("Cài lại chương trình.", "Install the program again.").to_owned(),
    }
}

pub(super) fn catalogue(screen: Screen) -> Finding {
    let count = proto::fault::catalog().len();
    Finding {
        id: "catalogue",
        what: screen.say("Danh mục lỗi", "Error catalogue"),
        outcome: Ok(format!("{count} {}", screen.say("mã", "codes"))),
        remedy: String::new(),
    }
}

/// The folder of bodies and uploads, and the registry's.
pub(super) fn folders(screen: Screen, settings: &Settings) -> [Finding; 2] {
    [data(screen, &settings.claims.folder), registry(screen, &settings.registry.folder)]
}

fn data(screen: Screen, folder: &Path) -> Finding {
    // The first start makes the last part of it.
    let there = folder.ancestors().find(|it| it.is_dir()).unwrap_or(Path::new("."));
    let probe = there.join(".lienthong-doctor");
    let written = fs::write(&probe, b"ok").and_then(|()| fs::remove_file(&probe));
    let outcome = match written {
        Err(error) => Err(format!("{}: {error}", there.display())),
        Ok(()) => Ok(match free_bytes(there) {
            None => there.display().to_string(),
            Some(free) => {
                format!("{}, {free} {}", there.display(), screen.say("byte trống", "bytes free"))
            }
        }),
    };
    Finding {
        id: "data_folder",
        what: screen.say("Thư mục dữ liệu", "Data folder"),
        outcome,
        remedy: screen
            .say(
                "Cho người dùng chạy lienthong quyền ghi, hoặc nêu thư mục khác bằng --data hay claims.folder.",
                "Let the user that runs lienthong write there, or name another by --data or claims.folder.",
            )
            .to_owned(),
    }
}

/// What `df`, which POSIX defines, says of the disk under a folder.
fn free_bytes(folder: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pk").arg(folder).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let free: u64 = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(free * 1024)
}

fn registry(screen: Screen, folder: &Path) -> Finding {
    let checked = registry::check(folder, None);
    Finding {
        id: "registry_folder",
        what: screen.say("Thư mục sổ đăng ký", "Registry folder"),
        outcome: match checked {
            Ok(it) => Ok(format!(
                "{}, {} {}",
                folder.display(),
                it.organisations.len(),
                screen.say("cơ quan", "organisations")
            )),
            Err(it) => {
                Err(format!("{}: {} {}", folder.display(), it.len(), screen.say("lỗi", "mistakes")))
            }
        },
        remedy: format!("lienthong registry check {}", folder.display()),
    }
}
