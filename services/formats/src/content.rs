//! Files inside a body: out of base64, out of a ZIP with one file in it, and back.

use std::io::{self, Read};

use proto::fault::code;
use proto::fault::v1::Fault;
use sha2::{Digest as _, Sha256};

use crate::limits::{UNZIP_RATIO_MAX, UNZIPPED_BYTES_MAX};

mod kind;
mod wrap;

pub(crate) use kind::{by_content, by_name};
pub(crate) use wrap::{encode, ending};

/// Takes the files that are found while a body is read. Nothing is kept before the whole item is.
pub trait BlobSink {
    /// The item as it was read, before its files are opened and before it is told what is wrong
    /// with it: the place to refuse it altogether.
    ///
    /// # Errors
    ///
    /// The item may not pass; nothing more of it is read.
    fn admit(&mut self, canonical: &proto::canonical::v1::Canonical) -> Result<(), Fault> {
        let _ = canonical;
        Ok(())
    }

    /// More bytes of the file that is being read.
    ///
    /// # Errors
    ///
    /// They cannot be held.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// The file ends here.
    ///
    /// # Errors
    ///
    /// It cannot be held.
    fn finish(&mut self) -> io::Result<()>;
}

/// Gives the bytes of files that a body is written with.
pub trait BlobSource {
    /// Hands over the bytes of one file in pieces.
    ///
    /// # Errors
    ///
    /// The file is not there or not what its digest says.
    fn read(&self, sha256: [u8; 32], size: u64, into: &mut dyn FnMut(&[u8])) -> Result<(), Fault>;
}

/// Digest and size of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobDigest {
    /// SHA-256.
    pub sha256: [u8; 32],
    /// Number of bytes.
    pub size: u64,
}

/// A file as it came out of a body.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) named: BlobDigest,
    /// Its first bytes.
    pub(crate) head: Vec<u8>,
    /// Number of bytes that stood in the body, before the wrapping was taken off.
    pub(crate) packed: u64,
}

/// How much may still come out of the archives of one item.
#[derive(Debug)]
pub(crate) struct Budget(u64);

impl Budget {
    /// What one item may unpack.
    pub(crate) fn item() -> Self {
        Self(UNZIPPED_BYTES_MAX)
    }
}

/// First bytes of a file that are kept to tell what it is.
const HEAD_BYTES: usize = 64;

fn wrong(name: &str, vi: &str, en: &str) -> Fault {
    Fault::new(&code::LT_MAP_010).param("name", name).violation(name, vi, en)
}

/// Reads base64 text into the sink; a ZIP with one plain file in it gives that file.
pub(crate) fn decode(
    text: &str,
    name: &str,
    budget: &mut Budget,
    sink: &mut dyn BlobSink,
) -> Result<Opened, Fault> {
    let mut bytes: Vec<u8> = text.bytes().filter(|it| !it.is_ascii_whitespace()).collect();
    let size = base64_simd::STANDARD
        .decode_inplace(&mut bytes)
        .map_err(|_error| wrong(name, "base64 bị hỏng", "the base64 is damaged"))?
        .len();
    bytes.truncate(size);
    let packed = size as u64;
    if bytes.starts_with(b"PK\x03\x04")
        && let Some(opened) = unzip(&bytes, name, budget, sink)?
    {
        return Ok(Opened { packed, ..opened });
    }
    store(&mut bytes.as_slice(), sink).map_err(|error| internal(&error))
}

fn store(from: &mut dyn Read, sink: &mut dyn BlobSink) -> io::Result<Opened> {
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut head = Vec::new();
    let mut block = vec![0; 48 * 1024];
    loop {
        match from.read(&mut block)? {
            0 => break,
            count => {
                let piece = block.get(..count).unwrap_or_default();
                let room = HEAD_BYTES.saturating_sub(head.len()).min(count);
                head.extend_from_slice(piece.get(..room).unwrap_or_default());
                hash.update(piece);
                size += count as u64;
                sink.write(piece)?;
            }
        }
    }
    sink.finish()?;
    let named = BlobDigest { sha256: hash.finalize().into(), size };
    Ok(Opened { named, head, packed: size })
}

fn internal(error: &io::Error) -> Fault {
    Fault::new(&code::LT_SYS_002).param("part", "formats").detail(error.to_string())
}

type Archive<'a> = zip::ZipArchive<io::Cursor<&'a [u8]>>;

/// Takes a packet's wrapping off. None: the ZIP is itself the file, and is passed on as it is.
///
/// An office document or a Java archive tells by its entries that it is one. A file that is
/// called `.zip` is one unless its only entry is named the way wrappings name theirs.
fn unzip(
    bytes: &[u8],
    name: &str,
    budget: &mut Budget,
    sink: &mut dyn BlobSink,
) -> Result<Option<Opened>, Fault> {
    let broken = || wrong(name, "tệp ZIP bị hỏng hoặc bị cắt", "the ZIP is damaged or cut off");
    let mut archive = Archive::new(io::Cursor::new(bytes)).map_err(|_error| broken())?;
    if is_document(&archive) {
        return Ok(None);
    }
    let is_alone = archive.len() == 1 && said_entries(bytes).is_none_or(|it| it == 1);
    let is_called_zip = name.to_lowercase().ends_with(".zip");
    if is_called_zip && !(is_alone && archive.file_names().flatten().all(|it| wrap::is_entry(&it)))
    {
        return Ok(None);
    }
    if !is_alone {
        return Err(wrong(name, "ZIP phải có đúng một tệp", "the ZIP must hold exactly one file"));
    }
    let mut file = archive.by_index(0).map_err(|_error| broken())?;
    if file.encrypted() {
        return Err(wrong(name, "ZIP có mật khẩu", "the ZIP is encrypted"));
    }
    let inside = file.name().map_err(|_error| broken())?.into_owned();
    if inside.contains(['/', '\\']) || inside == ".." || file.is_dir() {
        return Err(wrong(name, "tên trong ZIP là một đường dẫn", "a name in the ZIP is a path"));
    }
    let bomb = || wrong(name, "ZIP nở ra quá lớn", "the ZIP grows too large");
    let most = budget.0.min(UNZIP_RATIO_MAX.saturating_mul(bytes.len() as u64));
    if file.size() > most {
        return Err(bomb());
    }
    // The size in the archive may lie; one byte more than allowed is read to tell.
    let mut bounded = (&mut file).take(most + 1);
    let opened = store(&mut bounded, sink).map_err(|_error| broken())?;
    if opened.named.size > most {
        return Err(bomb());
    }
    budget.0 -= opened.named.size;
    Ok(Some(opened))
}

/// True for what an office program, a reader of books or Java would open.
fn is_document(archive: &Archive<'_>) -> bool {
    archive.file_names().flatten().any(|it| {
        *it == *"[Content_Types].xml" || *it == *"mimetype" || it.starts_with("META-INF/")
    })
}

/// How many entries the end of a ZIP says there are: names that stand twice count twice.
fn said_entries(bytes: &[u8]) -> Option<usize> {
    let tail = bytes.get(bytes.len().saturating_sub(22 + 65_535)..)?;
    let end = tail.windows(4).rposition(|it| it == b"PK\x05\x06")?;
    let count = tail.get(end + 10..end + 12)?;
    Some(usize::from(u16::from_le_bytes(count.try_into().ok()?)))
}

/// Swallows files that nobody keeps.
pub(crate) struct Nowhere;

impl BlobSink for Nowhere {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
