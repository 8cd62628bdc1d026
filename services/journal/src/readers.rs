//! Readers: searches, journeys and bodies, beside the writer, each on a connection of its own.

use proto::journal::v1::{
    FindRefusalsRequest, FindRefusalsResponse, FindRequest, FindResponse, GetFormatResponse,
    GetRequest, GetResponse, JourneyRequest, JourneyResponse, ListFormatsRequest,
    ListFormatsResponse,
};
use proto::operate::v1::{Pause, ProgressResponse, Session};
use tokio::sync::{Mutex, mpsc};

use crate::database::Database;
use crate::database::error::DatabaseError;
use crate::find;
use crate::format_versions;
use crate::last_progress::LastProgress;
use crate::pauses::Pauses;
use crate::progress::{progress, sessions};
use crate::refusals;
use crate::reply::{Reply, unavailable};
use crate::storage::storage_fault;
use crate::waiting::add_reasons;

/// A call that only reads.
#[derive(Debug)]
pub(crate) enum ReadCall {
    Find(FindRequest, Reply<FindResponse>),
    FindRefusals(FindRefusalsRequest, Reply<FindRefusalsResponse>),
    Journey(JourneyRequest, Reply<Option<JourneyResponse>>),
    Get(GetRequest, Reply<Option<GetResponse>>),
    Progress(LastProgress, Reply<ProgressResponse>),
    Sessions(Reply<Vec<Session>>),
    Pauses(Reply<Vec<Pause>>),
    ListFormats(ListFormatsRequest, Reply<ListFormatsResponse>),
    GetFormat(String, Reply<Option<GetFormatResponse>>),
}

/// Answers calls until there are no more. A search that fails fails its caller; a lost connection
/// is an error, because every search after it would fail too.
pub(crate) async fn run(
    mut database: Database,
    calls: &Mutex<mpsc::Receiver<ReadCall>>,
    partitions: u16,
) -> Result<(), DatabaseError> {
    loop {
        let Some(call) = calls.lock().await.recv().await else { return Ok(()) };
        match call {
            // A long search is not run for a caller that went away.
            ReadCall::Find(_, reply) if reply.is_closed() => {}
            ReadCall::Find(request, reply) => {
                answer(&reply, find_messages(&mut database, &request, partitions).await)?;
            }
            ReadCall::FindRefusals(request, reply) => {
                answer(&reply, refusals::find(&mut database, &request).await)?;
            }
            ReadCall::Journey(request, reply) => {
                let id = request.message_id.as_str();
                answer(&reply, read_journey(&mut database, id, partitions).await)?;
            }
            ReadCall::Get(request, reply) => {
                answer(&reply, find::get(&mut database, &request).await)?;
            }
            ReadCall::Progress(last, reply) => {
                answer(&reply, progress(&mut database, (&last, partitions)).await)?;
            }
            ReadCall::Sessions(reply) => answer(&reply, sessions(&mut database).await)?,
            ReadCall::Pauses(reply) => {
                let pauses = Pauses::read(&mut database, partitions).await;
                answer(&reply, pauses.map(|it| it.all))?;
            }
            ReadCall::ListFormats(request, reply) => {
                answer(&reply, format_versions::list(&mut database, &request).await)?;
            }
            ReadCall::GetFormat(hash, reply) => {
                answer(&reply, format_versions::get(&mut database, &hash).await)?;
            }
        }
    }
}

async fn find_messages(
    database: &mut Database,
    request: &FindRequest,
    partitions: u16,
) -> Result<FindResponse, DatabaseError> {
    let mut found = find::find(database, request).await?;
    add_reasons(database, &mut found.messages, partitions).await?;
    Ok(found)
}

async fn read_journey(
    database: &mut Database,
    id: &str,
    partitions: u16,
) -> Result<Option<JourneyResponse>, DatabaseError> {
    let Some(mut journey) = find::journey(database, id).await? else { return Ok(None) };
    if let Some(message) = &mut journey.message {
        add_reasons(database, std::slice::from_mut(message), partitions).await?;
    }
    add_reasons(database, &mut journey.derived, partitions).await?;
    Ok(Some(journey))
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
