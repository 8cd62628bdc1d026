//! Encodes a file as base64 of its bytes, or of a ZIP with one entry, with bounded memory.
//!
//! An own writer of ZIP, because the `zip` crate seeks back to the local header, which base64 output
//! does not allow.

use std::io::Write as _;

use base64_simd::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use proto::fault::code;
use proto::fault::v1::Fault;

use crate::content::base64_writer::Base64Writer;
use crate::content::blob::{BlobDigest, BlobSource};
use crate::content::inspect::{FileTraits, Inspector};

/// How the bytes of a ZIP entry lie in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Stored,
    Deflated,
}

impl Method {
    /// Version of the ZIP format that a reader needs, times ten.
    fn version(self) -> u64 {
        match self {
            Self::Stored => 10,
            Self::Deflated => 20,
        }
    }
}

/// The fields that the local header and the central directory share.
#[derive(Clone, Copy, Debug)]
struct Entry<'n> {
    name: &'n str,
    method: Method,
    crc32: u32,
    size: u64,
    packed_size: u64,
}

/// Appends a number in little-endian order, as ZIP stores all numbers.
fn push_number(header: &mut Vec<u8>, width: usize, number: u64) {
    header.extend(number.to_le_bytes().iter().take(width));
}

/// Appends the fields that the local header and the central directory share: version, flags,
/// method, time, checksum, sizes, name length.
fn push_common_fields(header: &mut Vec<u8>, entry: &Entry<'_>) {
    let method = if entry.method == Method::Deflated { 8 } else { 0 };
    // No flags; a constant time, so that the same file gives the same bytes.
    for number in [entry.method.version(), 0, method, 0, 0x21] {
        push_number(header, 2, number);
    }
    push_number(header, 4, u64::from(entry.crc32));
    push_number(header, 4, entry.packed_size);
    push_number(header, 4, entry.size);
    push_number(header, 2, entry.name.len() as u64);
    push_number(header, 2, 0);
}

fn local_header(entry: &Entry<'_>) -> Vec<u8> {
    let mut header = b"PK\x03\x04".to_vec();
    push_common_fields(&mut header, entry);
    header.extend_from_slice(entry.name.as_bytes());
    header
}

fn central_directory(entry: &Entry<'_>, offset: u64) -> Vec<u8> {
    let mut header = b"PK\x01\x02".to_vec();
    push_number(&mut header, 2, entry.method.version());
    push_common_fields(&mut header, entry);
    for (width, number) in [(2, 0), (2, 0), (2, 0), (4, 0), (4, 0)] {
        push_number(&mut header, width, number);
    }
    header.extend_from_slice(entry.name.as_bytes());
    let length = header.len() as u64;
    header.extend_from_slice(b"PK\x05\x06");
    for (width, number) in [(2, 0), (2, 0), (2, 1), (2, 1), (4, length), (4, offset), (2, 0)] {
        push_number(&mut header, width, number);
    }
    header
}

/// Passes the bytes of a file to `into`, and looks at them.
///
/// # Errors
///
/// The file cannot be read, or has another size than its digest says.
fn read_file(
    file: BlobDigest,
    source: &dyn BlobSource,
    into: &mut dyn FnMut(&[u8]),
) -> Result<FileTraits, Fault> {
    let (mut inspector, mut size) = (Inspector::default(), 0);
    source.read(file.sha256, file.size, &mut |piece| {
        inspector.inspect(piece);
        size += piece.len() as u64;
        into(piece);
    })?;
    if size != file.size {
        let words = format!("a file of {} bytes came with {size}", file.size);
        return Err(Fault::new(&code::LT_SYS_002).param("part", "formats").detail(words));
    }
    Ok(inspector.finish())
}

/// Appends base64 of a file as it is.
///
/// # Errors
///
/// The file cannot be read, or has another size than its digest says.
pub(crate) fn pack_raw(
    file: BlobDigest,
    source: &dyn BlobSource,
    out: &mut Vec<u8>,
) -> Result<FileTraits, Fault> {
    let mut encoder = Base64Writer::new(out);
    let traits = read_file(file, source, &mut |piece| encoder.push(piece))?;
    encoder.finish();
    Ok(traits)
}

/// Appends base64 of a ZIP with the file as its entry, which is deflated where that makes it
/// smaller.
///
/// # Errors
///
/// The file cannot be read, has another size than its digest says, or exceeds the 4 GiB of a ZIP
/// without extensions.
pub(crate) fn pack_zip(
    file: BlobDigest,
    extension: &str,
    source: &dyn BlobSource,
    out: &mut Vec<u8>,
) -> Result<FileTraits, Fault> {
    let too_large = |_error| Fault::new(&code::LT_MAP_005);
    u32::try_from(file.size).map_err(too_large)?;
    let begin = out.len();
    if let Some(traits) = write_zip((file, extension), EntryBody::new, source, out)? {
        return Ok(traits);
    }
    // The sample promised more than the whole file kept.
    out.truncate(begin);
    let traits = write_zip((file, extension), EntryBody::stored, source, out)?;
    traits.ok_or_else(|| Fault::new(&code::LT_SYS_002).param("part", "formats"))
}

/// Bytes at the begin of a file that tell whether it can be deflated.
const SAMPLE_BYTES: usize = 32 * 1024;

