//! Media type of a file: by its first bytes, else by the extension of its name.

/// Media types by extension.
const EXTENSIONS: [(&str, &str); 19] = [
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

/// Extensions of formats that are ZIP archives.
const ZIP_BASED: [&str; 9] =
    [".docx", ".xlsx", ".pptx", ".docm", ".xlsm", ".odt", ".ods", ".odp", ".jar"];
/// Extensions of formats that are OLE compound files.
const OLE_BASED: [&str; 3] = [".doc", ".xls", ".ppt"];

/// The media type of a file name's extension; none for an unknown extension.
pub(crate) fn media_type_of_name(file_name: &str) -> Option<&'static str> {
    let lower = file_name.to_lowercase();
    EXTENSIONS.iter().find(|(extension, _)| lower.ends_with(extension)).map(|(_, it)| *it)
}

/// The media type that the first bytes of a file show; the name decides between formats that share
/// a container (ZIP, OLE). None for unknown bytes.
pub(crate) fn media_type_of_content(head: &[u8], file_name: &str) -> Option<&'static str> {
    let lower = file_name.to_lowercase();
    let has_extension = |extensions: &[&str]| extensions.iter().any(|it| lower.ends_with(it));
    let signatures: [(&[u8], &str); 7] = [
        (b"%PDF-", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"<?xml", "application/xml"),
    ];
    if let Some((_, it)) = signatures.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(it);
    }
    if head.starts_with(b"PK\x03\x04") {
        return if has_extension(&ZIP_BASED) {
            media_type_of_name(file_name)
        } else {
            Some("application/zip")
        };
    }
    if head.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return if has_extension(&OLE_BASED) {
            media_type_of_name(file_name)
        } else {
            Some("application/x-ole-storage")
        };
    }
    None
}
