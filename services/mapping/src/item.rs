//! One complete item of a `Normalize` call, and the frames that answer it.

use bytes::Bytes;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::{
    BlobChunk, NormalizeItem, NormalizeResponse, Normalized, ReadAttributes,
    normalize_response::Frame,
};
use registry_client::Directory;

use crate::attachments::locate_sources;
use crate::codec::Codec;
use crate::fault;
use crate::files::ExtractedFiles;
use crate::normalize::{NormalizeContext, normalize};
use crate::secrecy;

/// Largest chunk of an extracted file in one frame.
const CHUNK_BYTES: usize = 1024 * 1024;

/// An item whose native bytes have arrived completely.
#[derive(Debug)]
pub(crate) struct ReceivedItem {
    pub(crate) opening: NormalizeItem,
    pub(crate) native: Bytes,
}

/// A refused item, with what could be read of it.
#[derive(Debug)]
pub(crate) struct Refusal {
    fault: Fault,
    read: Option<ReadAttributes>,
}

/// Decodes and normalizes an item, and then yields its extracted files and the result, without the
/// item's number. A refused item yields its refusal alone, so that no file of it reaches the caller.
pub(crate) fn answer_item<'a>(
    codec: &Codec,
    directory: &Directory,
    day: &str,
    item: &'a ReceivedItem,
) -> Box<dyn Iterator<Item = NormalizeResponse> + Send + 'a> {
    let response = |frame| NormalizeResponse { frame: Some(frame), ..NormalizeResponse::default() };
    match normalize_item(codec, directory, day, item) {
        Ok((extracted, normalized)) => Box::new(result_frames(extracted, normalized).map(response)),
        Err(Refusal { fault, read }) => {
            let refused = NormalizeResponse { read, ..response(Frame::Refused(fault)) };
            Box::new(std::iter::once(refused))
        }
    }
}

fn normalize_item(
    codec: &Codec,
    directory: &Directory,
    day: &str,
    item: &ReceivedItem,
) -> Result<(ExtractedFiles, Normalized), Refusal> {
    let mut extracted = ExtractedFiles::default();
    let normalized = decode_and_normalize(codec, (directory, day), item, &mut extracted);
    match normalized {
        Ok(normalized) => Ok((extracted, normalized)),
        Err(fault) => {
            let format = item.opening.format.clone();
            let read = extracted.read.map(|it| ReadAttributes { format, ..it });
            let read = read.filter(|_| !extracted.bears_secrecy_mark && !secrecy::is_code(&fault));
            Err(Refusal { fault, read })
        }
    }
}

fn decode_and_normalize(
    codec: &Codec,
    (directory, day): (&Directory, &str),
    item: &ReceivedItem,
    extracted: &mut ExtractedFiles,
) -> Result<Normalized, Fault> {
    let opening = &item.opening;
    secrecy::check_file_names(&opening.attachments)?;
    let decoded = codec.decode(&opening.format, &item.native, &opening.attachments, extracted);
    let decoded = decoded.map_err(|fault| match extracted.bears_secrecy_mark {
        true => Fault::new(&code::LT_MAP_210),
        false => secrecy::redact_decode_fault(&item.native, fault),
    })?;
    let sources = locate_sources(&decoded.canonical, extracted, &opening.attachments);
    let format = decoded.format.clone();
    let context = NormalizeContext {
        sender: &opening.sender,
        recipients: &opening.recipients,
        directory,
        day,
        native_path: &|path| codec.native_path(&format, path),
        find_missing: &|format, canonical| codec.find_missing(format, canonical),
    };
    // A secrecy mark is reported before a missing attachment, so the sources' outcome comes second.
    let mut normalized = normalize(decoded, &context)?;
    normalized.attachments = sources?;
    Ok(normalized)
}

/// Chunks of the extracted files one file after another, then the result.
fn result_frames(
    mut extracted: ExtractedFiles,
    normalized: Normalized,
) -> impl Iterator<Item = Frame> + Send {
    let mut normalized = Some(normalized);
    let mut index = 0;
    let mut is_begun = false;
    std::iter::from_fn(move || {
        if index >= extracted.len() {
            return normalized.take().map(Frame::Normalized);
        }
        if !is_begun && let Err(error) = extracted.rewind(index) {
            index = extracted.len();
            return normalized.take().map(|_| unreadable_file(&error));
        }
        is_begun = true;
        match extracted.read_chunk(index, CHUNK_BYTES) {
            Ok(data) => {
                let last = data.len() < CHUNK_BYTES;
                let blob = u32::try_from(index).unwrap_or(u32::MAX);
                if last {
                    (index, is_begun) = (index + 1, false);
                }
                Some(Frame::Blob(BlobChunk { blob, data, last }))
            }
            Err(error) => {
                index = extracted.len();
                normalized.take().map(|_| unreadable_file(&error))
            }
        }
    })
}

fn unreadable_file(error: &std::io::Error) -> Frame {
    Frame::Refused(Fault::new(&code::LT_STO_004).detail(error.to_string()))
}

/// The answer to an item whose decoding panicked.
pub(crate) fn panicked(item: u32) -> Frame {
    tracing::error!(item, "normalizing an item panicked");
    Frame::Refused(fault::from_panic("normalize"))
}

#[cfg(test)]
#[path = "item/tests.rs"]
mod tests;
