//! Record: facts of messages, the messages derived from them, and dispositions.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::{Derived, Entry, Envelope, RecordResponse, Refusal};
use proto::message::v1::{Fact, Index, Receipt, State, Step};

use crate::altered_copies::{CopyCheck, CopyChecks, CopyRef, UNKNOWN_DIGEST, drop_altered_copy};
use crate::database::error::DatabaseError;
use crate::delivery_row::{DeliveryInfo, DeliveryRow};
use crate::facts;
use crate::genuine_copy::genuine_digest_of_stored;
use crate::new_message::{Digests, NewMessage};
use crate::retry_schedule::{FailedTry, next_try, publish_deadline};
use crate::steps::{dead_letter, defer, release_blocked};
use crate::transitions::{Event, Transition};
use crate::unit_of_work::UnitOfWork;
use crate::unrouted;

/// Entries and refusals of one call.
pub(crate) type RecordCall<'a> = (&'a [Entry], &'a [Refusal]);

/// Records the entries and refusals of calls. For each call, the ids that the journal does not
/// know, and those of derived messages that are over.
pub(crate) async fn record(
    unit: &mut UnitOfWork<'_>,
    calls: &[RecordCall<'_>],
) -> Result<Vec<RecordResponse>, DatabaseError> {
    let entries = || calls.iter().flat_map(|(entries, _)| *entries);
    let received: Vec<_> = entries().flat_map(checked_copies).collect();
    let checks = CopyChecks::load(unit, received).await?;
    let read = facts_of_plain_entries(unit, entries()).await?;
    let unrouted = unrouted::load_of_rerouted_parents(unit, entries()).await?;
    let mut responses = Vec::with_capacity(calls.len());
    let mut routed = Vec::new();
    for (entries, refusals) in calls {
        let mut response = RecordResponse::default();
        for entry in *entries {
            let Some(parent) = unit.row(&entry.message_id).cloned() else {
                response.unknown.push(entry.message_id.clone());
                continue;
            };
            if !is_genuine(unit, &checks, entry) {
                response.altered.push(entry.message_id.clone());
                continue;
            }
            let replaced = replaced_copies(unit, &checks, (&parent, entry));
            let is_over = |it: &&str| {
                has_ended_deriving(&parent)
                    || unit.row(it).is_some_and(DeliveryRow::is_ended)
                    || replaced.contains(*it)
            };
            let over = derived_ids(entry).filter(is_over);
            response.ended.extend(over.map(str::to_owned));
            let replaced = unrouted::replace(unit, &unrouted, entry);
            record_entry(unit, entry, &read);
            unrouted::pass_on_reports(unit, &replaced);
            routed.extend(replaced.into_iter().map(|it| it.id));
            if unit.row(&parent.id).is_some_and(|it| it.state == State::Routed) {
                routed.push(parent.id);
            }
        }
        responses.push(response);
        for it in *refusals {
            unit.add_refusal(it);
        }
    }
    release_blocked(unit, &routed).await?;
    Ok(responses)
}

/// The copies that are compared with stored messages: the entry's own, and those of derived messages
/// that may be stored already, whose digests are computed once they are complete.
fn checked_copies(entry: &Entry) -> impl Iterator<Item = CopyRef<'_>> {
    let own = (entry.message_id.as_str(), entry.copy_digest.as_ref());
    std::iter::once(own).chain(derived_ids(entry).map(|it| (it, UNKNOWN_DIGEST)))
}

/// True unless the entry's copy was changed on its channel: of such a copy nothing is recorded but
/// that it came.
fn is_genuine(unit: &mut UnitOfWork<'_>, checks: &CopyChecks, entry: &Entry) -> bool {
    let copy = (entry.message_id.as_str(), entry.copy_digest.as_ref());
    match checks.compare(unit, copy) {
        CopyCheck::Genuine => true,
        CopyCheck::Altered => {
            drop_altered_copy(unit, copy);
            false
        }
        CopyCheck::Unreadable(corrupt) => {
            unit.damaged(&entry.message_id, &corrupt);
            false
        }
    }
}

