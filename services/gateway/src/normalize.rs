//! Asking the mapping service: many items in one call, their files into anonymous spools.

use std::collections::HashMap;

use bus::ClaimStore;
use bus::claim::Spool;
use bytes::Bytes;
use proto::fault::v1::Fault;
use proto::mapping::v1::mapping_client::MappingClient;
use proto::mapping::v1::normalize_response::Frame;
use proto::mapping::v1::{NormalizeItem, NormalizeRequest, Normalized};

use crate::fault::{away, internal, of};
use crate::gateway::Room;

/// Bytes of one frame.
const FRAME: usize = 1024 * 1024;

/// An item to be read.
#[derive(Clone, Debug)]
pub(crate) struct Native {
    pub(crate) item: NormalizeItem,
    pub(crate) bytes: Bytes,
    /// Its room in memory, kept until it was read, whoever still waits for the answer.
    pub(crate) room: Room,
}

/// What was read, and the files that were inside.
pub(crate) type Read = Result<(Normalized, Vec<Option<Spool>>), Fault>;

/// Has a batch read; one answer an item.
pub(crate) async fn normalize(
    mut client: MappingClient<chassis::Upstream>,
    claims: ClaimStore,
    batch: Vec<Native>,
) -> Vec<Read> {
    let count = batch.len();
    let _rooms: Vec<Room> = batch.iter().map(|it| it.room.clone()).collect();
    let frames = batch.into_iter().enumerate().flat_map(|(number, native)| {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let mut open = Some(native.item);
        let mut rest = native.bytes;
        std::iter::from_fn(move || {
            if open.is_none() && rest.is_empty() {
                return None;
            }
            let piece = rest.split_to(rest.len().min(FRAME));
            Some(NormalizeRequest { item: number, open: open.take(), native: piece })
        })
    });
    let mut answers: Vec<Read> = (0..count).map(|_| Err(away("mapping"))).collect();
    match client.normalize(tokio_stream::iter(frames.collect::<Vec<_>>())).await {
        Ok(response) => collect(response.into_inner(), &claims, &mut answers).await,
        Err(status) => answers.fill_with(|| Err(of("mapping", &status))),
    }
    answers
}

async fn collect(
    mut responses: tonic::Streaming<proto::mapping::v1::NormalizeResponse>,
    claims: &ClaimStore,
    answers: &mut [Read],
) {
    let mut blobs: HashMap<u32, Vec<Option<Spool>>> = HashMap::new();
    let mut broken: HashMap<u32, Fault> = HashMap::new();
    loop {
        let response = match responses.message().await {
            Ok(Some(response)) => response,
            Ok(None) => return,
            Err(status) => {
                // Items that were not answered yet keep the answer that the service is away.
                tracing::warn!(error = status.message(), "reading broke off");
                return;
            }
        };
        let item = response.item;
        let Some(answer) = usize::try_from(item).ok().and_then(|it| answers.get_mut(it)) else {
            continue;
        };
        match response.frame {
            Some(Frame::Blob(chunk)) => {
                let spools = blobs.entry(item).or_default();
                let place = usize::try_from(chunk.blob).unwrap_or(usize::MAX);
                if let Err(fault) = write(claims, spools, place, chunk.data).await {
                    broken.insert(item, fault);
                }
            }
            Some(Frame::Normalized(normalized)) => {
                *answer = match broken.remove(&item) {
                    Some(fault) => Err(fault),
                    None => Ok((normalized, blobs.remove(&item).unwrap_or_default())),
                };
            }
            Some(Frame::Refused(fault)) => {
                blobs.remove(&item);
                *answer = Err(fault);
            }
            None => {}
        }
    }
}

async fn write(
    claims: &ClaimStore,
    spools: &mut Vec<Option<Spool>>,
    place: usize,
    data: Bytes,
) -> Result<(), Fault> {
    if place == spools.len() {
        spools.push(Some(claims.spool().await.map_err(|error| internal(&error))?));
    }
    match spools.get_mut(place).and_then(Option::as_mut) {
        Some(spool) => spool.write(data).await.map_err(|error| internal(&error)),
        None => Err(away("mapping")),
    }
}
