//! The file that a command works on.

use std::fs;
use std::path::Path;

use proto::fault::v1::Fault;

use crate::fault::unreadable_path;
use crate::output::Output;
use crate::text_format::byte_count;

/// A longer file takes seconds, so a note is printed first.
const NOTE_BYTES_MIN: u64 = 16 << 20;

/// Reads a file.
pub(super) fn load(output: Output, path: &Path) -> Result<Vec<u8>, Fault> {
    let size = fs::metadata(path).map_or(0, |it| it.len());
    if size > NOTE_BYTES_MIN {
        let working = output.localize("Đang xử lý", "Working on");
        output.print_note(&format!("{working} {} ({})…", path.display(), byte_count(size)));
    }
    fs::read(path).map_err(|error| unreadable_path(path, &error))
}
