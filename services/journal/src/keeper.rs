//! The one writer: gathers calls, works on them in one transaction, answers when it is on disk.

use std::time::Duration;

use proto::journal::v1::{
    AcceptOutcome, Acceptance, Begun, CommandRequest, CommandResponse, Ended, Ending, Entry,
    OpenRequest, Refusal,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::database::{Database, DatabaseError};
use crate::desk::Desk;
use crate::{accept, deliver, record, sweep};

/// The most calls of one group; a group that waits for the disk lets the next one gather.
const GROUP_MAX: usize = 256;

/// An answer on its way to whoever asked.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// A call that writes.
#[derive(Debug)]
pub(crate) enum Call {
    Accept(Vec<Acceptance>, Reply<Vec<AcceptOutcome>>),
    Record(Vec<Entry>, Vec<Refusal>, Reply<Vec<String>>),
    Open(String, OpenRequest, Reply<u32>),
    Close(String, Reply<u32>),
    Begin(String, Vec<String>, Reply<Option<Vec<Begun>>>),
    End(String, Vec<Ending>, Reply<Vec<Ended>>),
    Command(CommandRequest, Reply<CommandResponse>),
}

/// An answer that is ready, held until the commit.
type Answer = Box<dyn FnOnce() + Send>;

/// Works until `shutdown`, and on what had come until then.
pub(crate) async fn keep(
    database: &mut Database,
    calls: &mut mpsc::Receiver<Call>,
    drives: &mpsc::Sender<Vec<String>>,
    clock: &chassis::Clock,
    (poll, shutdown): (Duration, &CancellationToken),
) -> Result<(), DatabaseError> {
    let mut sweeps = tokio::time::interval(poll);
    sweeps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let first = tokio::select! {
            biased;
            () = shutdown.cancelled() => match calls.try_recv() {
                Ok(call) => Some(call),
                Err(_nothing_left) => return Ok(()),
            },
            call = calls.recv() => match call {
                Some(call) => Some(call),
                None => return Ok(()),
            },
            _ = sweeps.tick() => None,
        };
        let mut group = Vec::new();
        group.extend(first);
        let is_sweep = group.is_empty();
        while let (false, Ok(call)) = (is_sweep || group.len() >= GROUP_MAX, calls.try_recv()) {
            group.push(call);
        }
        if is_sweep {
            if sweep_once(database, clock, drives).await? {
                sweeps.reset_immediately();
            }
        } else {
            work(database, group, clock, drives).await?;
        }
    }
}

async fn sweep_once(
    database: &mut Database,
    clock: &chassis::Clock,
    drives: &mpsc::Sender<Vec<String>>,
) -> Result<bool, DatabaseError> {
    let mut desk = Desk::new(database, clock.now_us());
    desk.database.begin().await?;
    let outcome = match sweep::sweep(&mut desk).await {
        Ok(more) => desk.flush().await.map(|()| more),
        Err(error) => Err(error),
    };
    finish(desk, outcome, drives).await
}

async fn work(
    database: &mut Database,
    group: Vec<Call>,
    clock: &chassis::Clock,
    drives: &mpsc::Sender<Vec<String>>,
) -> Result<(), DatabaseError> {
    let mut desk = Desk::new(database, clock.now_us());
    desk.database.begin().await?;
    let mut answers = Vec::with_capacity(group.len());
    let mut outcome = all(&mut desk, group, &mut answers).await;
    if outcome.is_ok() {
        outcome = desk.flush().await;
    }
    finish(desk, outcome, drives).await?;
    for answer in answers {
        answer();
    }
    Ok(())
}

/// Commits, or undoes; then lets the drives go.
async fn finish<T>(
    desk: Desk<'_>,
    outcome: Result<T, DatabaseError>,
    drives: &mpsc::Sender<Vec<String>>,
) -> Result<T, DatabaseError> {
    let Desk { database, drives: due, .. } = desk;
    match outcome {
        Ok(value) => {
            database.commit().await?;
            // A full list loses nothing: the sweeper comes by at the deadline.
            if !due.is_empty() && drives.try_send(due).is_err() {
                tracing::debug!("drives wait for the sweeper");
            }
            Ok(value)
        }
        Err(error) => {
            if let Err(undo) = database.rollback().await {
                tracing::warn!(error = %undo, "transaction was not undone");
            }
            Err(error)
        }
    }
}

/// Accepts of the whole group are one batch, and so are its records; the rest goes call by call.
async fn all(
    desk: &mut Desk<'_>,
    group: Vec<Call>,
    answers: &mut Vec<Answer>,
) -> Result<(), DatabaseError> {
    let (mut accepts, mut records, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for call in group {
        match call {
            Call::Accept(items, reply) => accepts.push((items, reply)),
            Call::Record(entries, refusals, reply) => records.push((entries, refusals, reply)),
            other @ (Call::Open(..)
            | Call::Close(..)
            | Call::Begin(..)
            | Call::End(..)
            | Call::Command(..)) => others.push(other),
        }
    }
    accept_all(desk, accepts, answers).await?;
    for (entries, refusals, reply) in records {
        let unknown = record::record(desk, entries, refusals).await?;
        answers.push(Box::new(move || send(reply, unknown)));
    }
    for call in others {
        other(desk, call, answers).await?;
    }
    Ok(())
}

async fn accept_all(
    desk: &mut Desk<'_>,
    accepts: Vec<(Vec<Acceptance>, Reply<Vec<AcceptOutcome>>)>,
    answers: &mut Vec<Answer>,
) -> Result<(), DatabaseError> {
    let mut items = Vec::new();
    let mut replies = Vec::new();
    for (batch, reply) in accepts {
        replies.push((batch.len(), reply));
        items.extend(batch);
    }
    let mut outcomes = accept::accept(desk, items).await?.into_iter();
    for (count, reply) in replies {
        let own: Vec<_> = outcomes.by_ref().take(count).collect();
        answers.push(Box::new(move || send(reply, own)));
    }
    Ok(())
}

async fn other(
    desk: &mut Desk<'_>,
    call: Call,
    answers: &mut Vec<Answer>,
) -> Result<(), DatabaseError> {
    match call {
        Call::Open(id, request, reply) => {
            let given_back = deliver::open(desk, &id, &request).await?;
            answers.push(Box::new(move || send(reply, given_back)));
        }
        Call::Close(id, reply) => {
            let given_back = deliver::close(desk, &id).await?;
            answers.push(Box::new(move || send(reply, given_back)));
        }
        Call::Begin(session, ids, reply) => {
            let begun = deliver::begin(desk, &session, ids).await?;
            answers.push(Box::new(move || send(reply, begun)));
        }
        Call::End(session, endings, reply) => {
            let ended = deliver::end(desk, &session, endings).await?;
            answers.push(Box::new(move || send(reply, ended)));
        }
        Call::Command(request, reply) => {
            let response = sweep::command(desk, request).await?;
            answers.push(Box::new(move || send(reply, response)));
        }
        Call::Accept(..) | Call::Record(..) => {}
    }
    Ok(())
}

/// Whoever went away without waiting asks again; the work is done all the same.
fn send<T>(reply: Reply<T>, value: T) {
    if reply.send(value).is_err() {
        tracing::debug!("caller went away");
    }
}