/// Ids of derived messages that are stored with other content than the entry has: the format's
/// description or the registry changed meanwhile. What is stored goes out, so that every copy is the
/// same.
fn replaced_copies(
    unit: &UnitOfWork<'_>,
    checks: &CopyChecks,
    (parent, entry): (&DeliveryRow, &Entry),
) -> HashSet<String> {
    let known = entry.derived.iter().filter_map(|derived| {
        let made = DerivedMessage::new(parent, derived)?;
        let id = made.envelope.id.clone();
        let row = unit.row(&id).filter(|it| it.body_size > 0 && !unit.is_new(&it.id))?;
        let digest = genuine_digest_of_stored(&made.envelope, &made.body)?;
        let check = checks.compare(unit, (row.id.as_str(), digest.as_slice()));
        matches!(check, CopyCheck::Altered).then_some(id)
    });
    known.collect()
}

/// True when nothing may be derived from a message any more: it is over, or its row is damaged and
/// would pass its damage on.
fn has_ended_deriving(parent: &DeliveryRow) -> bool {
    parent.is_ended() || parent.corrupt.is_some()
}

/// Ids of the messages derived from an entry's message.
fn derived_ids(entry: &Entry) -> impl Iterator<Item = &str> {
    let derived = entry.derived.iter().filter_map(|it| it.message.as_ref()?.envelope.as_ref());
    derived.map(|it| it.id.as_str())
}

/// Ids of an entry's derived messages that may have a row already. Nothing is looked up for a
/// message from which nothing was derived before.
pub(crate) fn derived_before<'a>(
    unit: &UnitOfWork<'_>,
    entry: &'a Entry,
) -> impl Iterator<Item = &'a str> {
    let is_first = unit.row(&entry.message_id).is_some_and(|it| it.is_childless);
    derived_ids(entry).filter(move |_| !is_first)
}

/// Facts of messages whose entry changes no state: only the facts tell whether it is a repeat.
async fn facts_of_plain_entries(
    unit: &mut UnitOfWork<'_>,
    entries: impl Iterator<Item = &Entry>,
) -> Result<Vec<(String, Fact)>, DatabaseError> {
    let plain = entries.filter(|it| it.disposition.is_none());
    read_facts(unit, plain.map(|it| it.message_id.clone()).collect()).await
}

/// Reads the facts of loaded messages. Of a damaged row of facts nothing is known, so a repeat may
/// then be noted twice; nothing is decided on facts.
pub(crate) async fn read_facts(
    unit: &mut UnitOfWork<'_>,
    ids: Vec<String>,
) -> Result<Vec<(String, Fact)>, DatabaseError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: HashSet<String> = ids.into_iter().collect();
    let rows = ids.iter().filter_map(|it| unit.row(it));
    let positions = facts::merged(rows.map(|it| &it.fact_positions));
    let read = facts::read(unit.database, positions).await?;
    let entries = read.entries.into_iter().filter(|it| ids.contains(&it.message_id));
    let facts = entries.flat_map(|it| {
        let id = it.message_id;
        it.facts.into_iter().map(move |fact| (id.clone(), fact))
    });
    Ok(facts.collect())
}

/// The event that a disposition is.
fn event_of(disposition: &Disposition) -> Event {
    match disposition {
        Disposition::Routed(_) => Event::Routed,
        Disposition::Parked(_) => Event::Deferred,
        Disposition::Dead(_) => Event::Failed,
    }
}

