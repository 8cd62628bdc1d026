//! Record: what happened, what follows from it, and what cannot go on.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::{Derived, Entry, Envelope, RecordResponse, Refusal};
use proto::message::v1::{Fact, Index, Receipt, State, Step};

use crate::database::DatabaseError;
use crate::desk::{COMPONENT, Desk};
use crate::ending::release_behind;
use crate::facts;
use crate::stored::{Fresh, Stored, Told};
use crate::{hollow, plan};

/// Entries and refusals of one call.
pub(crate) type Records = (Vec<Entry>, Vec<Refusal>);

/// Writes the entries and refusals of calls; for each call the ids nobody knows, and those of
/// derived messages that are over.
pub(crate) async fn record(
    desk: &mut Desk<'_>,
    calls: Vec<Records>,
) -> Result<Vec<RecordResponse>, DatabaseError> {
    let known = facts_of_lone_entries(desk, &calls).await?;
    let hollow = hollow::of_parents_routed_again(desk, &calls).await?;
    let mut told = Vec::with_capacity(calls.len());
    let mut routed = Vec::new();
    for (entries, refusals) in calls {
        let mut response = RecordResponse::default();
        for entry in entries {
            let Some(parent) = desk.get(&entry.message_id).cloned() else {
                response.unknown.push(entry.message_id);
                continue;
            };
            let is_over =
                |it: &&str| parent.is_ended() || desk.get(it).is_some_and(Stored::is_ended);
            let over = derived_ids(&entry).filter(is_over);
            response.ended.extend(over.map(str::to_owned));
            routed.extend(hollow::replace(desk, &hollow, &entry));
            one(desk, entry, &known);
            if desk.get(&parent.id).is_some_and(|it| it.state == State::Routed) {
                routed.push(parent.id);
            }
        }
        told.push(response);
        desk.refusals.extend(refusals.into_iter().map(|it| {
            let fault = it.fault.unwrap_or_default().encode_to_vec();
            vec![it.application.into(), it.key.into(), it.at_us.into(), fault.into()]
        }));
    }
    release_behind(desk, &routed).await?;
    Ok(told)
}

/// Ids of what follows from an entry's message.
fn derived_ids(entry: &Entry) -> impl Iterator<Item = &str> {
    let derived = entry.derived.iter().filter_map(|it| it.message.as_ref()?.envelope.as_ref());
    derived.map(|it| it.id.as_str())
}

/// Ids of what follows from an entry's message and may be a row by now. Where nothing was derived
/// from the message yet there is none, and nobody is looked for.
pub(crate) fn derived_before<'a>(
    desk: &Desk<'_>,
    entry: &'a Entry,
) -> impl Iterator<Item = &'a str> {
    let is_first = desk.get(&entry.message_id).is_some_and(|it| it.is_childless);
    derived_ids(entry).filter(move |_| !is_first)
}

/// What is known of messages whose entry changes no state: only its facts tell whether it came
/// before.
async fn facts_of_lone_entries(
    desk: &mut Desk<'_>,
    calls: &[Records],
) -> Result<Vec<(String, Fact)>, DatabaseError> {
    let lone = calls.iter().flat_map(|(entries, _)| entries).filter(|it| it.disposition.is_none());
    facts_of(desk, lone.map(|it| it.message_id.clone()).collect()).await
}

/// What is known of messages.
pub(crate) async fn facts_of(
    desk: &mut Desk<'_>,
    ids: Vec<String>,
) -> Result<Vec<(String, Fact)>, DatabaseError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: HashSet<String> = ids.into_iter().collect();
    let at = facts::merged(ids.iter().filter_map(|it| desk.get(it)).map(|it| &it.told_at));
    let entries = facts::read(desk.database, at).await?;
    let facts = entries.into_iter().filter(|it| ids.contains(&it.message_id)).flat_map(|it| {
        let id = it.message_id;
        it.facts.into_iter().map(move |fact| (id.clone(), fact))
    });
    Ok(facts.collect())
}

/// Whether an entry tells something new, or is a copy of what was told before.
fn is_news(state: State, disposition: Option<&Disposition>) -> bool {
    let goes_on = matches!(state, State::Accepted | State::Queued | State::Held);
    match disposition {
        None => true,
        Some(Disposition::Routed(_)) => {
            matches!(state, State::Accepted | State::Parked | State::Dead)
        }
        Some(Disposition::Parked(_)) => goes_on,
        Some(Disposition::Dead(_)) => goes_on || state == State::Parked,
    }
}

