//! A ZIP archive inside a body, and what the body says of it.

use proto::fault::code;
use proto::fault::v1::Fault;

/// A ZIP in memory.
pub(super) type Archive<'a> = zip::ZipArchive<std::io::Cursor<&'a [u8]>>;

/// What a body says of a file beside its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SaidOfFile<'s> {
    /// The file's name; may be empty.
    pub(crate) name: &'s str,
    /// What the reader of a refusal knows the file by.
    pub(crate) label: &'s str,
    /// The media type in lower case; empty when none is said.
    pub(crate) media_type: &'s str,
    /// One of the fields beside the content says `application/zip`.
    pub(crate) says_zip: bool,
    /// The format has files as they are: only a name that stands for no ZIP shows a wrapping.
    pub(crate) is_raw: bool,
}

/// The refusal of a file that cannot be opened.
pub(super) fn invalid_file(name: &str, vi: &str, en: &str) -> Fault {
    Fault::new(&code::LT_MAP_010).param("name", name).violation(name, vi, en)
}

/// The refusal of a ZIP that cannot be read.
pub(super) fn damaged(label: &str) -> Fault {
    invalid_file(label, "tệp ZIP bị hỏng hoặc bị cắt", "the ZIP is damaged or cut off")
}

/// The number of entries in the end record of the central directory.
pub(super) fn entry_count(bytes: &[u8]) -> Option<usize> {
    let tail = bytes.get(bytes.len().saturating_sub(22 + 65_535)..)?;
    let end = tail.windows(4).rposition(|it| it == b"PK\x05\x06")?;
    let count = tail.get(end + 10..end + 12)?;
    Some(usize::from(u16::from_le_bytes(count.try_into().ok()?)))
}

/// The name of a compression that is no deflation (APPNOTE.TXT, section 4.4.5); none when the ZIP
/// is stored or deflated.
pub(super) fn foreign_compression(bytes: &[u8], header_start: u64) -> Option<String> {
    let begin = usize::try_from(header_start).ok()?;
    let method = bytes.get(begin + 8..begin + 10)?;
    let method = u16::from_le_bytes(method.try_into().ok()?);
    Some(match method {
        0 | 8 => return None,
        1 => "Shrink".to_owned(),
        2..=5 => "Reduce".to_owned(),
        6 => "Implode".to_owned(),
        9 => "Deflate64".to_owned(),
        12 => "bzip2".to_owned(),
        14 => "LZMA".to_owned(),
        20 | 93 => "Zstandard".to_owned(),
        95 => "xz".to_owned(),
        98 => "PPMd".to_owned(),
        99 => "AES".to_owned(),
        other => format!("{other}"),
    })
}
