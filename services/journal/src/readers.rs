//! The readers: searches, journeys and bodies, beside the writer, each on a connection of its own.

use proto::fault::v1::Fault;
use proto::journal::v1::{
    FindRequest, FindResponse, GetRequest, GetResponse, JourneyRequest, JourneyResponse,
};
use tokio::sync::{Mutex, mpsc};

use crate::database::{Database, DatabaseError};
use crate::find;
use crate::group::{Reply, send};
use crate::server::away;

/// A call that only reads.
#[derive(Debug)]
pub(crate) enum Read {
    Find(FindRequest, Reply<FindResponse>),
    Journey(JourneyRequest, Reply<Option<JourneyResponse>>),
    Get(GetRequest, Reply<Option<GetResponse>>),
}

/// Answers until there are no more calls. A search that fails is its asker's; a connection that
/// is gone is an error, because every search after it would fail too.
pub(crate) async fn read(
    mut database: Database,
    reads: &Mutex<mpsc::Receiver<Read>>,
) -> Result<(), DatabaseError> {
    loop {
        let Some(read) = reads.lock().await.recv().await else { return Ok(()) };
        match read {
            // Whoever went away does not wait for a long search any more.
            Read::Find(_, reply) if reply.is_closed() => {}
            Read::Find(request, reply) => {
                answer(&reply, find::find(&mut database, &request).await)?;
            }
            Read::Journey(request, reply) => {
                answer(&reply, find::journey(&mut database, &request.message_id).await)?;
            }
            Read::Get(request, reply) => answer(&reply, find::get(&mut database, &request).await)?,
        }
    }
}

fn answer<T>(reply: &Reply<T>, outcome: Result<T, DatabaseError>) -> Result<(), DatabaseError> {
    let error = match outcome {
        Ok(value) => {
            send(reply, Ok(value));
            return Ok(());
        }
        Err(error) => error,
    };
    let words = error.words();
    tracing::error!(error = words, "the journal cannot be read");
    let fault: Fault = away().detail(words);
    send(reply, Err(fault));
    if error.is_lost() { Err(error) } else { Ok(()) }
}
