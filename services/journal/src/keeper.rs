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
use crate::metrics::Metrics;
use crate::{accept, deliver, ending, record, sweep};

/// A group takes no more calls once it has this many messages; while it waits for the disk the
/// next one gathers.
const GROUP_MAX: usize = 1_024;

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

impl Call {
    /// How many messages it is about.
    fn weight(&self) -> usize {
        let count = match self {
            Self::Accept(items, _) => items.len(),
            Self::Record(entries, refusals, _) => entries.len() + refusals.len(),
            Self::Begin(_, ids, _) => ids.len(),
            Self::End(_, endings, _) => endings.len(),
            Self::Command(request, _) => request.message_ids.len(),
            Self::Open(..) | Self::Close(..) => 1,
        };
        count.max(1)
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Accept(..) => "accept",
            Self::Record(..) => "record",
            Self::Open(..) => "open",
            Self::Close(..) => "close",
            Self::Begin(..) => "begin",
            Self::End(..) => "end",
            Self::Command(..) => "command",
        }
    }
}

/// An answer that is ready, held until the commit.
type Answer = Box<dyn FnOnce() + Send>;

/// Whose turn it is.
enum Turn {
    /// A call's; none: there will be no more.
    Call(Option<Call>),
    /// The sweeper's.
    Sweep,
}

/// The writer and what it needs beside its database.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Ids of messages that are free to go.
    pub(crate) drives: mpsc::Sender<Vec<String>>,
    pub(crate) clock: chassis::Clock,
    pub(crate) metrics: Metrics,
}

