//! A group of calls: what each asks for, and all of them worked on as a few batches.

use std::time::Duration;

use proto::fault::v1::Fault;
use proto::journal::v1::{
    AcceptOutcome, Acceptance, Begun, CommandRequest, CommandResponse, EndRequest, Ended, Entry,
    OpenRequest, RecordResponse, Refusal, settlement,
};
use tokio::sync::mpsc;

use crate::database::DatabaseError;
use crate::desk::Desk;
use crate::{accept, deliver, drive, ending as settlements, record, sweep};

/// An answer on its way to whoever asked; there is room for one. Copies of a call share it, so a
/// call that could not be worked on together with others can be tried by itself.
pub(crate) type Reply<T> = mpsc::Sender<Result<T, Fault>>;

/// A call that writes.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Accept(Vec<Acceptance>, Reply<Vec<AcceptOutcome>>),
    Record(Vec<Entry>, Vec<Refusal>, Reply<RecordResponse>),
    Open(String, OpenRequest, Reply<u32>),
    Close(String, Reply<u32>),
    Begin(String, Vec<String>, Reply<Option<Vec<Begun>>>),
    End(EndRequest, Reply<Vec<Ended>>),
    Command(CommandRequest, Reply<CommandResponse>),
    /// Messages that could not be driven, and how long each is left alone.
    NotDriven(Vec<(String, Duration)>, Reply<()>),
}

impl Call {
    /// How many messages it is about.
    pub(crate) fn weight(&self) -> usize {
        let count = match self {
            Self::Accept(items, _) => items.len(),
            Self::Record(entries, refusals, _) => entries.len() + refusals.len(),
            Self::Begin(_, ids, _) => ids.len(),
            Self::End(request, _) => request.settlements.len(),
            Self::Command(request, _) => request.message_ids.len(),
            Self::NotDriven(ids, _) => ids.len(),
            Self::Open(..) | Self::Close(..) => 1,
        };
        count.max(1)
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Accept(..) => "accept",
            Self::Record(..) => "record",
            Self::Open(..) => "open",
            Self::Close(..) => "close",
            Self::Begin(..) => "begin",
            Self::End(..) => "end",
            Self::Command(..) => "command",
            Self::NotDriven(..) => "not_driven",
        }
    }

    /// Answers with a fault.
    pub(crate) fn refuse(&self, fault: Fault) {
        match self {
            Self::Accept(_, reply) => send(reply, Err(fault)),
            Self::Record(_, _, reply) => send(reply, Err(fault)),
            Self::Open(_, _, reply) | Self::Close(_, reply) => send(reply, Err(fault)),
            Self::Begin(_, _, reply) => send(reply, Err(fault)),
            Self::End(_, reply) => send(reply, Err(fault)),
            Self::Command(_, reply) => send(reply, Err(fault)),
            Self::NotDriven(_, reply) => send(reply, Err(fault)),
        }
    }
}

/// Whoever went away without waiting asks again; the work is done all the same.
pub(crate) fn send<T>(reply: &Reply<T>, value: Result<T, Fault>) {
    if reply.try_send(value).is_err() {
        tracing::debug!("caller went away");
    }
}

/// An answer that is ready, held until the commit.
pub(crate) type Answer = Box<dyn FnOnce() + Send>;

/// Calls of one kind, and where their answers go.
type Kind<Q, A> = (Vec<Q>, Vec<Reply<A>>);

/// The calls of a group, by kind. Order among kinds is free: none of them has been answered.
#[derive(Default)]
struct Sorted {
    accepts: Kind<Vec<Acceptance>, Vec<AcceptOutcome>>,
    records: Kind<record::Records, RecordResponse>,
    begins: Kind<deliver::Asked, Option<Vec<Begun>>>,
    ends: Kind<EndRequest, Vec<Ended>>,
    /// Ends of what a Begin gave whose answer was lost: that Begin may be in this very group.
    undone: Kind<EndRequest, Vec<Ended>>,
    others: Vec<Call>,
}

