//! Decodes a file from base64 and unwraps the ZIP that packets put it in.

use std::io::{self, Read};

use proto::fault::code;
use proto::fault::v1::Fault;
use secrecy_marks::find_in_file_name;
use sha2::{Digest as _, Sha256};

use crate::content::blob::{BlobDigest, BlobSink, HEAD_BYTES};
use crate::content::pack::is_entry_name;
use crate::limits::{UNZIP_RATIO_MAX, UNZIPPED_BYTES_MAX};

/// A file decoded from a body.
#[derive(Clone, Debug)]
pub(crate) struct UnpackedFile {
    pub(crate) digest: BlobDigest,
    /// First bytes, to recognise the media type.
    pub(crate) head: Vec<u8>,
    /// Number of bytes before a ZIP was unwrapped.
    pub(crate) packed_size: u64,
}

/// Bytes that the archives of one item may still expand to: the files of an item share one bound.
#[derive(Debug)]
pub(crate) struct UnpackBudget(pub(super) u64);

impl UnpackBudget {
    /// The bound of one item.
    pub(crate) fn per_item() -> Self {
        Self(UNZIPPED_BYTES_MAX)
    }
}

fn invalid_file(name: &str, vi: &str, en: &str) -> Fault {
    Fault::new(&code::LT_MAP_010).param("name", name).violation(name, vi, en)
}

/// The refusal of a file without content, whatever it is wrapped in (raw, in a ZIP, uploaded beside
/// the body): a receiver could not tell it from one that was lost on the way.
pub(crate) fn empty_file(name: &str, field: &str) -> Fault {
    let fault = Fault::new(&code::LT_MAP_010).param("name", name);
    fault.violation(field, "tệp rỗng, 0 byte", "the file is empty, 0 bytes")
}

/// Decodes base64 text into the sink; a ZIP that only wraps one file is unwrapped. The file may be
/// empty; the reader of the record refuses it with the path of its field.
pub(crate) fn unpack(
    text: &str,
    name: &str,
    budget: &mut UnpackBudget,
    sink: &mut dyn BlobSink,
) -> Result<UnpackedFile, Fault> {
    let bytes =
        proto::base64::decode(text).map_err(|error| invalid_file(name, &error.vi, &error.en))?;
    let packed_size = bytes.len() as u64;
    if bytes.starts_with(b"PK\x03\x04")
        && let Some(unwrapped) = unwrap_zip(&bytes, name, budget, sink)?
    {
        return Ok(UnpackedFile { packed_size, ..unwrapped });
    }
    copy_to_sink(&mut bytes.as_slice(), sink).map_err(|error| match error {
        CopyError::Source(error) | CopyError::Sink(error) => unwritten(&error),
    })
}

/// Why a file was not copied. A sink that fails says nothing about the sender's file.
enum CopyError {
    Source(io::Error),
    Sink(io::Error),
}

fn copy_to_sink(from: &mut dyn Read, sink: &mut dyn BlobSink) -> Result<UnpackedFile, CopyError> {
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut head = Vec::new();
    let mut block = vec![0; 48 * 1024];
    loop {
        match from.read(&mut block).map_err(CopyError::Source)? {
            0 => break,
            count => {
                let piece = block.get(..count).unwrap_or_default();
                let missing = HEAD_BYTES.saturating_sub(head.len()).min(count);
                head.extend_from_slice(piece.get(..missing).unwrap_or_default());
                hash.update(piece);
                size += count as u64;
                sink.write(piece).map_err(CopyError::Sink)?;
            }
        }
    }
    sink.finish().map_err(CopyError::Sink)?;
    let digest = BlobDigest { sha256: hash.finalize().into(), size };
    Ok(UnpackedFile { digest, head, packed_size: size })
}

/// The fault of a sink that did not take the bytes, which may be full.
fn unwritten(error: &io::Error) -> Fault {
    Fault::new(&code::LT_STO_004).detail(error.to_string())
}

type Archive<'a> = zip::ZipArchive<io::Cursor<&'a [u8]>>;

