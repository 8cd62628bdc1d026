//! What is said of a file whose content its name does not promise, or that was damaged.

use crate::content::file_type::{contradicted_name, shape_name, shape_of};
use crate::content::inspect::FileTraits;

/// A finding about a file: its code, and what is wrong, Vietnamese and English.
pub(crate) type FileFinding = (&'static str, String, String);

/// Judges a file by what its bytes show.
pub(crate) fn judge(traits: &FileTraits, name: &str) -> Option<FileFinding> {
    if traits.is_zeros {
        return Some((
            "LT-MAP-040",
            format!("Tệp “{name}” chỉ toàn byte 0: có lẽ đã chép khi tệp còn đang ghi."),
            format!("\"{name}\" holds zeros only: it was probably copied while being written."),
        ));
    }
    if traits.is_garbled {
        return Some((
            "LT-MAP-041",
            format!(
                "Tệp “{name}” hỏng: đã bị đọc ghi như văn bản, nên nhiều byte mất (U+FFFD, ?)."
            ),
            format!(
                "\"{name}\" is damaged: it passed through a text, which loses bytes (U+FFFD, ?)."
            ),
        ));
    }
    let (promised_vi, promised_en) = contradicted_name(&traits.head, name)?;
    let (vi, en) = shape_of(&traits.head).map_or(("nội dung khác", "something else"), shape_name);
    Some((
        "LT-MAP-040",
        format!("Tên “{name}” là của {promised_vi}, nội dung là {vi}."),
        format!("The name \"{name}\" is that of {promised_en}, the content is {en}."),
    ))
}