impl Keeper {
    /// Works until `shutdown`, and on what had come until then.
    pub(crate) async fn keep(
        self,
        database: &mut Database,
        calls: &mut mpsc::Receiver<Call>,
        (poll, shutdown): (Duration, &CancellationToken),
    ) -> Result<(), DatabaseError> {
        let mut sweeps = tokio::time::interval(poll);
        sweeps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // The order matters: calls do not keep the sweeper from its turn.
            let turn = tokio::select! {
                biased;
                () = shutdown.cancelled() => Turn::Call(calls.try_recv().ok()),
                _ = sweeps.tick() => Turn::Sweep,
                call = calls.recv() => Turn::Call(call),
            };
            let first = match turn {
                Turn::Call(Some(call)) => call,
                Turn::Call(None) => return Ok(()),
                Turn::Sweep if self.sweep(database).await? => {
                    sweeps.reset_immediately();
                    continue;
                }
                Turn::Sweep => continue,
            };
            let mut weight = first.weight();
            let mut group = vec![first];
            while let (true, Ok(call)) = (weight < GROUP_MAX, calls.try_recv()) {
                weight += call.weight();
                group.push(call);
            }
            self.work(database, group).await?;
        }
    }

    async fn sweep(&self, database: &mut Database) -> Result<bool, DatabaseError> {
        let mut desk = Desk::new(database, self.clock.now_us());
        desk.database.begin().await?;
        let outcome = match sweep::sweep(&mut desk).await {
            Ok(more) => desk.flush().await.map(|()| more),
            Err(error) => Err(error),
        };
        self.finish(desk, outcome).await
    }

    async fn work(&self, database: &mut Database, group: Vec<Call>) -> Result<(), DatabaseError> {
        let begun = tokio::time::Instant::now();
        for call in &group {
            self.metrics.called(call.kind());
        }
        let mut desk = Desk::new(database, self.clock.now_us());
        desk.database.begin().await?;
        let mut answers = Vec::with_capacity(group.len());
        let mut outcome = all(&mut desk, group, &mut answers).await;
        if outcome.is_ok() {
            outcome = desk.flush().await;
        }
        self.finish(desk, outcome).await?;
        self.metrics.committed(begun.elapsed());
        for answer in answers {
            answer();
        }
        Ok(())
    }

    /// Commits, or undoes; then lets the drives go.
    async fn finish<T>(
        &self,
        desk: Desk<'_>,
        outcome: Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let Desk { database, drives: due, .. } = desk;
        match outcome {
            Ok(value) => {
                database.commit().await?;
                // A full list loses nothing: the sweeper comes by at the deadline.
                if !due.is_empty() && self.drives.try_send(due).is_err() {
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
}

/// Calls of one kind, and where their answers go.
type Kind<Q, A> = (Vec<Q>, Vec<Reply<A>>);

/// The calls of a group, by kind. Order among kinds is free: none of them has been answered.
#[derive(Default)]
struct Sorted {
    accepts: Kind<Vec<Acceptance>, Vec<AcceptOutcome>>,
    records: Kind<record::Records, Vec<String>>,
    begins: Kind<deliver::Asked, Option<Vec<Begun>>>,
    ends: Kind<(String, Vec<Ending>), Vec<Ended>>,
    others: Vec<Call>,
}

impl Sorted {
    fn new(group: Vec<Call>) -> Self {
        let mut sorted = Self::default();
        for call in group {
            match call {
                Call::Accept(items, reply) => {
                    sorted.accepts.0.push(items);
                    sorted.accepts.1.push(reply);
                }
                Call::Record(entries, refusals, reply) => {
                    sorted.records.0.push((entries, refusals));
                    sorted.records.1.push(reply);
                }
                Call::Begin(session, ids, reply) => {
                    sorted.begins.0.push((session, ids));
                    sorted.begins.1.push(reply);
                }
                Call::End(session, endings, reply) => {
                    sorted.ends.0.push((session, endings));
                    sorted.ends.1.push(reply);
                }
                other @ (Call::Open(..) | Call::Close(..) | Call::Command(..)) => {
                    sorted.others.push(other);
                }
            }
        }
        sorted
    }
}

/// Works on a group kind by kind, each kind as one batch, so that a group costs few statements
/// however many callers it has. Sessions open and close before anybody begins in them.
async fn all(
    desk: &mut Desk<'_>,
    group: Vec<Call>,
    answers: &mut Vec<Answer>,
) -> Result<(), DatabaseError> {
    let Sorted { accepts, records, begins, ends, others } = Sorted::new(group);
    let counts: Vec<usize> = accepts.0.iter().map(Vec::len).collect();
    let items: Vec<Acceptance> = accepts.0.into_iter().flatten().collect();
    if !items.is_empty() {
        let mut outcomes = accept::accept(desk, items).await?.into_iter();
        let own = counts.into_iter().map(|it| outcomes.by_ref().take(it).collect()).collect();
        hold(answers, accepts.1, own);
    } else {
        hold(answers, accepts.1, vec![Vec::new(); counts.len()]);
    }
    let ids = records.0.iter().flat_map(|(entries, _)| record::ids(entries));
    desk.load(ids).await?;
    hold(answers, records.1, record::record(desk, records.0).await?);
    for call in others {
        other(desk, call, answers).await?;
    }
    let ids = begins.0.iter().flat_map(|(_, ids)| ids).map(String::as_str);
    let ended = ends.0.iter().flat_map(|(_, endings)| endings).map(|it| it.message_id.as_str());
    desk.load(ids.chain(ended)).await?;
    desk.load_sessions(begins.0.iter().map(|(session, _)| session.as_str())).await?;
    hold(answers, begins.1, deliver::begin(desk, begins.0).await?);
    hold(answers, ends.1, ending::end(desk, ends.0).await?);
    Ok(())
}

/// Keeps answers until the commit.
fn hold<T: Send + 'static>(answers: &mut Vec<Answer>, replies: Vec<Reply<T>>, values: Vec<T>) {
    for (reply, value) in replies.into_iter().zip(values) {
        answers.push(Box::new(move || send(reply, value)));
    }
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
        Call::Command(request, reply) => {
            let response = sweep::command(desk, request).await?;
            answers.push(Box::new(move || send(reply, response)));
        }
        Call::Accept(..) | Call::Record(..) | Call::Begin(..) | Call::End(..) => {}
    }
    Ok(())
}

/// Whoever went away without waiting asks again; the work is done all the same.
fn send<T>(reply: Reply<T>, value: T) {
    if reply.send(value).is_err() {
        tracing::debug!("caller went away");
    }
}
