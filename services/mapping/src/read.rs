//! One whole item into the frames of its answer.

use bytes::Bytes;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::{BlobChunk, NormalizeItem, Normalized, normalize_response::Frame};

use crate::attachments;
use crate::blobs::Found;
use crate::codec::Shelf;
use crate::directory::Directory;
use crate::normalize::{Asked, normalize};
use crate::secrecy;
use crate::server::PIECE_BYTES;

/// An item whose bytes have all come.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) open: NormalizeItem,
    pub(crate) native: Bytes,
}

/// Reads an item, decides, and then gives out what was found in it: nothing of a refused one.
pub(crate) fn answer<'a>(
    shelf: &Shelf,
    directory: &Directory,
    day: &str,
    item: &'a Item,
) -> Box<dyn Iterator<Item = Frame> + Send + 'a> {
    match decide(shelf, directory, day, item) {
        Ok((found, normalized)) => Box::new(frames(found, normalized)),
        Err(fault) => Box::new(std::iter::once(Frame::Refused(fault))),
    }
}

fn decide(
    shelf: &Shelf,
    directory: &Directory,
    day: &str,
    item: &Item,
) -> Result<(Found, Normalized), Fault> {
    let open = &item.open;
    let mut found = Found::default();
    let read = shelf.read(&open.format, &item.native, &open.attachments, &mut found);
    let reading = read.map_err(|fault| match found.bears_mark {
        true => Fault::new(&code::LT_MAP_210),
        false => secrecy::of_unread(&item.native, fault),
    })?;
    let files = attachments::sources(&reading.canonical, &found, &open.attachments);
    let format = reading.format.clone();
    let asked = Asked {
        sender: &open.sender,
        recipients: &open.recipients,
        directory,
        day,
        place: &|path| shelf.place(&format, path),
    };
    // The decision comes first: what is secret is told before what is missing.
    let mut normalized = normalize(reading, &asked)?;
    normalized.attachments = files?;
    Ok((found, normalized))
}

/// The found files one after another, then the answer itself.
fn frames(mut found: Found, normalized: Normalized) -> impl Iterator<Item = Frame> + Send {
    let mut normalized = Some(normalized);
    let mut place = 0;
    let mut begun = false;
    std::iter::from_fn(move || {
        if place >= found.len() {
            return normalized.take().map(Frame::Normalized);
        }
        if !begun && let Err(error) = found.rewind(place) {
            place = found.len();
            return normalized.take().map(|_| broken(&error));
        }
        begun = true;
        match found.next(place, PIECE_BYTES) {
            Ok(data) => {
                let last = data.len() < PIECE_BYTES;
                let blob = u32::try_from(place).unwrap_or(u32::MAX);
                if last {
                    (place, begun) = (place + 1, false);
                }
                Some(Frame::Blob(BlobChunk { blob, data, last }))
            }
            Err(error) => {
                place = found.len();
                normalized.take().map(|_| broken(&error))
            }
        }
    })
}

fn broken(error: &std::io::Error) -> Frame {
    Frame::Refused(Fault::new(&code::LT_MAP_219).detail(error.to_string()))
}
