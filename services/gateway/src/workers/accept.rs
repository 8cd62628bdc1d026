//! Sends batches of normalized items to the journal, which accepts each by itself.

use journal_client::{JournalClient, to_fault};
use proto::fault::v1::Fault;
use proto::journal::v1::body::Place;
use proto::journal::v1::{AcceptOutcome, Acceptance};

use crate::fault::unavailable;
use crate::memory::MemoryPermit;

/// An item to accept, with the memory of its bodies; a question has none.
pub(crate) type PendingAcceptance = (Acceptance, Option<MemoryPermit>);

/// The bytes that an item adds to its batch: bodies under a claim are not in the call.
pub(crate) fn acceptance_bytes((item, _permit): &PendingAcceptance) -> usize {
    let bodies = [item.native.as_ref(), item.message.as_ref().and_then(|it| it.body.as_ref())];
    let inline = bodies.into_iter().flatten().map(|it| match &it.place {
        Some(Place::Inline(bytes)) => bytes.len(),
        Some(Place::Claim(_)) | None => 0,
    });
    inline.sum()
}

/// Accepts a batch in one call; one outcome an item, in their order.
pub(crate) async fn accept_batch(
    journal: JournalClient,
    batch: Vec<PendingAcceptance>,
) -> Vec<Result<AcceptOutcome, Fault>> {
    let (items, _permits): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let count = items.len();
    match journal.accept(items).await {
        Ok(outcomes) => {
            let mut outcomes: Vec<_> = outcomes.into_iter().map(Ok).collect();
            outcomes.resize_with(count, || Err(unavailable("journal")));
            outcomes
        }
        Err(status) => vec![Err(to_fault(&status)); count],
    }
}
