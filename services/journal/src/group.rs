//! A group of calls, worked on kind by kind in one transaction.

use std::collections::HashSet;

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
use crate::format_versions;
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
    begins: Kind<'a, &'a BeginCall, Option<Vec<Begun>>>,
    ends: Kind<'a, &'a EndRequest, Vec<Ended>>,
    others: Vec<&'a Call>,
}

impl<'a> ByKind<'a> {
    fn new(group: &[&'a Call]) -> Self {
        let mut kinds = Self::default();
        let unsent = unsent_leases(group);
        let is_undone = |it: &BeginCall| {
            u64::try_from(it.lease).is_ok_and(|lease| unsent.contains(&(&it.session, lease)))
        };
        for call in group {
            match call {
                Call::Accept(items, reply) => push(&mut kinds.accepts, items, reply),
                Call::Record(entries, refusals, reply) => {
                    push(&mut kinds.records, (entries, refusals), reply);
                }
                // A caller that went away or has returned the lease would not hand the messages over.
                Call::Begin(call, reply) if reply.is_closed() || is_undone(call) => {}
                Call::Begin(call, reply) => push(&mut kinds.begins, call, reply),
                Call::End(request, reply) => push(&mut kinds.ends, request, reply),
                Call::Open(..)
                | Call::Close(..)
                | Call::Renew(..)
                | Call::Pause(..)
                | Call::Resume(..)
                | Call::Command(..)
                | Call::Resend(..)
                | Call::Postpone(..)
                | Call::Note(..)
                | Call::StoreFormats(..) => kinds.others.push(call),
            }
        }
        kinds
    }
}

/// The sessions and leases that are returned unsent in a group. A Begin whose lease is among them is
/// not worked on, wherever it stands in the group: settlements are worked on first, so it would lease
/// messages that its caller does not expect any more.
fn unsent_leases<'a>(group: &[&'a Call]) -> HashSet<(&'a str, u64)> {
    let ends =
        group.iter().filter_map(|it| if let Call::End(it, _) = it { Some(it) } else { None });
    ends.flat_map(settle::unsent_leases).collect()
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
    let ByKind { accepts, records, begins, ends, others } = ByKind::new(group);
    accept_all(unit, (&accepts, storage), answers).await?;
    let entries = || records.0.iter().flat_map(|(entries, _)| *entries);
    let recorded = entries().map(|it: &Entry| it.message_id.as_str());
    let ended = ends.0.iter().flat_map(|it| settle::ids(it));
    let begun = || begins.0.iter().flat_map(|it| it.ids()).map(String::as_str);
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
    unit.load_sessions(begins.0.iter().map(|it| it.session.as_str())).await?;
    hold_back(answers, begins.1, begin(unit, &begins.0).await?);
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
        Call::StoreFormats(request, reply) => {
            let response = format_versions::store(unit, request).await?;
            hold_back(answers, vec![reply], vec![response]);
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

    fn end(session: &str, lease: u64, answer: Settled) -> Call {
        let settlement = Settlement { message_id: "m".to_owned(), lease, answer: Some(answer) };
        let (session, settlements) = (session.to_owned(), vec![settlement]);
        let request = EndRequest { session, settlements, ..EndRequest::default() };
        Call::End(request, Reply::channel().0)
    }

    /// The leases of the Begins that are worked on.
    fn begun(group: &[&Call]) -> Vec<i64> {
        ByKind::new(group).begins.0.iter().map(|it| it.lease).collect()
    }

    #[test]
    fn a_begin_is_left_out_where_its_own_lease_is_returned_wherever_the_calls_stand() {
        let (lost_reply, _lost) = Reply::channel();
        let (next_reply, _answered) = Reply::channel();
        let begin = |lease| BeginCall { session: "s".to_owned(), lease, copies: Vec::new() };
        let lost = Call::Begin(begin(5), lost_reply);
        let next = Call::Begin(begin(6), next_reply);
        let undo = end("s", 5, Settled::Unsent(true));
        for group in [[&lost, &undo, &next], [&undo, &lost, &next], [&next, &lost, &undo]] {
            assert_eq!(begun(&group), [6]);
        }
        let other_session = end("other", 5, Settled::Unsent(true));
        let other_answer = end("s", 5, Settled::Interrupted(true));
        assert_eq!(begun(&[&lost, &other_session, &other_answer]), [5]);
    }
}