fn record_entry(unit: &mut UnitOfWork<'_>, entry: &Entry, read: &[(String, Fact)]) {
    let id = entry.message_id.as_str();
    let Some(row) = unit.row(id).cloned() else { return };
    let event = entry.disposition.as_ref().map(event_of);
    let allowed = event.and_then(|it| unit.allowed(id, it));
    // A disposition that the state does not allow is a copy of an earlier call.
    let is_news = event.is_none() || allowed.is_some();
    for fact in &entry.facts {
        if is_news && (event.is_some() || !unit.has_fact(read, id, fact)) {
            unit.fact(id, fact.clone());
        }
    }
    // Nothing is derived any more from a message that was withdrawn.
    if !has_ended_deriving(&row) && !entry.derived.is_empty() {
        unit.note_children(id);
        for derived in &entry.derived {
            record_derived(unit, &row, derived);
        }
    }
    let fault = || match &entry.disposition {
        Some(Disposition::Parked(park)) => park.fault.clone().unwrap_or_default(),
        Some(Disposition::Dead(dead)) => dead.fault.clone().unwrap_or_default(),
        Some(Disposition::Routed(_)) | None => Fault::default(),
    };
    match allowed {
        Some(Transition::To(State::Dead)) => dead_letter(unit, id, fault()),
        Some(Transition::To(state)) => unit.set_state(id, state, 0),
        Some(Transition::Retry) => defer(unit, id, fault()),
        Some(Transition::Publish | Transition::PublishOrRetry) | None => {}
    }
}

/// A derived message as this call made it.
struct DerivedMessage {
    envelope: Envelope,
    body: Vec<u8>,
    receipt: Receipt,
    facts: Vec<Fact>,
    fault: Option<Fault>,
    /// True when its application has no channel, until an operator corrects its name.
    has_no_channel: bool,
}

impl DerivedMessage {
    fn new(parent: &DeliveryRow, derived: &Derived) -> Option<Self> {
        let message = derived.message.clone().unwrap_or_default();
        let mut envelope = message.envelope?;
        if envelope.id.parse::<bus::MessageId>().is_err() {
            tracing::error!(parent = parent.id, "derived message has no valid id");
            return None;
        }
        let has_no_channel = bus::Channel::delivery(&envelope.application).is_err();
        let no_channel = || Fault::new(&code::LT_JNL_006).param("part", "application");
        let fault = derived.fault.clone().or_else(|| has_no_channel.then(no_channel));
        // It has its parent's sequence, as the journal gave it.
        envelope.parent.clone_from(&parent.id);
        envelope.conversation.clone_from(&parent.conversation);
        envelope.sequence = u64::try_from(parent.sequence).unwrap_or_default();
        envelope.accepted_at_us = parent.accepted_at;
        // With the id no stored receipt is empty, so Begin recognises an emptied column as damaged.
        let receipt = Receipt {
            message_id: envelope.id.clone(),
            attachments: derived.attachments.clone(),
            ..Receipt::default()
        };
        let body = message.body.unwrap_or_default().encode_to_vec();
        let facts = derived.facts.clone();
        Some(Self { envelope, body, receipt, facts, fault, has_no_channel })
    }

    /// The first state: queued, or parked or dead when it could not be made; with the due time.
    fn first_state(&self, now: i64) -> (State, i64) {
        match &self.fault {
            None => (State::Queued, publish_deadline(now, 0)),
            Some(fault) if fault.is_retryable() && !self.has_no_channel => {
                let requested = Duration::from_millis(fault.retry_after_ms);
                let urgency = self.envelope.urgency;
                let failed = FailedTry { tries: 1, attempt: 0, urgency, requested };
                (State::Parked, next_try(now, failed).map_or(now, |it| it.at))
            }
            Some(_) => (State::Dead, 0),
        }
    }
}

