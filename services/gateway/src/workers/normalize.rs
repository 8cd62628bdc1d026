//! Sends batches of items to mapping, and spools the files that mapping finds inside them.

use std::collections::HashMap;

use bus::ClaimStore;
use bus::claim::Spool;
use bytes::Bytes;
use chassis::Upstream;
use proto::fault::v1::Fault;
use proto::mapping::v1::mapping_client::MappingClient;
use proto::mapping::v1::normalize_response::Frame;
use proto::mapping::v1::{
    NormalizeItem, NormalizeRequest, NormalizeResponse, Normalized, ReadAttributes,
};

use crate::fault::{from_claim_error, from_status, unavailable};
use crate::memory::MemoryPermit;

/// Largest piece of a body in one frame, below the message limit of gRPC.
const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// An item in its native format.
#[derive(Clone, Debug)]
pub(crate) struct NativeItem {
    pub(crate) item: NormalizeItem,
    pub(crate) bytes: Bytes,
    /// Held until mapping has answered, also when the caller has gone away.
    pub(crate) permit: MemoryPermit,
}

/// An item or record that mapping refused, with what could be read of it.
#[derive(Debug)]
pub(crate) struct RefusedItem {
    pub(crate) fault: Fault,
    pub(crate) read: Option<ReadAttributes>,
}

impl From<Fault> for RefusedItem {
    fn from(fault: Fault) -> Self {
        Self { fault, read: None }
    }
}

/// A record of an item: where it stands when there are several, and what became of it.
#[derive(Debug)]
pub(crate) struct NormalizedRecord {
    pub(crate) place: String,
    pub(crate) outcome: Result<Normalized, RefusedItem>,
}

/// The records of an item, and the files that were inside it by their number.
#[derive(Debug, Default)]
pub(crate) struct NormalizedItem {
    pub(crate) records: Vec<NormalizedRecord>,
    pub(crate) files: Vec<Option<Spool>>,
}

/// What mapping says of an item.
pub(crate) type NormalizeResult = Result<NormalizedItem, RefusedItem>;

/// Normalizes a batch in one call; one result an item, in their order.
pub(crate) async fn normalize_batch(
    mut mapping: MappingClient<Upstream>,
    claims: ClaimStore,
    batch: Vec<NativeItem>,
) -> Vec<NormalizeResult> {
    let count = batch.len();
    let _permits: Vec<MemoryPermit> = batch.iter().map(|it| it.permit.clone()).collect();
    let frames: Vec<_> = batch
        .into_iter()
        .zip(0_u32..)
        .flat_map(|(native, number)| request_frames(number, native))
        .collect();
    let mut results: Vec<NormalizeResult> =
        (0..count).map(|_| Err(unavailable("mapping").into())).collect();
    match mapping.normalize(tokio_stream::iter(frames)).await {
        Ok(response) => collect_results(response.into_inner(), &claims, &mut results).await,
        Err(status) => results.fill_with(|| Err(from_status("mapping", &status).into())),
    }
    results
}

/// The frames of one item: the first one opens it, each carries a piece of the body.
fn request_frames(number: u32, native: NativeItem) -> impl Iterator<Item = NormalizeRequest> {
    let mut open = Some(native.item);
    let mut rest = native.bytes;
    std::iter::from_fn(move || {
        if open.is_none() && rest.is_empty() {
            return None;
        }
        let piece = rest.split_to(rest.len().min(FRAME_BYTES_MAX));
        Some(NormalizeRequest { item: number, open: open.take(), native: piece })
    })
}

async fn collect_results(
    mut responses: tonic::Streaming<NormalizeResponse>,
    claims: &ClaimStore,
    results: &mut [NormalizeResult],
) {
    let mut items: HashMap<u32, NormalizedItem> = HashMap::new();
    let mut failed: HashMap<u32, Fault> = HashMap::new();
    loop {
        let response = match responses.message().await {
            Ok(Some(response)) => response,
            Ok(None) => return,
            Err(status) => {
                // Items without a result so far stay `unavailable`, which the sender may retry.
                tracing::warn!(error = status.message(), "normalizing broke off");
                return;
            }
        };
        let item = response.item;
        let Some(result) = usize::try_from(item).ok().and_then(|it| results.get_mut(it)) else {
            continue;
        };
        let NormalizeResponse { frame, read, records, place, .. } = response;
        let outcome = match frame {
            Some(Frame::Blob(chunk)) => {
                let spools = &mut items.entry(item).or_default().files;
                let index = usize::try_from(chunk.blob).unwrap_or(usize::MAX);
                if let Err(fault) = write_file(claims, spools, index, chunk.data).await {
                    failed.insert(item, fault);
                }
                continue;
            }
            Some(Frame::Normalized(normalized)) => Ok(normalized),
            Some(Frame::Refused(fault)) => Err(RefusedItem { fault, read }),
            None => continue,
        };
        match (failed.remove(&item), outcome) {
            (_, Err(refused)) if records == 0 => *result = Err(refused),
            (Some(fault), _) => *result = Err(fault.into()),
            (None, outcome) => {
                let normalized = items.entry(item).or_default();
                normalized.records.push(NormalizedRecord { place, outcome });
                // An item of which records are missing stays `unavailable`.
                if normalized.records.len() >= usize::try_from(records).unwrap_or(usize::MAX) {
                    *result = Ok(items.remove(&item).unwrap_or_default());
                }
            }
        }
    }
}

/// Appends a chunk to the file with this index. Files come one after another, so a new index is
/// the next one; any other is a protocol error of mapping.
async fn write_file(
    claims: &ClaimStore,
    spools: &mut Vec<Option<Spool>>,
    index: usize,
    data: Bytes,
) -> Result<(), Fault> {
    if index == spools.len() {
        spools.push(Some(claims.spool().await.map_err(|error| from_claim_error(&error))?));
    }
    match spools.get_mut(index).and_then(Option::as_mut) {
        Some(spool) => spool.write(data).await.map_err(|error| from_claim_error(&error)),
        None => Err(unavailable("mapping")),
    }
}