impl Sorted {
    fn new(group: Vec<Call>) -> Self {
        let mut sorted = Self::default();
        for call in group {
            match call {
                Call::Accept(items, reply) => put(&mut sorted.accepts, items, reply),
                Call::Record(entries, refusals, reply) => {
                    put(&mut sorted.records, (entries, refusals), reply);
                }
                // Nobody would hear what it was given, and hand it over.
                Call::Begin(_, _, reply) if reply.is_closed() => {}
                Call::Begin(session, ids, reply) => put(&mut sorted.begins, (session, ids), reply),
                Call::End(request, reply) if undoes(&request) => {
                    put(&mut sorted.undone, request, reply);
                }
                Call::End(request, reply) => put(&mut sorted.ends, request, reply),
                other @ (Call::Open(..)
                | Call::Close(..)
                | Call::Command(..)
                | Call::NotDriven(..)) => sorted.others.push(other),
            }
        }
        sorted
    }
}

fn put<Q, A>(kind: &mut Kind<Q, A>, ask: Q, reply: Reply<A>) {
    kind.0.push(ask);
    kind.1.push(reply);
}

fn undoes(request: &EndRequest) -> bool {
    let lost = |it: &proto::journal::v1::Settlement| {
        it.lease == 0 && matches!(it.answer, Some(settlement::Answer::Unsent(_)))
    };
    request.settlements.iter().all(lost)
}

/// Works on a group kind by kind, each kind as one batch, so that a group costs few statements
/// however many callers it has. Answers count before the session they came through is closed, and
/// sessions open and close before anybody begins in them.
pub(crate) async fn work(
    desk: &mut Desk<'_>,
    group: Vec<Call>,
    answers: &mut Vec<Answer>,
) -> Result<(), DatabaseError> {
    let Sorted { accepts, records, begins, ends, undone, others } = Sorted::new(group);
    let counts: Vec<usize> = accepts.0.iter().map(Vec::len).collect();
    let items: Vec<Acceptance> = accepts.0.into_iter().flatten().collect();
    let outcomes = if items.is_empty() { Vec::new() } else { accept::accept(desk, items).await? };
    let mut outcomes = outcomes.into_iter();
    let own = counts.into_iter().map(|it| outcomes.by_ref().take(it).collect()).collect();
    hold(answers, accepts.1, own);
    let entries = || records.0.iter().flat_map(|(entries, _)| entries);
    let told = entries().map(|it| it.message_id.as_str());
    let ended = ends.0.iter().chain(&undone.0).flat_map(settlements::ids);
    let begun = begins.0.iter().flat_map(|(_, ids)| ids).map(String::as_str);
    desk.load(told.chain(ended).chain(begun)).await?;
    let derived: Vec<_> = entries().flat_map(|it| record::derived_before(desk, it)).collect();
    desk.load(derived.into_iter()).await?;
    hold(answers, records.1, record::record(desk, records.0).await?);
    hold(answers, ends.1, settlements::end(desk, ends.0).await?);
    for call in others {
        other(desk, call, answers).await?;
    }
    // Messages that were derived in this very group are rows by now.
    desk.load(begins.0.iter().flat_map(|(_, ids)| ids).map(String::as_str)).await?;
    desk.load_sessions(begins.0.iter().map(|(session, _)| session.as_str())).await?;
    hold(answers, begins.1, deliver::begin(desk, begins.0).await?);
    hold(answers, undone.1, settlements::end(desk, undone.0).await?);
    Ok(())
}

/// Keeps answers until the commit.
fn hold<T: Send + 'static>(answers: &mut Vec<Answer>, replies: Vec<Reply<T>>, values: Vec<T>) {
    for (reply, value) in replies.into_iter().zip(values) {
        answers.push(Box::new(move || send(&reply, Ok(value))));
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
            hold(answers, vec![reply], vec![given_back]);
        }
        Call::Close(id, reply) => {
            let given_back = deliver::close(desk, &id).await?;
            hold(answers, vec![reply], vec![given_back]);
        }
        Call::Command(request, reply) => {
            let response = sweep::command(desk, request).await?;
            hold(answers, vec![reply], vec![response]);
        }
        Call::NotDriven(ids, reply) => {
            drive::not_driven(desk, &ids).await?;
            hold(answers, vec![reply], vec![()]);
        }
        Call::Accept(..) | Call::Record(..) | Call::Begin(..) | Call::End(..) => {}
    }
    Ok(())
}