fn record_derived(unit: &mut UnitOfWork<'_>, parent: &DeliveryRow, derived: &Derived) {
    let Some(made) = DerivedMessage::new(parent, derived) else { return };
    if let Some(row) = unit.row(&made.envelope.id).cloned() {
        return complete(unit, &row, made);
    }
    if unit.is_new(&made.envelope.id) {
        return;
    }
    let id = made.envelope.id.clone();
    let (state, due_at) = made.first_state(unit.now);
    for fact in &made.facts {
        unit.fact(&id, fact.clone());
    }
    if let Some(fault) = &made.fault {
        let step = if state == State::Parked { Step::Parked } else { Step::Dead };
        unit.fact(&id, Fact { fault: Some(fault.clone()), ..unit.own_fact(&id, step) });
    }
    let info = parent.info.as_ref().map(|it| {
        let attachments = made.receipt.attachments.clone();
        Arc::new(DeliveryInfo { attachments, index: it.index.clone() })
    });
    let message = NewMessage {
        envelope: &made.envelope,
        body: made.body,
        native: Vec::new(),
        receipt: made.receipt.encode_to_vec(),
        index: &Index::default(),
        key: "",
        digests: Digests::default(),
        generation: 0,
        state,
        now: unit.now,
        due_at,
        fault: made.fault.as_ref(),
        info,
        row_id: unit.next_row_id(),
        reports: parent.reports.min(1),
    };
    unit.add(message.into_rows());
}

/// A derived message that is known stays as it is, unless it had no body and has one now, or could
/// not be made again.
fn complete(unit: &mut UnitOfWork<'_>, row: &DeliveryRow, made: DerivedMessage) {
    let id = row.id.as_str();
    if row.body_size > 0 {
        return;
    }
    match made.fault {
        None => {
            let Some(Transition::To(state)) = unit.allowed(id, Event::Completed) else { return };
            let digest = genuine_digest_of_stored(&made.envelope, &made.body);
            let (envelope, receipt) = (made.envelope.encode_to_vec(), made.receipt.encode_to_vec());
            unit.update_content(vec![id.into(), envelope.into(), made.body.into(), receipt.into()]);
            for fact in made.facts {
                unit.fact(id, fact);
            }
            unit.set_state(id, state, publish_deadline(unit.now, 0));
            unit.change(id, |row| {
                row.copy_digest = digest;
                row.fault = None;
                row.tries = 0;
                row.publishes = 0;
                row.body_size = 1;
                row.info = None;
            });
        }
        // Its parent was routed again on behalf of a queued one only.
        Some(fault) if row.state == State::Queued && row.corrupt.is_none() => {
            if fault.is_retryable() {
                defer(unit, id, fault);
            } else {
                dead_letter(unit, id, fault);
            }
        }
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use proto::journal::v1::body::Place;
    use proto::journal::v1::{Acceptance, Body, Message};

    use super::*;
    use crate::accept::accept;
    use crate::database::Database;
    use crate::row_cache::RowCache;

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
    async fn derived_messages_are_looked_up_once_there_may_be_some() {
        let (mut database, _directory) = Database::empty().await;
        let mut cache = RowCache::open(&mut database).await.unwrap();
        let envelope = Envelope {
            id: DERIVED.to_owned(),
            application: "b-app".to_owned(),
            ..Envelope::default()
        };
        let message = Some(Message { envelope: Some(envelope), body: None });
        let derived = vec![Derived { message, ..Derived::default() }];
        let entry = Entry { message_id: PARENT.to_owned(), derived, ..Entry::default() };
        let mut unit = UnitOfWork::new(&mut database, 1, &mut cache);
        accept(&mut unit, &[&item()]).await.unwrap();
        assert_eq!(derived_before(&unit, &entry).next(), None, "there can be none");
        record(&mut unit, &[(std::slice::from_ref(&entry), &[])]).await.unwrap();
        assert_eq!(derived_before(&unit, &entry).collect::<Vec<_>>(), [DERIVED]);
        unit.flush().await.unwrap();
        unit.committed();
        let mut next = UnitOfWork::new(&mut database, 2, &mut cache);
        next.load([PARENT].into_iter()).await.unwrap();
        assert_eq!(derived_before(&next, &entry).collect::<Vec<_>>(), [DERIVED], "from the cache");
    }
}
