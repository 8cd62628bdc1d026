//! Files inside a body: out of base64, out of a ZIP with one file in it, and back.

use std::io::{self, Read, Write};

use proto::fault::code;
use proto::fault::v1::Fault;
use sha2::{Digest as _, Sha256};

use crate::limits::{UNZIP_RATIO_MAX, UNZIPPED_BYTES_MAX};

/// Takes the files that are found while a body is read. Nothing is kept before the whole item is.
pub trait BlobSink {
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
pub struct Named {
    /// SHA-256.
    pub sha256: [u8; 32],
    /// Number of bytes.
    pub size: u64,
}

fn wrong(name: &str, vi: &str, en: &str) -> Fault {
    Fault::new(&code::LT_MAP_010).param("name", name).violation(name, vi, en)
}

/// Reads base64 text into the sink; a ZIP with one plain file in it gives that file.
pub(crate) fn decode(text: &str, name: &str, sink: &mut dyn BlobSink) -> Result<Named, Fault> {
    let compact: Vec<u8> = text.bytes().filter(|it| !it.is_ascii_whitespace()).collect();
    let bytes = base64_simd::STANDARD
        .decode_to_vec(&compact)
        .map_err(|_error| wrong(name, "base64 bị hỏng", "the base64 is damaged"))?;
    drop(compact);
    if bytes.starts_with(b"PK\x03\x04")
        && let Some(named) = unzip(&bytes, name, sink)?
    {
        return Ok(named);
    }
    store(&mut bytes.as_slice(), sink).map_err(|error| internal(&error))
}

fn store(from: &mut dyn Read, sink: &mut dyn BlobSink) -> io::Result<Named> {
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut block = vec![0; 48 * 1024];
    loop {
        match from.read(&mut block)? {
            0 => break,
            count => {
                let piece = block.get(..count).unwrap_or_default();
                hash.update(piece);
                size += count as u64;
                sink.write(piece)?;
            }
        }
    }
    sink.finish()?;
    Ok(Named { sha256: hash.finalize().into(), size })
}

fn internal(error: &io::Error) -> Fault {
    Fault::new(&code::LT_SYS_002).param("part", "formats").detail(error.to_string())
}

/// A ZIP that is itself the file (an office document, an archive) is passed on as it is: its name
/// says so. Only a packet's wrapping is taken off.
fn unzip(bytes: &[u8], name: &str, sink: &mut dyn BlobSink) -> Result<Option<Named>, Fault> {
    let lower = name.to_lowercase();
    let is_itself = [".zip", ".docx", ".xlsx", ".pptx", ".odt", ".ods", ".jar"];
    if is_itself.iter().any(|it| lower.ends_with(it)) && !wraps(bytes, &lower) {
        return Ok(None);
    }
    let broken = || wrong(name, "tệp ZIP bị hỏng hoặc bị cắt", "the ZIP is damaged or cut off");
    let mut archive = zip::ZipArchive::new(io::Cursor::new(bytes)).map_err(|_error| broken())?;
    if archive.len() != 1 {
        return Err(wrong(name, "ZIP phải có đúng một tệp", "the ZIP must hold exactly one file"));
    }
    let mut file = archive.by_index(0).map_err(|_error| broken())?;
    if file.encrypted() {
        return Err(wrong(name, "ZIP có mật khẩu", "the ZIP is encrypted"));
    }
    let inside = file.name().map_err(|_error| broken())?.into_owned();
    if inside.contains("..") || inside.starts_with('/') || inside.contains('\\') || file.is_dir() {
        return Err(wrong(name, "tên trong ZIP là một đường dẫn", "a name in the ZIP is a path"));
    }
    let bomb = || wrong(name, "ZIP nở ra quá lớn", "the ZIP grows too large");
    let most = UNZIPPED_BYTES_MAX.min(UNZIP_RATIO_MAX.saturating_mul(bytes.len() as u64));
    if file.size() > most {
        return Err(bomb());
    }
    // The size in the archive may lie; one byte more than allowed is read to tell.
    let mut bounded = (&mut file).take(most + 1);
    let named = store(&mut bounded, sink).map_err(|_error| broken())?;
    if named.size > most { Err(bomb()) } else { Ok(Some(named)) }
}

/// True when the only file inside has the same ending: it is wrapped once more.
fn wraps(bytes: &[u8], lower: &str) -> bool {
    let Ok(archive) = zip::ZipArchive::new(io::Cursor::new(bytes)) else { return false };
    let ending = lower.rsplit('.').next().unwrap_or_default();
    archive.len() == 1
        && archive
            .file_names()
            .next()
            .and_then(Result::ok)
            .is_some_and(|it| it.to_lowercase().ends_with(ending))
}

/// Writes a file as base64 of a ZIP with it alone inside.
pub(crate) fn encode(
    named: Named,
    entry: &str,
    source: &dyn BlobSource,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let failed = |error: &dyn std::error::Error| {
        Fault::new(&code::LT_SYS_002).param("part", "formats").detail(error.to_string())
    };
    let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    archive.start_file(entry, options).map_err(|error| failed(&error))?;
    let mut outcome = Ok(());
    source.read(named.sha256, named.size, &mut |piece| {
        if outcome.is_ok() {
            outcome = archive.write_all(piece);
        }
    })?;
    outcome.map_err(|error| failed(&error))?;
    let bytes = archive.finish().map_err(|error| failed(&error))?.into_inner();
    out.extend_from_slice(base64_simd::STANDARD.encode_to_string(bytes).as_bytes());
    Ok(())
}

/// The media type that the first bytes of a file show; none: they show nothing.
pub(crate) fn sniff(file_name: &str) -> &'static str {
    let lower = file_name.to_lowercase();
    let known = [
        (".pdf", "application/pdf"),
        (".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (".doc", "application/msword"),
        (".xls", "application/vnd.ms-excel"),
        (".zip", "application/zip"),
        (".txt", "text/plain"),
        (".xml", "application/xml"),
        (".edxml", "application/xml"),
        (".png", "image/png"),
        (".jpg", "image/jpeg"),
    ];
    known
        .iter()
        .find(|(ending, _)| lower.ends_with(ending))
        .map_or("application/octet-stream", |(_, it)| it)
}
