//! Decodes a file from base64 and unwraps the ZIP that packets put it in.

use std::io::{self, Read};

use proto::fault::code;
use proto::fault::v1::Fault;
use sha2::{Digest as _, Sha256};

use crate::content::archive::{Archive, SaidOfFile, damaged, foreign_compression, invalid_file};
use crate::content::blob::{BlobDigest, BlobSink};
use crate::content::inspect::{FileTraits, Inspector};
use crate::content::wrapping::find_wrapped;
use crate::limits::{UNZIP_RATIO_FLOOR_BYTES, UNZIP_RATIO_MAX, UNZIPPED_BYTES_MAX};

/// A file decoded from a body.
#[derive(Clone, Debug)]
pub(crate) struct UnpackedFile {
    pub(crate) digest: BlobDigest,
    /// What its bytes show.
    pub(crate) traits: FileTraits,
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
    said: &SaidOfFile<'_>,
    budget: &mut UnpackBudget,
    sink: &mut dyn BlobSink,
) -> Result<UnpackedFile, Fault> {
    let bytes = proto::base64::decode(text)
        .map_err(|error| invalid_file(said.label, &error.vi, &error.en))?;
    match find_wrapped(&bytes, said)? {
        Some(index) => unwrap_entry((&bytes, index), said.label, budget, sink),
        None => copy_to_sink(&mut bytes.as_slice(), sink).map_err(|error| match error {
            CopyError::Source(error) | CopyError::Sink(error) => unwritten(&error),
        }),
    }
}

/// Why a file was not copied. A sink that fails says nothing about the sender's file.
enum CopyError {
    Source(io::Error),
    Sink(io::Error),
}

fn copy_to_sink(from: &mut dyn Read, sink: &mut dyn BlobSink) -> Result<UnpackedFile, CopyError> {
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut inspector = Inspector::default();
    let mut block = vec![0; 48 * 1024];
    loop {
        match from.read(&mut block).map_err(CopyError::Source)? {
            0 => break,
            count => {
                let piece = block.get(..count).unwrap_or_default();
                inspector.inspect(piece);
                hash.update(piece);
                size += count as u64;
                sink.write(piece).map_err(CopyError::Sink)?;
            }
        }
    }
    sink.finish().map_err(CopyError::Sink)?;
    let digest = BlobDigest { sha256: hash.finalize().into(), size };
    Ok(UnpackedFile { digest, traits: inspector.finish(), packed_size: size })
}

/// The fault of a sink that did not take the bytes, which may be full.
fn unwritten(error: &io::Error) -> Fault {
    Fault::new(&code::LT_STO_004).detail(error.to_string())
}

/// Unwraps one entry of a ZIP. The name of the entry is not used, so a path in it is harmless; only
/// one that leads out of its folder is refused, because no packer writes it by mistake.
fn unwrap_entry(
    (bytes, index): (&[u8], usize),
    label: &str,
    budget: &mut UnpackBudget,
    sink: &mut dyn BlobSink,
) -> Result<UnpackedFile, Fault> {
    let mut archive = Archive::new(io::Cursor::new(bytes)).map_err(|_error| damaged(label))?;
    let raw = archive.by_index_raw(index).map_err(|_error| damaged(label))?;
    let name = raw.name().map_err(|_error| damaged(label))?.into_owned();
    let (is_encrypted, header_start) = (raw.encrypted(), raw.header_start());
    drop(raw);
    if is_encrypted {
        return Err(invalid_file(label, "ZIP có mật khẩu", "the ZIP is encrypted"));
    }
    if name.starts_with(['/', '\\']) || name.split(['/', '\\']).any(|it| it == "..") {
        return Err(invalid_file(
            label,
            "tên trong ZIP là một đường dẫn",
            "a name in the ZIP is a path",
        ));
    }
    if let Some(method) = foreign_compression(bytes, header_start) {
        return Err(invalid_file(
            label,
            &format!("ZIP nén kiểu {method}, không mở được; hãy nén kiểu Deflate"),
            &format!("the ZIP is compressed with {method}, which is not read; use Deflate"),
        ));
    }
    let mut file = archive.by_index(index).map_err(|_error| damaged(label))?;
    let too_large = || invalid_file(label, "ZIP nở ra quá lớn", "the ZIP grows too large");
    let by_ratio = UNZIP_RATIO_MAX.saturating_mul(bytes.len() as u64);
    let max = budget.0.min(by_ratio.max(UNZIP_RATIO_FLOOR_BYTES));
    if file.size() > max {
        return Err(too_large());
    }
    // The size in the archive is the sender's claim; reading one byte over the bound detects a
    // larger file.
    let mut bounded = (&mut file).take(max + 1);
    let unpacked = copy_to_sink(&mut bounded, sink).map_err(|error| match error {
        CopyError::Source(_) => damaged(label),
        CopyError::Sink(error) => unwritten(&error),
    })?;
    if unpacked.digest.size > max {
        return Err(too_large());
    }
    budget.0 -= unpacked.digest.size;
    Ok(UnpackedFile { packed_size: bytes.len() as u64, ..unpacked })
}
