//! Calls to the writer, and the handle that sends them.

use std::time::Duration;

use prost::Message as _;
use proto::fault::v1::Fault;
use proto::journal::v1::{
    AcceptOutcome, Acceptance, Begun, CommandRequest, CommandResponse, EndRequest, Ended, Entry,
    OpenRequest, OperatorAction, RecordResponse, Refusal, ResendRequest, ResendResponse,
    StoreFormatsRequest, StoreFormatsResponse,
};
use proto::operate::v1::{Pause, PauseRequest, ResumeRequest};
use tokio::sync::mpsc;

use crate::begin::BeginCall;
use crate::reply::{Reply, ask};

/// A call that writes.
#[derive(Debug)]
pub(crate) enum Call {
    Accept(Vec<Acceptance>, Reply<Vec<AcceptOutcome>>),
    Record(Vec<Entry>, Vec<Refusal>, Reply<RecordResponse>),
    Open(String, OpenRequest, Reply<u32>),
    Close(String, Reply<u32>),
    /// Sessions that a gateway holds; the answer: those that are closed.
    Renew(Vec<String>, Reply<Vec<String>>),
    /// The answer: the pause, and whether it replaced one.
    Pause(PauseRequest, Reply<(Pause, bool)>),
    /// The answer: the pause that ended.
    Resume(ResumeRequest, Reply<Option<Pause>>),
    /// The answer: none for a session that is closed.
    Begin(BeginCall, Reply<Option<Vec<Begun>>>),
    End(EndRequest, Reply<Vec<Ended>>),
    Command(CommandRequest, Reply<CommandResponse>),
    Resend(ResendRequest, Reply<Result<ResendResponse, Fault>>),
    /// Operators' actions that concern no message.
    Note(Vec<OperatorAction>, Reply<()>),
    StoreFormats(StoreFormatsRequest, Reply<StoreFormatsResponse>),
    /// Messages that could not be published, and how long each waits.
    Postpone(Vec<(String, Duration)>, Reply<()>),
}

impl Call {
    /// How many messages it is about.
    fn messages(&self) -> usize {
        let count = match self {
            Self::Accept(items, _) => items.len(),
            Self::Record(entries, refusals, _) => entries.len() + refusals.len(),
            Self::Begin(call, _) => call.copies.len(),
            Self::Renew(ids, _) => ids.len(),
            Self::End(request, _) => request.settlements.len(),
            Self::Command(request, _) => request.message_ids.len(),
            Self::Postpone(failed, _) => failed.len(),
            Self::Note(actions, _) => actions.len(),
            Self::StoreFormats(request, _) => request.formats.len(),
            Self::Open(..)
            | Self::Close(..)
            | Self::Pause(..)
            | Self::Resume(..)
            | Self::Resend(..) => 1,
        };
        count.max(1)
    }

    /// About how many bytes it holds.
    fn bytes(&self) -> usize {
        match self {
            Self::Accept(items, _) => items.iter().map(Acceptance::encoded_len).sum(),
            Self::Record(entries, refusals, _) => {
                let entries: usize = entries.iter().map(Entry::encoded_len).sum();
                entries + refusals.iter().map(Refusal::encoded_len).sum::<usize>()
            }
            Self::End(request, _) => request.encoded_len(),
            Self::Command(request, _) => request.encoded_len(),
            Self::Resend(request, _) => request.encoded_len(),
            Self::Note(actions, _) => actions.iter().map(OperatorAction::encoded_len).sum(),
            Self::StoreFormats(request, _) => request.encoded_len(),
            Self::Open(..)
            | Self::Close(..)
            | Self::Renew(..)
            | Self::Pause(..)
            | Self::Resume(..)
            | Self::Begin(..)
            | Self::Postpone(..) => 0,
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Accept(..) => "accept",
            Self::Record(..) => "record",
            Self::Open(..) => "open",
            Self::Close(..) => "close",
            Self::Renew(..) => "renew",
            Self::Pause(..) => "pause",
            Self::Resume(..) => "resume",
            Self::Begin(..) => "begin",
            Self::End(..) => "end",
            Self::Command(..) => "command",
            Self::Resend(..) => "resend",
            Self::Postpone(..) => "postpone",
            Self::Note(..) => "note",
            Self::StoreFormats(..) => "store formats",
        }
    }

    /// Answers with a fault.
    pub(crate) fn refuse(&self, fault: Fault) {
        match self {
            Self::Accept(_, reply) => reply.send(Err(fault)),
            Self::Record(_, _, reply) => reply.send(Err(fault)),
            Self::Open(_, _, reply) | Self::Close(_, reply) => reply.send(Err(fault)),
            Self::Renew(_, reply) => reply.send(Err(fault)),
            Self::Pause(_, reply) => reply.send(Err(fault)),
            Self::Resume(_, reply) => reply.send(Err(fault)),
            Self::Begin(_, reply) => reply.send(Err(fault)),
            Self::End(_, reply) => reply.send(Err(fault)),
            Self::Command(_, reply) => reply.send(Err(fault)),
            Self::Resend(_, reply) => reply.send(Err(fault)),
            Self::Postpone(_, reply) | Self::Note(_, reply) => reply.send(Err(fault)),
            Self::StoreFormats(_, reply) => reply.send(Err(fault)),
        }
    }
}

/// A call in the writer's queue. It is measured by its caller's task, so the writer need not.
#[derive(Debug)]
pub(crate) struct QueuedCall {
    pub(crate) call: Call,
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

impl QueuedCall {
    fn new(call: Call) -> Self {
        let (messages, bytes) = (call.messages(), call.bytes());
        Self { call, messages, bytes }
    }
}

/// Sends calls to the writer.
#[derive(Clone, Debug)]
pub(crate) struct WriterHandle(mpsc::Sender<QueuedCall>);

impl WriterHandle {
    /// A handle, and the queue that the writer takes calls from.
    pub(crate) fn channel(calls_max: usize) -> (Self, mpsc::Receiver<QueuedCall>) {
        let (calls, queue) = mpsc::channel(calls_max);
        (Self(calls), queue)
    }

    /// Sends a call and waits for its answer.
    pub(crate) async fn call<T>(&self, call: impl FnOnce(Reply<T>) -> Call) -> Result<T, Fault> {
        ask(&self.0, |reply| QueuedCall::new(call(reply))).await
    }

    /// Records on behalf of this process: the ids that the journal does not know.
    pub(crate) async fn record(
        &self,
        entries: Vec<Entry>,
        refusals: Vec<Refusal>,
    ) -> Result<Vec<String>, Fault> {
        let recorded = self.call(|reply| Call::Record(entries, refusals, reply)).await?;
        Ok(recorded.unknown)
    }

    /// Reports messages that could not be published, and how long each waits.
    pub(crate) async fn postpone(&self, failed: Vec<(String, Duration)>) -> Result<(), Fault> {
        self.call(|reply| Call::Postpone(failed, reply)).await
    }
}
