//! Sends batches of settlements to the journal, one call a session.

use std::collections::HashMap;

use futures::future::join_all;
use journal_client::{JournalClient, to_fault};
use proto::fault::v1::Fault;
use proto::journal::v1::{EndRequest, Ended, Settlement};

use crate::fault::unavailable;
use crate::session::LeaseOwner;

/// Settles a batch; one result a settlement, in their order.
pub(crate) async fn settle_batch(
    journal: JournalClient,
    batch: Vec<(LeaseOwner, Settlement)>,
) -> Vec<Result<Ended, Fault>> {
    let mut results: Vec<Result<Ended, Fault>> =
        batch.iter().map(|_| Err(unavailable("journal"))).collect();
    let mut by_owner: HashMap<LeaseOwner, (Vec<usize>, Vec<Settlement>)> = HashMap::new();
    for (index, (owner, settlement)) in batch.into_iter().enumerate() {
        let (indexes, settlements) = by_owner.entry(owner).or_default();
        indexes.push(index);
        settlements.push(settlement);
    }
    let calls = by_owner.into_iter().map(|(owner, (indexes, settlements))| {
        let journal = journal.clone();
        let LeaseOwner { application, session } = owner;
        let request = EndRequest { session, settlements, application };
        async move { (indexes, journal.end(request).await) }
    });
    for (indexes, response) in join_all(calls).await {
        match response {
            Ok(messages) => {
                for (index, ended) in indexes.into_iter().zip(messages) {
                    results[index] = Ok(ended);
                }
            }
            Err(status) => {
                let fault = to_fault(&status);
                for index in indexes {
                    results[index] = Err(fault.clone());
                }
            }
        }
    }
    results
}
