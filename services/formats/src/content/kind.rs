//! What a file is: by its first bytes where they tell, by its name where they do not.

/// Endings and the types that go with them.
const NAMES: [(&str, &str); 19] = [
    (".pdf", "application/pdf"),
    (".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    (".docm", "application/vnd.ms-word.document.macroEnabled.12"),
    (".xlsm", "application/vnd.ms-excel.sheet.macroEnabled.12"),
    (".odt", "application/vnd.oasis.opendocument.text"),
    (".ods", "application/vnd.oasis.opendocument.spreadsheet"),
    (".odp", "application/vnd.oasis.opendocument.presentation"),
    (".jar", "application/java-archive"),
    (".zip", "application/zip"),
    (".doc", "application/msword"),
    (".xls", "application/vnd.ms-excel"),
    (".ppt", "application/vnd.ms-powerpoint"),
    (".txt", "text/plain"),
    (".xml", "application/xml"),
    (".edxml", "application/xml"),
    (".png", "image/png"),
    (".jpg", "image/jpeg"),
];

/// Endings of files that are a ZIP inside, and of those that are an OLE file inside.
const ZIPPED: [&str; 9] =
    [".docx", ".xlsx", ".pptx", ".docm", ".xlsm", ".odt", ".ods", ".odp", ".jar"];
const OLE: [&str; 3] = [".doc", ".xls", ".ppt"];

/// The media type that goes with a name; none: it tells nothing.
pub(crate) fn by_name(file_name: &str) -> Option<&'static str> {
    let lower = file_name.to_lowercase();
    NAMES.iter().find(|(ending, _)| lower.ends_with(ending)).map(|(_, it)| *it)
}

/// The media type that the first bytes of a file show, helped by its name where several share
/// them; none: they show nothing.
pub(crate) fn by_content(head: &[u8], file_name: &str) -> Option<&'static str> {
    let lower = file_name.to_lowercase();
    let one_of = |endings: &[&str]| endings.iter().any(|it| lower.ends_with(it));
    let known: [(&[u8], &str); 7] = [
        (b"%PDF-", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"<?xml", "application/xml"),
    ];
    if let Some((_, it)) = known.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(it);
    }
    if head.starts_with(b"PK\x03\x04") {
        return if one_of(&ZIPPED) { by_name(file_name) } else { Some("application/zip") };
    }
    if head.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return if one_of(&OLE) { by_name(file_name) } else { Some("application/x-ole-storage") };
    }
    None
}
