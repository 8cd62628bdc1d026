//! Encodes a file as base64 of a ZIP with one stored entry, in one pass with bounded memory.
//!
//! An own writer, because the `zip` crate seeks back to the local header, which base64 output does
//! not allow, and because the same file must give the same bytes with every version of the crate.

use base64_simd::STANDARD;
use proto::fault::code;
use proto::fault::v1::Fault;

use crate::content::blob::{BlobDigest, BlobSource, HEAD_BYTES};

/// Appends base64 of the pushed bytes. Groups of three bytes are encoded at once; up to two bytes
/// wait for the next push.
struct Base64Writer<'o> {
    out: &'o mut Vec<u8>,
    pending: Vec<u8>,
}

impl Base64Writer<'_> {
    fn push(&mut self, mut bytes: &[u8]) {
        if !self.pending.is_empty() {
            let missing = (3 - self.pending.len() % 3) % 3;
            let (first, rest) = bytes.split_at(missing.min(bytes.len()));
            self.pending.extend_from_slice(first);
            bytes = rest;
            if !self.pending.len().is_multiple_of(3) {
                return;
            }
            let whole = std::mem::take(&mut self.pending);
            STANDARD.encode_append(&whole, self.out);
        }
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % 3);
        STANDARD.encode_append(whole, self.out);
        self.pending.extend_from_slice(rest);
    }

    fn finish(self) {
        STANDARD.encode_append(&self.pending, self.out);
    }
}

/// Appends a number in little-endian order, as ZIP stores all numbers.
fn push_number(header: &mut Vec<u8>, width: usize, number: u64) {
    header.extend(number.to_le_bytes().iter().take(width));
}

/// Appends the fields that the local header and the central directory share: version, flags,
/// method, time, checksum, sizes, name length.
fn push_common_fields(header: &mut Vec<u8>, crc32: u32, size: u64, entry: &str) {
    // Version 1.0, no flags, stored; a constant time, so that the same file gives the same bytes.
    for number in [10, 0, 0, 0, 0x21] {
        push_number(header, 2, number);
    }
    push_number(header, 4, u64::from(crc32));
    push_number(header, 4, size);
    push_number(header, 4, size);
    push_number(header, 2, entry.len() as u64);
    push_number(header, 2, 0);
}

fn local_header(crc32: u32, size: u64, entry: &str) -> Vec<u8> {
    let mut header = b"PK\x03\x04".to_vec();
    push_common_fields(&mut header, crc32, size, entry);
    header.extend_from_slice(entry.as_bytes());
    header
}

fn central_directory(crc32: u32, size: u64, entry: &str, offset: u64) -> Vec<u8> {
    let mut header = b"PK\x01\x02".to_vec();
    push_number(&mut header, 2, 10);
    push_common_fields(&mut header, crc32, size, entry);
    for (width, number) in [(2, 0), (2, 0), (2, 0), (4, 0), (4, 0)] {
        push_number(&mut header, width, number);
    }
    header.extend_from_slice(entry.as_bytes());
    let length = header.len() as u64;
    header.extend_from_slice(b"PK\x05\x06");
    for (width, number) in [(2, 0), (2, 0), (2, 1), (2, 1), (4, length), (4, offset), (2, 0)] {
        push_number(&mut header, width, number);
    }
    header
}

/// Appends a file to `out` and returns its first bytes. The local header contains the checksum of
/// the bytes that follow, so the header is written again once the checksum is known.
///
/// # Errors
///
/// The file cannot be read, has another size than its digest says, or exceeds the 4 GiB of a ZIP
/// without extensions.
pub(crate) fn pack(
    file: BlobDigest,
    extension: &str,
    source: &dyn BlobSource,
    out: &mut Vec<u8>,
) -> Result<Vec<u8>, Fault> {
    let too_large = |_error| Fault::new(&code::LT_MAP_005);
    u32::try_from(file.size).map_err(too_large)?;
    let entry = entry_name(&file, extension);
    let begin = out.len();
    let header = local_header(0, file.size, &entry);
    let (mut head, mut crc32, mut size) = (Vec::new(), crc32fast::Hasher::new(), 0);
    let mut encoder = Base64Writer { out, pending: Vec::new() };
    encoder.push(&header);
    source.read(file.sha256, file.size, &mut |piece| {
        let missing = HEAD_BYTES.saturating_sub(head.len()).min(piece.len());
        head.extend_from_slice(piece.get(..missing).unwrap_or_default());
        crc32.update(piece);
        size += piece.len() as u64;
        encoder.push(piece);
    })?;
    if size != file.size {
        let words = format!("a file of {} bytes came with {size}", file.size);
        return Err(Fault::new(&code::LT_SYS_002).param("part", "formats").detail(words));
    }
    let crc32 = crc32.finalize();
    encoder.push(&central_directory(crc32, size, &entry, header.len() as u64 + size));
    encoder.finish();
    // The last group may share base64 digits with the content, and holds no byte of the checksum.
    let header = local_header(crc32, size, &entry);
    let mut encoded = Vec::new();
    let whole_groups = header.get(..header.len() - header.len() % 3).unwrap_or_default();
    STANDARD.encode_append(whole_groups, &mut encoded);
    if let Some(placeholder) = out.get_mut(begin..begin + encoded.len()) {
        placeholder.copy_from_slice(&encoded);
    }
    Ok(head)
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
