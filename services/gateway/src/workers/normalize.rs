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

/// An item that mapping refused, with what could be read of it.
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

/// The canonical form of an item, and the files that were inside it by their number.
pub(crate) type NormalizeResult = Result<(Normalized, Vec<Option<Spool>>), RefusedItem>;

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
    let mut files: HashMap<u32, Vec<Option<Spool>>> = HashMap::new();
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
        match response.frame {
            Some(Frame::Blob(chunk)) => {
                let spools = files.entry(item).or_default();
                let index = usize::try_from(chunk.blob).unwrap_or(usize::MAX);
                if let Err(fault) = write_file(claims, spools, index, chunk.data).await {
                    failed.insert(item, fault);
                }
            }
            Some(Frame::Normalized(normalized)) => {
                *result = match failed.remove(&item) {
                    Some(fault) => Err(fault.into()),
                    None => Ok((normalized, files.remove(&item).unwrap_or_default())),
                };
            }
            Some(Frame::Refused(fault)) => {
                files.remove(&item);
                *result = Err(RefusedItem { fault, read: response.read });
            }
            None => {}
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
