//! A group of calls, worked on kind by kind in one transaction.

use proto::fault::v1::Fault;
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::{
    AcceptOutcome, Acceptance, Begun, EndRequest, Ended, Entry, Envelope, RecordResponse,
};
use proto::message::v1::MessageType;

use crate::accept::accept;
use crate::begin::{BeginCall, begin};
use crate::call::Call;
use crate::command::{command, note};
use crate::connect;
use crate::database::error::DatabaseError;
use crate::delivery_report::write_reports;
use crate::pause_command;
use crate::record::{RecordCall, derived_before, record};
use crate::reply::Reply;
use crate::resend::resend;
use crate::settle;
use crate::storage::Storage;
use crate::sweep::postpone;
use crate::unit_of_work::UnitOfWork;

/// An answer that is ready, held back until the commit.
pub(crate) type Answer<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Requests of one kind, and the replies that their answers go to.
type Kind<'a, Q, A> = (Vec<Q>, Vec<&'a Reply<A>>);

/// The calls of a group, by kind. The order among kinds is free: none of them was answered yet.
#[derive(Default)]
struct ByKind<'a> {
    accepts: Kind<'a, &'a [Acceptance], Vec<AcceptOutcome>>,
    records: Kind<'a, RecordCall<'a>, RecordResponse>,
    begins: Kind<'a, BeginCall<'a>, Option<Vec<Begun>>>,
    ends: Kind<'a, &'a EndRequest, Vec<Ended>>,
    /// Take back what a Begin gave whose answer was lost; that Begin may be in this very group.
    undone: Kind<'a, &'a EndRequest, Vec<Ended>>,
    others: Vec<&'a Call>,
}

impl<'a> ByKind<'a> {
    fn new(group: &[&'a Call]) -> Self {
        let mut kinds = Self::default();
        for call in group {
            match call {
                Call::Accept(items, reply) => push(&mut kinds.accepts, items, reply),
                Call::Record(entries, refusals, reply) => {
                    push(&mut kinds.records, (entries, refusals), reply);
                }
                // A caller that went away would not hand the messages over.
                Call::Begin(_, _, reply) if reply.is_closed() => {}
                Call::Begin(session, copies, reply) => {
                    kinds.undo_before_begin(session);
                    push(&mut kinds.begins, (session, copies), reply);
                }
                Call::End(request, reply) if settle::undoes_begin(request) => {
                    push(&mut kinds.undone, request, reply);
                }
                Call::End(request, reply) => push(&mut kinds.ends, request, reply),
                Call::Open(..)
                | Call::Close(..)
                | Call::Renew(..)
                | Call::Pause(..)
                | Call::Resume(..)
                | Call::Command(..)
                | Call::Resend(..)
                | Call::Postpone(..)
                | Call::Note(..) => kinds.others.push(call),
            }
        }
        kinds
    }

    /// Works on what takes back an earlier Begin of a session before its next Begin. It cannot name
    /// the lease, so it would take back the next one, whose answer lets the gateway deliver.
    fn undo_before_begin(&mut self, session: &str) {
        let (requests, replies) = std::mem::take(&mut self.undone);
        for (request, reply) in requests.into_iter().zip(replies) {
            let is_its = request.session == session;
            push(if is_its { &mut self.ends } else { &mut self.undone }, request, reply);
        }
    }
}

fn push<'a, Q, A>(kind: &mut Kind<'a, Q, A>, request: Q, reply: &'a Reply<A>) {
    kind.0.push(request);
    kind.1.push(reply);
}