/// Unwraps the ZIP that a packet puts around a file. None: the ZIP is the file itself.
///
/// Office documents and Java archives are recognised by their entries. A file named `.zip` is one
/// itself, unless its only entry has the name that packets give to the wrapped file.
fn unwrap_zip(
    bytes: &[u8],
    name: &str,
    budget: &mut UnpackBudget,
    sink: &mut dyn BlobSink,
) -> Result<Option<UnpackedFile>, Fault> {
    let damaged =
        || invalid_file(name, "tệp ZIP bị hỏng hoặc bị cắt", "the ZIP is damaged or cut off");
    let mut archive = Archive::new(io::Cursor::new(bytes)).map_err(|_error| damaged())?;
    check_entry_names(&archive, name)?;
    if is_document(&archive) {
        return Ok(None);
    }
    let has_one_entry = archive.len() == 1 && entry_count(bytes).is_none_or(|it| it == 1);
    let is_named_zip = name.to_lowercase().ends_with(".zip");
    if is_named_zip
        && !(has_one_entry && archive.file_names().flatten().all(|it| is_entry_name(&it)))
    {
        return Ok(None);
    }
    if !has_one_entry {
        return Err(invalid_file(
            name,
            "ZIP phải có đúng một tệp",
            "the ZIP must hold exactly one file",
        ));
    }
    let mut file = archive.by_index(0).map_err(|_error| damaged())?;
    if file.encrypted() {
        return Err(invalid_file(name, "ZIP có mật khẩu", "the ZIP is encrypted"));
    }
    let entry_name = file.name().map_err(|_error| damaged())?.into_owned();
    if entry_name.contains(['/', '\\']) || entry_name == ".." || file.is_dir() {
        return Err(invalid_file(
            name,
            "tên trong ZIP là một đường dẫn",
            "a name in the ZIP is a path",
        ));
    }
    let too_large = || invalid_file(name, "ZIP nở ra quá lớn", "the ZIP grows too large");
    let max = budget.0.min(UNZIP_RATIO_MAX.saturating_mul(bytes.len() as u64));
    if file.size() > max {
        return Err(too_large());
    }
    // The size in the archive is the sender's claim; reading one byte over the bound detects a
    // larger file.
    let mut bounded = (&mut file).take(max + 1);
    let unpacked = copy_to_sink(&mut bounded, sink).map_err(|error| match error {
        CopyError::Source(_) => damaged(),
        CopyError::Sink(error) => unwritten(&error),
    })?;
    if unpacked.digest.size > max {
        return Err(too_large());
    }
    budget.0 -= unpacked.digest.size;
    Ok(Some(unpacked))
}

/// Names of entries that are searched for a secrecy mark.
const ENTRY_NAMES_MAX: usize = 10_000;

/// Refuses an archive in which a file's name bears a secrecy mark.
fn check_entry_names(archive: &Archive<'_>, name: &str) -> Result<(), Fault> {
    let mut names = archive.file_names().flatten().take(ENTRY_NAMES_MAX);
    if names.all(|it| find_in_file_name(&it).is_none()) {
        return Ok(());
    }
    Err(Fault::new(&code::LT_MAP_007).violation(
        name,
        "trong tệp nén có tên tệp mang dấu chỉ độ mật, hoặc độ mật không rõ",
        "the name of a file inside bears a secrecy mark, or an unclear one",
    ))
}

/// True for an Office Open XML, OpenDocument, EPUB or Java archive.
fn is_document(archive: &Archive<'_>) -> bool {
    archive.file_names().flatten().any(|it| {
        *it == *"[Content_Types].xml" || *it == *"mimetype" || it.starts_with("META-INF/")
    })
}

/// The number of entries in the end record of the central directory. `ZipArchive` counts entries of
/// the same name once, this field counts them all.
fn entry_count(bytes: &[u8]) -> Option<usize> {
    let tail = bytes.get(bytes.len().saturating_sub(22 + 65_535)..)?;
    let end = tail.windows(4).rposition(|it| it == b"PK\x05\x06")?;
    let count = tail.get(end + 10..end + 12)?;
    Some(usize::from(u16::from_le_bytes(count.try_into().ok()?)))
}