fn one(desk: &mut Desk<'_>, entry: Entry, known: &[(String, Fact)]) {
    let id = entry.message_id;
    let Some(row) = desk.get(&id).cloned() else { return };
    let is_news = is_news(row.state, entry.disposition.as_ref());
    for fact in entry.facts {
        if is_news && (entry.disposition.is_some() || !desk.knows(known, &id, &fact)) {
            desk.fact(&id, fact);
        }
    }
    // What follows from a message that was withdrawn does not follow any more.
    if !row.is_ended() && !entry.derived.is_empty() {
        desk.has_children(&id);
        for derived in entry.derived {
            follow(desk, &row, derived);
        }
    }
    if !is_news {
        return;
    }
    match entry.disposition {
        Some(Disposition::Routed(_)) => desk.to(&id, State::Routed, 0),
        Some(Disposition::Parked(park)) => try_later(desk, &id, park.fault.unwrap_or_default()),
        Some(Disposition::Dead(bury)) => bury_it(desk, &id, bury.fault.unwrap_or_default()),
        None => {}
    }
}

/// A try that ended before anybody began with the message.
fn try_later(desk: &mut Desk<'_>, id: &str, fault: Fault) {
    desk.change(id, |row| {
        row.tries += 1;
        row.attempt += 1;
    });
    let tries = desk.get(id).map_or(1, |it| it.tries);
    park_or_bury(desk, id, fault, tries);
}

fn follow(desk: &mut Desk<'_>, parent: &Stored, derived: Derived) {
    let message = derived.message.unwrap_or_default();
    let Some(mut envelope) = message.envelope else { return };
    if envelope.id.parse::<bus::MessageId>().is_err() {
        tracing::error!(parent = parent.id, "derived message has no proper id");
        return;
    }
    // An application without a channel cannot be reached until somebody corrects its name.
    let is_nowhere = bus::Channel::delivery(&envelope.application).is_err();
    let fault = derived
        .fault
        .or_else(|| is_nowhere.then(|| Fault::new(&code::LT_JNL_006).param("part", "application")));
    // Its place is its parent's, as the journal gave it.
    envelope.parent.clone_from(&parent.id);
    envelope.conversation.clone_from(&parent.conversation);
    envelope.sequence = u64::try_from(parent.sequence).unwrap_or_default();
    envelope.accepted_at_us = parent.accepted_at;
    let receipt = Receipt { attachments: derived.attachments, ..Receipt::default() };
    let body = message.body.unwrap_or_default().encode_to_vec();
    if let Some(known) = desk.get(&envelope.id).cloned() {
        let made = Made { envelope, body, receipt, facts: derived.facts };
        again(desk, &known, fault, made);
        return;
    }
    if desk.is_fresh(&envelope.id) {
        return;
    }
    for fact in derived.facts {
        desk.fact(&envelope.id, fact);
    }
    let (state, next_at) = match &fault {
        None => (State::Queued, plan::deadline(desk.now, 0)),
        Some(fault) if fault.is_retryable() && !is_nowhere => {
            let asked = Duration::from_millis(fault.retry_after_ms);
            let failed = plan::Failed { tries: 1, attempt: 0, urgency: envelope.urgency, asked };
            (State::Parked, plan::due(desk.now, failed).map_or(desk.now, |it| it.at))
        }
        Some(_) => (State::Dead, 0),
    };
    if let Some(fault) = &fault {
        let step = if state == State::Parked { Step::Parked } else { Step::Dead };
        desk.fact(&envelope.id, own_fact(desk.now, step, 0, Some(fault.clone())));
    }
    let told = parent.told.as_ref().map(|it| {
        let attachments = receipt.attachments.clone();
        Arc::new(Told { attachments, index: it.index.clone() })
    });
    let new = Fresh {
        envelope: &envelope,
        body,
        native: Vec::new(),
        receipt: receipt.encode_to_vec(),
        index: &Index::default(),
        key: "",
        content_digest: String::new(),
        state,
        now: desk.now,
        next_at,
        fault: fault.as_ref(),
        told,
        slot: desk.slot(),
    };
    desk.add(new.values());
}

/// A derived message as it was made this time.
struct Made {
    envelope: Envelope,
    body: Vec<u8>,
    receipt: Receipt,
    facts: Vec<Fact>,
}

/// A derived message that is known: left as it is, unless it had no body, and now has one or
/// again could not be made.
fn again(desk: &mut Desk<'_>, known: &Stored, fault: Option<Fault>, made: Made) {
    if known.body_size > 0 || known.is_ended() {
        return;
    }
    match fault {
        None => {
            let (envelope, receipt) = (made.envelope.encode_to_vec(), made.receipt.encode_to_vec());
            desk.rewrites.push((known.id.clone(), envelope, made.body, receipt));
            for fact in made.facts {
                desk.fact(&known.id, fact);
            }
            desk.to(&known.id, State::Queued, plan::deadline(desk.now, 0));
            desk.change(&known.id, |row| {
                row.fault = None;
                row.tries = 0;
                row.driven = 0;
                row.body_size = 1;
                row.told = None;
            });
        }
        Some(fault) if known.state == State::Queued && fault.is_retryable() => {
            try_later(desk, &known.id, fault);
        }
        Some(fault) if known.state == State::Queued => bury_it(desk, &known.id, fault),
        Some(_) => {}
    }
}

