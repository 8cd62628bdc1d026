//! One complete item of a `Normalize` call, and the frames that answer it.

use std::collections::HashMap;

use bytes::Bytes;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::{
    BlobChunk, NormalizeItem, NormalizeResponse, Normalized, ReadAttributes,
    normalize_response::Frame,
};
use registry_client::Directory;

use crate::attachments::locate_sources;
use crate::codec::{Codec, DecodedItem, ItemRecord};
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

/// A refused item or record, with what could be read of it.
#[derive(Debug)]
pub(crate) struct Refusal {
    fault: Fault,
    read: Option<ReadAttributes>,
}

/// A record of an item that was not refused as a whole: where it stands, and what became of it.
#[derive(Debug)]
struct RecordOutcome {
    place: String,
    outcome: Result<Normalized, Refusal>,
}

/// Decodes and normalizes an item, and then yields its extracted files and the outcome of each of its
/// records, without the item's number. Files of refused records do not reach the caller.
pub(crate) fn answer_item<'a>(
    codec: &Codec,
    directory: &Directory,
    day: &str,
    item: &'a ReceivedItem,
) -> Box<dyn Iterator<Item = NormalizeResponse> + Send + 'a> {
    match normalize_item(codec, directory, day, item) {
        Ok((extracted, records)) => Box::new(result_frames(extracted, records)),
        Err(refusal) => Box::new(std::iter::once(refused(refusal))),
    }
}

fn refused(Refusal { fault, read }: Refusal) -> NormalizeResponse {
    NormalizeResponse { frame: Some(Frame::Refused(fault)), read, ..NormalizeResponse::default() }
}

/// The outcome of each record, and the files that were extracted for all.
///
/// A secrecy mark in any record refuses the item as a whole: the native bytes are stored as they
/// came, with every record that is accepted.
fn normalize_item(
    codec: &Codec,
    directory: &Directory,
    day: &str,
    item: &ReceivedItem,
) -> Result<(ExtractedFiles, Vec<RecordOutcome>), Refusal> {
    let mut extracted = ExtractedFiles::default();
    let records = match decode_records(codec, item, &mut extracted) {
        Ok(records) => records,
        Err(fault) => return Err(refusal_of(fault, 0, (item, &extracted))),
    };
    let mut outcomes = Vec::with_capacity(records.len());
    for (index, ItemRecord { place, outcome }) in records.into_iter().enumerate() {
        let normalized = outcome.and_then(|decoded| {
            normalize_record(codec, (directory, day), item, (decoded, &extracted))
        });
        let outcome = normalized.map_err(|it| refusal_of(it, index, (item, &extracted)));
        match outcome {
            Err(refusal) if secrecy::is_code(&refusal.fault) => return Err(refusal),
            outcome => outcomes.push(RecordOutcome { place, outcome }),
        }
    }
    Ok((extracted, outcomes))
}

/// A refusal with what was read of the record, unless the item bears a secrecy mark.
fn refusal_of(
    fault: Fault,
    index: usize,
    (item, extracted): (&ReceivedItem, &ExtractedFiles),
) -> Refusal {
    let format = item.opening.format.clone();
    let read = extracted.read.get(&index).cloned().map(|it| ReadAttributes { format, ..it });
    let read = read.filter(|_| !extracted.bears_secrecy_mark && !secrecy::is_code(&fault));
    Refusal { fault, read }
}

fn decode_records(
    codec: &Codec,
    item: &ReceivedItem,
    extracted: &mut ExtractedFiles,
) -> Result<Vec<ItemRecord>, Fault> {
    let opening = &item.opening;
    secrecy::check_file_names(&opening.attachments)?;
    let records = codec.decode(&opening.format, &item.native, &opening.attachments, extracted);
    // A fault may quote what it is about, so it is not shown where there is a mark.
    let redacted = |fault: Fault| match extracted.bears_secrecy_mark {
        true => Fault::new(&code::LT_MAP_210),
        false => secrecy::redact_decode_fault(&item.native, fault),
    };
    let redact_record = |it: ItemRecord| ItemRecord { outcome: it.outcome.map_err(redacted), ..it };
    let records: Vec<_> = records.map_err(redacted)?.into_iter().map(redact_record).collect();
    Ok(records)
}

fn normalize_record(
    codec: &Codec,
    (directory, day): (&Directory, &str),
    item: &ReceivedItem,
    (decoded, extracted): (DecodedItem, &ExtractedFiles),
) -> Result<Normalized, Fault> {
    let opening = &item.opening;
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

/// Chunks of the files of the records that are not refused, one file after another, then the
/// outcome of each record.
fn result_frames(
    mut extracted: ExtractedFiles,
    mut records: Vec<RecordOutcome>,
) -> impl Iterator<Item = NormalizeResponse> + Send {
    let files = number_files(&mut records);
    let mut outcomes = Some(records);
    let mut remaining = Vec::new().into_iter();
    let (mut blob, mut is_begun) = (0, false);
    std::iter::from_fn(move || {
        let Some(index) = files.get(blob).copied() else {
            if let Some(records) = outcomes.take() {
                remaining = outcome_frames(records).into_iter();
            }
            return remaining.next();
        };
        let chunk = match is_begun {
            true => Ok(()),
            false => extracted.rewind(index),
        };
        is_begun = true;
        match chunk.and_then(|()| extracted.read_chunk(index, CHUNK_BYTES)) {
            Ok(data) => {
                let last = data.len() < CHUNK_BYTES;
                let number = u32::try_from(blob).unwrap_or(u32::MAX);
                if last {
                    (blob, is_begun) = (blob + 1, false);
                }
                let frame = Some(Frame::Blob(BlobChunk { blob: number, data, last }));
                Some(NormalizeResponse { frame, ..NormalizeResponse::default() })
            }
            Err(error) => {
                blob = files.len();
                let frame = outcomes.take().map(|_| unreadable_file(&error))?;
                Some(NormalizeResponse { frame: Some(frame), ..NormalizeResponse::default() })
            }
        }
    })
}

/// The indexes of the extracted files that attachments need, and in the attachments the number that
/// each has among these.
fn number_files(records: &mut [RecordOutcome]) -> Vec<usize> {
    let (mut files, mut numbers) = (Vec::new(), HashMap::new());
    let normalized = records.iter_mut().filter_map(|it| it.outcome.as_mut().ok());
    for blob in normalized.flat_map(|it| &mut it.attachments).filter_map(|it| it.blob.as_mut()) {
        let index = usize::try_from(*blob).unwrap_or(usize::MAX);
        let number = *numbers.entry(index).or_insert_with(|| {
            files.push(index);
            files.len() - 1
        });
        *blob = u32::try_from(number).unwrap_or(u32::MAX);
    }
    files
}

/// The outcome of an item of one record, or those of several with their numbers and places.
fn outcome_frames(records: Vec<RecordOutcome>) -> Vec<NormalizeResponse> {
    let number = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    let count = match records.len() {
        1 => 0,
        count => number(count),
    };
    let frame = |(index, it): (usize, RecordOutcome)| {
        let response = match it.outcome {
            Ok(normalized) => NormalizeResponse {
                frame: Some(Frame::Normalized(normalized)),
                ..NormalizeResponse::default()
            },
            Err(refusal) => refused(refusal),
        };
        let place = if count == 0 { String::new() } else { it.place };
        NormalizeResponse { records: count, record: number(index), place, ..response }
    };
    records.into_iter().enumerate().map(frame).collect()
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
