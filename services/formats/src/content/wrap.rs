//! A file as base64 of a ZIP with it alone inside, written a piece at a time.

use base64_simd::STANDARD;
use proto::fault::code;
use proto::fault::v1::Fault;

use super::{BlobDigest, BlobSource, HEAD_BYTES};

/// Appends base64 of what is pushed; whole groups at once, the rest waits.
struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    waiting: Vec<u8>,
}

impl Encoder<'_> {
    fn push(&mut self, mut bytes: &[u8]) {
        if !self.waiting.is_empty() {
            let room = (3 - self.waiting.len() % 3) % 3;
            let (first, rest) = bytes.split_at(room.min(bytes.len()));
            self.waiting.extend_from_slice(first);
            bytes = rest;
            if !self.waiting.len().is_multiple_of(3) {
                return;
            }
            let whole = std::mem::take(&mut self.waiting);
            STANDARD.encode_append(&whole, self.out);
        }
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % 3);
        STANDARD.encode_append(whole, self.out);
        self.waiting.extend_from_slice(rest);
    }

    fn end(self) {
        STANDARD.encode_append(&self.waiting, self.out);
    }
}

/// Number, then its bytes as ZIP has them.
fn field(header: &mut Vec<u8>, width: usize, number: u64) {
    header.extend(number.to_le_bytes().iter().take(width));
}

/// What the local header and the directory say alike: version, flags, method, time, sum, sizes.
fn about(header: &mut Vec<u8>, sum: u32, size: u64, entry: &str) {
    // Version 1.0, no flags, stored, midnight of 1980-01-01.
    for number in [10, 0, 0, 0, 0x21] {
        field(header, 2, number);
    }
    field(header, 4, u64::from(sum));
    field(header, 4, size);
    field(header, 4, size);
    field(header, 2, entry.len() as u64);
    field(header, 2, 0);
}

fn local(sum: u32, size: u64, entry: &str) -> Vec<u8> {
    let mut header = b"PK\x03\x04".to_vec();
    about(&mut header, sum, size, entry);
    header.extend_from_slice(entry.as_bytes());
    header
}

fn directory(sum: u32, size: u64, entry: &str, offset: u64) -> Vec<u8> {
    let mut header = b"PK\x01\x02".to_vec();
    field(&mut header, 2, 10);
    about(&mut header, sum, size, entry);
    for (width, number) in [(2, 0), (2, 0), (2, 0), (4, 0), (4, 0)] {
        field(&mut header, width, number);
    }
    header.extend_from_slice(entry.as_bytes());
    let length = header.len() as u64;
    header.extend_from_slice(b"PK\x05\x06");
    for (width, number) in [(2, 0), (2, 0), (2, 1), (2, 1), (4, length), (4, offset), (2, 0)] {
        field(&mut header, width, number);
    }
    header
}

/// Writes a file and gives its first bytes. The check sum stands in front of the bytes it is of,
/// so the front is written once more when the sum is known.
pub(crate) fn encode(
    named: BlobDigest,
    ending: &str,
    source: &dyn BlobSource,
    out: &mut Vec<u8>,
) -> Result<Vec<u8>, Fault> {
    let too_large = |_error| Fault::new(&code::LT_MAP_005);
    u32::try_from(named.size).map_err(too_large)?;
    let entry = entry(&named, ending);
    let begin = out.len();
    let front = local(0, named.size, &entry);
    let (mut head, mut sum, mut size) = (Vec::new(), crc32fast::Hasher::new(), 0);
    let mut encoder = Encoder { out, waiting: Vec::new() };
    encoder.push(&front);
    source.read(named.sha256, named.size, &mut |piece| {
        let room = HEAD_BYTES.saturating_sub(head.len()).min(piece.len());
        head.extend_from_slice(piece.get(..room).unwrap_or_default());
        sum.update(piece);
        size += piece.len() as u64;
        encoder.push(piece);
    })?;
    if size != named.size {
        let words = format!("a file of {} bytes came with {size}", named.size);
        return Err(Fault::new(&code::LT_SYS_002).param("part", "formats").detail(words));
    }
    let sum = sum.finalize();
    encoder.push(&directory(sum, size, &entry, front.len() as u64 + size));
    encoder.end();
    // Whole groups of the front depend on the front alone.
    let front = local(sum, size, &entry);
    let mut again = Vec::new();
    STANDARD
        .encode_append(front.get(..front.len() - front.len() % 3).unwrap_or_default(), &mut again);
    if let Some(place) = out.get_mut(begin..begin + again.len()) {
        place.copy_from_slice(&again);
    }
    Ok(head)
}

/// The name a file has inside its ZIP: made from its digest, in the form of a UUID.
fn entry(named: &BlobDigest, ending: &str) -> String {
    let mut name = String::new();
    for (place, byte) in named.sha256.iter().take(16).enumerate() {
        if [4, 6, 8, 10].contains(&place) {
            name.push('-');
        }
        name += &format!("{byte:02x}");
    }
    name + "." + ending
}

/// True for a name in that form.
pub(super) fn is_entry(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let groups: Vec<&str> = stem.split('-').collect();
    groups.iter().map(|it| it.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|it| it.bytes().all(|it| it.is_ascii_hexdigit()))
}

/// The ending of a file's name, for the name it has inside; `bin` where it has none that is plain.
pub(crate) fn ending(file_name: &str) -> String {
    let ending = file_name.rsplit_once('.').map_or("", |(_, it)| it);
    let is_plain =
        (1..=10).contains(&ending.len()) && ending.bytes().all(|it| it.is_ascii_alphanumeric());
    if is_plain { ending.to_ascii_lowercase() } else { "bin".to_owned() }
}