/// Works on a group kind by kind, each kind as one batch, so that a group costs few statements
/// however many calls it has. Settlements count before their session is closed, and sessions open
/// and close before messages begin in them.
pub(crate) async fn work<'a>(
    unit: &mut UnitOfWork<'_>,
    (group, storage): (&[&'a Call], &Storage),
    answers: &mut Vec<Answer<'a>>,
) -> Result<(), DatabaseError> {
    let ByKind { accepts, records, begins, ends, undone, others } = ByKind::new(group);
    accept_all(unit, (&accepts, storage), answers).await?;
    let entries = || records.0.iter().flat_map(|(entries, _)| *entries);
    let recorded = entries().map(|it: &Entry| it.message_id.as_str());
    let ended = ends.0.iter().chain(&undone.0).flat_map(|it| settle::ids(it));
    let begun = || begins.0.iter().flat_map(|(_, copies)| *copies).map(|it| it.message_id.as_str());
    unit.load(recorded.chain(ended).chain(begun())).await?;
    let derived: Vec<_> = entries().flat_map(|it| derived_before(unit, it)).collect();
    unit.load(derived.into_iter()).await?;
    hold_back(answers, records.1, record(unit, &records.0).await?);
    hold_back(answers, ends.1, settle::end(unit, &ends.0).await?);
    for call in others {
        work_on_other(unit, call, answers).await?;
    }
    // Messages that were derived in this very group have rows by now.
    unit.load(begun()).await?;
    unit.load_sessions(begins.0.iter().map(|(session, _)| *session)).await?;
    hold_back(answers, begins.1, begin(unit, &begins.0).await?);
    hold_back(answers, undone.1, settle::end(unit, &undone.0).await?);
    write_reports(unit).await
}

async fn accept_all<'a>(
    unit: &mut UnitOfWork<'_>,
    ((calls, replies), storage): (&Kind<'a, &'a [Acceptance], Vec<AcceptOutcome>>, &Storage),
    answers: &mut Vec<Answer<'a>>,
) -> Result<(), DatabaseError> {
    let refusal = |it: &Acceptance| {
        let envelope = it.message.as_ref().and_then(|it| it.envelope.as_ref());
        storage.refusal(envelope.map_or(MessageType::Unspecified, Envelope::r#type))
    };
    let refusals: Vec<Option<Fault>> = calls.iter().copied().flatten().map(refusal).collect();
    let items = calls.iter().copied().flatten().zip(&refusals);
    let items: Vec<&Acceptance> =
        items.filter(|(_, refusal)| refusal.is_none()).map(|(item, _)| item).collect();
    let accepted = if items.is_empty() { Vec::new() } else { accept(unit, &items).await? };
    let mut accepted = accepted.into_iter();
    let mut outcomes = refusals.into_iter().map(|refusal| match refusal {
        Some(fault) => {
            AcceptOutcome { outcome: Some(Outcome::Refused(fault)), ..AcceptOutcome::default() }
        }
        None => accepted.next().unwrap_or_default(),
    });
    let by_call = calls.iter().map(|it| outcomes.by_ref().take(it.len()).collect()).collect();
    hold_back(answers, replies.clone(), by_call);
    Ok(())
}

/// Holds answers back until the commit.
fn hold_back<'a, T: Send + 'a>(
    answers: &mut Vec<Answer<'a>>,
    replies: Vec<&'a Reply<T>>,
    values: Vec<T>,
) {
    for (reply, value) in replies.into_iter().zip(values) {
        answers.push(Box::new(move || reply.send(Ok(value))));
    }
}

async fn work_on_other<'a>(
    unit: &mut UnitOfWork<'_>,
    call: &'a Call,
    answers: &mut Vec<Answer<'a>>,
) -> Result<(), DatabaseError> {
    match call {
        Call::Open(id, request, reply) => {
            let given_back = connect::open(unit, id, request).await?;
            hold_back(answers, vec![reply], vec![given_back]);
        }
        Call::Close(id, reply) => {
            let given_back = connect::close(unit, id).await?;
            hold_back(answers, vec![reply], vec![given_back]);
        }
        Call::Renew(ids, reply) => {
            let unknown = connect::renew(unit, ids).await?;
            hold_back(answers, vec![reply], vec![unknown]);
        }
        Call::Pause(request, reply) => {
            let paused = pause_command::pause(unit, request).await?;
            hold_back(answers, vec![reply], vec![paused]);
        }
        Call::Resume(request, reply) => {
            let resumed = pause_command::resume(unit, request).await?;
            hold_back(answers, vec![reply], vec![resumed]);
        }
        Call::Command(request, reply) => {
            let response = command(unit, request).await?;
            hold_back(answers, vec![reply], vec![response]);
        }
        Call::Resend(request, reply) => {
            let response = resend(unit, request).await?;
            hold_back(answers, vec![reply], vec![response]);
        }
        Call::Postpone(failed, reply) => {
            postpone(unit, failed).await?;
            hold_back(answers, vec![reply], vec![()]);
        }
        Call::Note(actions, reply) => {
            note(unit, actions).await?;
            hold_back(answers, vec![reply], vec![()]);
        }
        Call::Accept(..) | Call::Record(..) | Call::Begin(..) | Call::End(..) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proto::journal::v1::Settlement;
    use proto::journal::v1::settlement::Answer as Settled;

    use super::*;

    fn undo(session: &str) -> Call {
        let answer = Some(Settled::Unsent(true));
        let settlement = Settlement { message_id: "m".to_owned(), lease: 0, answer };
        let session = session.to_owned();
        let settlements = vec![settlement];
        let request = EndRequest { session, settlements, ..EndRequest::default() };
        Call::End(request, Reply::channel().0)
    }

    #[test]
    fn what_takes_back_a_begin_never_takes_back_the_next_one_of_its_session() {
        let (reply, _answered) = Reply::channel();
        let begin = Call::Begin("s".to_owned(), Vec::new(), reply);
        let (its, other) = (undo("s"), undo("other"));
        let counts = |group: &[&Call]| {
            let kinds = ByKind::new(group);
            (kinds.ends.0.len(), kinds.undone.0.len())
        };
        assert_eq!(counts(&[&begin, &its]), (0, 1), "its Begin is in this group");
        assert_eq!(counts(&[&its, &begin]), (1, 0), "its Begin was before this group");
        assert_eq!(counts(&[&other, &begin, &its]), (0, 2), "another session's");
    }
}