/// Parks a message until its next try, or makes it a dead letter after the last.
pub(crate) fn park_or_bury(desk: &mut Desk<'_>, id: &str, fault: Fault, tries: i64) {
    let Some(row) = desk.get(id) else { return };
    let asked = Duration::from_millis(fault.retry_after_ms);
    let (attempt, urgency) = (row.attempt, u32::try_from(row.urgency).unwrap_or_default());
    let failed = plan::Failed { tries: tries.max(1), attempt, urgency, asked };
    let Some(due) = plan::due(desk.now, failed) else {
        return bury_it(desk, id, fault);
    };
    desk.to(id, State::Parked, due.at);
    desk.change(id, |row| {
        row.fault = Some(fault.clone());
        row.tries -= i64::from(!due.counts);
    });
    let attempt = u32::try_from(attempt).unwrap_or_default();
    desk.fact(id, own_fact(desk.now, Step::Parked, attempt, Some(fault)));
}

/// Makes a message a dead letter.
pub(crate) fn bury_it(desk: &mut Desk<'_>, id: &str, fault: Fault) {
    let attempt = desk.get(id).map_or(0, |it| it.attempt);
    desk.to(id, State::Dead, 0);
    desk.change(id, |row| row.fault = Some(fault.clone()));
    let attempt = u32::try_from(attempt).unwrap_or_default();
    desk.fact(id, own_fact(desk.now, Step::Dead, attempt, Some(fault)));
}

fn own_fact(now: i64, step: Step, attempt: u32, fault: Option<Fault>) -> Fact {
    Fact {
        step: step.into(),
        at_us: now,
        component: COMPONENT.to_owned(),
        attempt,
        fault,
        ..Fact::default()
    }
}

#[cfg(test)]
mod tests {
    use proto::journal::v1::body::Place;
    use proto::journal::v1::{Acceptance, Body, Message};

    use super::*;
    use crate::accept::accept;
    use crate::database::Database;
    use crate::memory::Memory;

    const PARENT: &str = "0198c0de-0000-7000-8000-000000000001";
    const DERIVED: &str = "0198c0de-0000-7000-8000-000000000002";

    fn item() -> Acceptance {
        let envelope = Envelope {
            id: PARENT.to_owned(),
            source: "a-app".to_owned(),
            sender: "a".to_owned(),
            conversation: "c".to_owned(),
            ..Envelope::default()
        };
        let place = Some(Place::Inline("canonical".into()));
        let message = Message { envelope: Some(envelope), body: Some(Body { place }) };
        let content_digest = vec![1; 32].into();
        Acceptance { message: Some(message), content_digest, ..Acceptance::default() }
    }

    #[tokio::test]
    async fn what_was_derived_is_looked_for_once_there_may_be_some() {
        let (mut database, _folder) = Database::empty().await;
        let mut memory = Memory::open(&mut database).await.unwrap();
        let envelope = Envelope {
            id: DERIVED.to_owned(),
            application: "b-app".to_owned(),
            ..Envelope::default()
        };
        let message = Some(Message { envelope: Some(envelope), body: None });
        let derived = vec![Derived { message, ..Derived::default() }];
        let entry = Entry { message_id: PARENT.to_owned(), derived, ..Entry::default() };
        let mut desk = Desk::new(&mut database, 1, &mut memory);
        accept(&mut desk, vec![item()]).await.unwrap();
        assert_eq!(derived_before(&desk, &entry).next(), None, "nothing can be there");
        record(&mut desk, vec![(vec![entry.clone()], Vec::new())]).await.unwrap();
        assert_eq!(derived_before(&desk, &entry).collect::<Vec<_>>(), [DERIVED]);
        desk.flush().await.unwrap();
        desk.committed();
        let mut next = Desk::new(&mut database, 2, &mut memory);
        next.load([PARENT].into_iter()).await.unwrap();
        assert_eq!(derived_before(&next, &entry).collect::<Vec<_>>(), [DERIVED], "by heart too");
    }

    #[test]
    fn a_copy_of_an_old_verdict_is_no_news() {
        let routed = Disposition::Routed(true);
        let parked = Disposition::Parked(proto::journal::v1::Park::default());
        let dead = Disposition::Dead(proto::journal::v1::DeadLetter::default());
        assert!(is_news(State::Accepted, Some(&routed)));
        assert!(!is_news(State::Routed, Some(&routed)));
        assert!(!is_news(State::Parked, Some(&parked)));
        for settled in [State::InHand, State::Taken, State::Withdrawn, State::Routed] {
            assert!(!is_news(settled, Some(&parked)), "{settled:?}");
            assert!(!is_news(settled, Some(&dead)), "{settled:?}");
        }
        assert!(is_news(State::Taken, None));
    }
}
