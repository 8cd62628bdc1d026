//! Readers: searches, journeys and bodies, beside the writer, each on a connection of its own.

use proto::journal::v1::{
    FindRequest, FindResponse, GetRequest, GetResponse, JourneyRequest, JourneyResponse,
};
use tokio::sync::{Mutex, mpsc};

use crate::database::Database;
use crate::database::error::DatabaseError;
use crate::find;
use crate::reply::{Reply, unavailable};
use crate::storage::storage_fault;

/// A call that only reads.
#[derive(Debug)]
pub(crate) enum ReadCall {
    Find(FindRequest, Reply<FindResponse>),
    Journey(JourneyRequest, Reply<Option<JourneyResponse>>),
    Get(GetRequest, Reply<Option<GetResponse>>),
}

/// Answers calls until there are no more. A search that fails fails its caller; a lost connection
/// is an error, because every search after it would fail too.
pub(crate) async fn run(
    mut database: Database,
    calls: &Mutex<mpsc::Receiver<ReadCall>>,
) -> Result<(), DatabaseError> {
    loop {
        let Some(call) = calls.lock().await.recv().await else { return Ok(()) };
        match call {
            // A long search is not run for a caller that went away.
            ReadCall::Find(_, reply) if reply.is_closed() => {}
            ReadCall::Find(request, reply) => {
                answer(&reply, find::find(&mut database, &request).await)?;
            }
            ReadCall::Journey(request, reply) => {
                answer(&reply, find::journey(&mut database, &request.message_id).await)?;
            }
            ReadCall::Get(request, reply) => {
                answer(&reply, find::get(&mut database, &request).await)?;
            }
        }
    }
}

fn answer<T>(reply: &Reply<T>, outcome: Result<T, DatabaseError>) -> Result<(), DatabaseError> {
    let error = match outcome {
        Ok(value) => {
            reply.send(Ok(value));
            return Ok(());
        }
        Err(error) => error,
    };
    let description = error.describe();
    tracing::error!(error = description, "the journal cannot be read");
    let is_corrupt = matches!(error, DatabaseError::Corrupt { .. });
    let fault = match storage_fault(&error) {
        Some(fault) => fault,
        None if is_corrupt => error.data_fault(),
        None => unavailable().detail(description),
    };
    reply.send(Err(fault));
    if error.is_lost() { Err(error) } else { Ok(()) }
}
