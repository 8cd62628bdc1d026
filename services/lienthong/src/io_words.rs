//! Errors of the operating system in the reader's language.

use std::io::ErrorKind;

/// Kinds of errors, in Vietnamese and in English.
const WORDS: [(ErrorKind, &str, &str); 10] = [
    (ErrorKind::NotFound, "không có tệp hay thư mục này", "there is no such file or folder"),
    (ErrorKind::PermissionDenied, "không có quyền", "permission is denied"),
    (ErrorKind::IsADirectory, "đây là thư mục", "it is a folder"),
    (ErrorKind::NotADirectory, "đây không phải thư mục", "it is not a folder"),
    (ErrorKind::AlreadyExists, "đã có sẵn", "it exists already"),
    (ErrorKind::StorageFull, "đĩa đầy", "the disk is full"),
    (ErrorKind::ReadOnlyFilesystem, "đĩa chỉ cho đọc", "the disk is read-only"),
    (
        ErrorKind::ConnectionRefused,
        "không có gì chạy ở địa chỉ này",
        "nothing runs at this address",
    ),
    (ErrorKind::TimedOut, "không trả lời", "no answer"),
    (ErrorKind::InvalidData, "nội dung không phải văn bản", "the content is not a text"),
];

/// An error of the operating system in both languages; one that has no words here, in its own.
pub(crate) fn io_words(error: &std::io::Error) -> (String, String) {
    let kind = error.kind();
    let words = WORDS.iter().find(|(known, _, _)| *known == kind);
    let own = error.to_string();
    words.map_or_else(|| (own.clone(), own), |(_, vi, en)| ((*vi).to_owned(), (*en).to_owned()))
}