/// The bytes of an entry on their way into the ZIP. Whether they are deflated is decided by a sample,
/// so that images and compressed documents cost no time.
enum EntryBody<'o> {
    Sampling(Base64Writer<'o>, Vec<u8>),
    Stored(Base64Writer<'o>),
    Deflated(Box<DeflateEncoder<Base64Writer<'o>>>),
}

impl<'o> EntryBody<'o> {
    fn new(writer: Base64Writer<'o>) -> Self {
        Self::Sampling(writer, Vec::new())
    }

    fn stored(writer: Base64Writer<'o>) -> Self {
        Self::Stored(writer)
    }

    fn push(self, piece: &[u8]) -> Self {
        match self {
            Self::Sampling(writer, mut sample) => {
                sample.extend_from_slice(piece);
                let body = Self::Sampling(writer, sample);
                if body.is_sampled() { body.decide() } else { body }
            }
            Self::Stored(mut writer) => {
                writer.push(piece);
                Self::Stored(writer)
            }
            Self::Deflated(mut writer) => {
                // The sink is a vector, and a write to it cannot fail.
                writer.write_all(piece).unwrap_or_default();
                Self::Deflated(writer)
            }
        }
    }

    fn is_sampled(&self) -> bool {
        matches!(self, Self::Sampling(_, sample) if sample.len() >= SAMPLE_BYTES)
    }

    /// Deflates when that makes the sample smaller by a twentieth.
    fn decide(self) -> Self {
        let Self::Sampling(writer, sample) = self else { return self };
        let mut probe = DeflateEncoder::new(Vec::new(), Compression::fast());
        let packed = probe.write_all(&sample).and_then(|()| probe.finish());
        let helps = packed.is_ok_and(|it| it.len() + sample.len() / 20 < sample.len());
        let body = if helps {
            Self::Deflated(Box::new(DeflateEncoder::new(writer, Compression::default())))
        } else {
            Self::Stored(writer)
        };
        body.push(&sample)
    }

    /// The writer behind the entry; none when the bytes could not be deflated.
    fn finish(self) -> Option<(Base64Writer<'o>, Method)> {
        match self.decide() {
            Self::Sampling(..) => None,
            Self::Stored(writer) => Some((writer, Method::Stored)),
            Self::Deflated(writer) => Some((writer.finish().ok()?, Method::Deflated)),
        }
    }
}

/// Appends the ZIP; none when a deflated one is not smaller than a stored one. The local header has
/// the checksum and the size of the bytes that follow, so it is written again once they are known.
fn write_zip<'o>(
    (file, extension): (BlobDigest, &str),
    body: fn(Base64Writer<'o>) -> EntryBody<'o>,
    source: &dyn BlobSource,
    out: &'o mut Vec<u8>,
) -> Result<Option<FileTraits>, Fault> {
    let name = entry_name(&file, extension);
    let begin = out.len();
    let (method, size) = (Method::Stored, file.size);
    let mut entry = Entry { name: &name, method, crc32: 0, size, packed_size: 0 };
    let header_size = local_header(&entry).len() as u64;
    let mut crc32 = crc32fast::Hasher::new();
    let mut encoder = Base64Writer::new(out);
    encoder.push(&local_header(&entry));
    let mut entry_body = Some(body(encoder));
    let traits = read_file(file, source, &mut |piece| {
        crc32.update(piece);
        entry_body = entry_body.take().map(|it| it.push(piece));
    })?;
    let Some((mut encoder, method)) = entry_body.and_then(EntryBody::finish) else {
        return Ok(None);
    };
    let packed_size = encoder.pushed() - header_size;
    if method == Method::Deflated && packed_size >= size {
        return Ok(None);
    }
    entry = Entry { method, crc32: crc32.finalize(), packed_size, ..entry };
    encoder.push(&central_directory(&entry, header_size + packed_size));
    let out = encoder.finish();
    // The last group may share base64 digits with the content, and holds no byte of the checksum.
    let header = local_header(&entry);
    let mut encoded = Vec::new();
    let whole_groups = header.get(..header.len() - header.len() % 3).unwrap_or_default();
    STANDARD.encode_append(whole_groups, &mut encoded);
    if let Some(placeholder) = out.get_mut(begin..begin + encoded.len()) {
        placeholder.copy_from_slice(&encoded);
    }
    Ok(Some(traits))
}

/// The name of the ZIP entry: the first half of the digest in the form of a UUID, as the kits of
/// the national packet name their entries.
fn entry_name(file: &BlobDigest, extension: &str) -> String {
    let digits = hex::encode(file.sha256);
    let group = |range| digits.get(range).unwrap_or_default();
    let groups = [group(0..8), group(8..12), group(12..16), group(16..20), group(20..32)];
    format!("{}.{extension}", groups.join("-"))
}

/// True for a name in the form that [`entry_name`] gives.
pub(super) fn is_entry_name(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let groups: Vec<&str> = stem.split('-').collect();
    groups.iter().map(|it| it.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|it| it.bytes().all(|it| it.is_ascii_hexdigit()))
}

/// The lower-case extension of a file name; `bin` when it has none of 1 to 10 ASCII letters and
/// digits.
pub(crate) fn plain_extension(file_name: &str) -> String {
    let extension = file_name.rsplit_once('.').map_or("", |(_, it)| it);
    let is_plain = (1..=10).contains(&extension.len())
        && extension.bytes().all(|it| it.is_ascii_alphanumeric());
    if is_plain { extension.to_ascii_lowercase() } else { "bin".to_owned() }
}
