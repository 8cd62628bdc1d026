//! Record: what happened, what follows from it, and what cannot go on.

use prost::Message as _;
use proto::fault::v1::Fault;
use proto::journal::v1::entry::Fate;
use proto::journal::v1::{Derived, Entry, Envelope, Fact, Index, Receipt, Refusal, State, Step};

use crate::database::{DatabaseError, Value};
use crate::desk::{COMPONENT, Desk};
use crate::plan;
use crate::stored::{Fresh, INSERT};

/// Writes entries and refusals; the ids nobody knows.
pub(crate) async fn record(
    desk: &mut Desk<'_>,
    entries: Vec<Entry>,
    refusals: Vec<Refusal>,
) -> Result<Vec<String>, DatabaseError> {
    let ids = entries.iter().flat_map(|it| {
        let derived = it.derived.iter().filter_map(|it| it.message.as_ref()?.envelope.as_ref());
        std::iter::once(it.message_id.as_str()).chain(derived.map(|it| it.id.as_str()))
    });
    desk.load(ids).await?;
    let mut unknown = Vec::new();
    let mut rows = Vec::new();
    for entry in entries {
        if desk.get(&entry.message_id).is_none() {
            unknown.push(entry.message_id);
            continue;
        }
        one(desk, entry, &mut rows);
    }
    desk.database.query_many(INSERT, rows).await?;
    let refused = refusals.into_iter().map(|it| {
        let fault = it.fault.unwrap_or_default().encode_to_vec();
        vec![it.application.into(), it.key.into(), it.at_us.into(), fault.into()]
    });
    let sql = "INSERT INTO refusal (application, item_key, at, fault) VALUES ($1, $2, $3, $4)";
    desk.database.query_many(sql, refused.collect()).await?;
    Ok(unknown)
}

fn one(desk: &mut Desk<'_>, entry: Entry, rows: &mut Vec<Vec<Value>>) {
    let id = entry.message_id;
    // A copy of a message that was routed or ended before says nothing new.
    let is_news = desk.get(&id).is_some_and(|it| it.state != State::Routed && !it.is_ended());
    for derived in entry.derived {
        follow(desk, &id, derived, rows);
    }
    if !is_news {
        return;
    }
    for fact in entry.facts {
        desk.fact(&id, fact);
    }
    match entry.fate {
        Some(Fate::Routed(_)) => desk.to(&id, State::Routed, 0),
        Some(Fate::Parked(park)) => park_or_bury(desk, &id, park.fault.unwrap_or_default(), 0),
        Some(Fate::Dead(bury)) => bury_it(desk, &id, bury.fault.unwrap_or_default()),
        None => {}
    }
}

fn follow(desk: &mut Desk<'_>, parent: &str, derived: Derived, rows: &mut Vec<Vec<Value>>) {
    let message = derived.message.unwrap_or_default();
    let Some(envelope) = message.envelope else { return };
    let body = message.body.unwrap_or_default().encode_to_vec();
    if let Some(known) = desk.get(&envelope.id) {
        // It could not be made before, and now it could.
        if known.body_size == 0 && !known.is_ended() && derived.fault.is_none() {
            rewrite(desk, &envelope, &body);
        }
        return;
    }
    for fact in derived.facts {
        desk.fact(&envelope.id, fact);
    }
    let (state, next_at) = match &derived.fault {
        None => (State::Queued, plan::deadline(desk.now, 0)),
        Some(fault) if fault.may_pass() => {
            let due = plan::due(desk.now, 1, envelope.urgency, std::time::Duration::ZERO);
            (State::Parked, due.unwrap_or_default())
        }
        Some(_) => (State::Dead, 0),
    };
    if let Some(fault) = &derived.fault {
        let step = if state == State::Parked { Step::Parked } else { Step::Dead };
        desk.fact(&envelope.id, own_fact(desk.now, step, 0, Some(fault.clone())));
    }
    let receipt = Receipt { attachments: derived.attachments, ..Receipt::default() };
    let mut envelope = envelope;
    parent.clone_into(&mut envelope.parent);
    let row = Fresh {
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
        fault: derived.fault.as_ref(),
    };
    rows.push(row.values());
}

/// Gives a body to a derived message that had none; written with the inserts, as an update.
fn rewrite(desk: &mut Desk<'_>, envelope: &Envelope, body: &[u8]) {
    desk.rewrites.push((envelope.id.clone(), envelope.encode_to_vec(), body.to_vec()));
    desk.to(&envelope.id, State::Queued, plan::deadline(desk.now, 0));
    desk.change(&envelope.id, |row| row.fault = None);
}

/// Parks a message until its next try, or makes it a dead letter after the last.
pub(crate) fn park_or_bury(desk: &mut Desk<'_>, id: &str, fault: Fault, urgency: u32) {
    let tried = desk.get(id).map_or(0, |it| it.attempt);
    // A submitted message counts its tries here; a derived one counted this try when it began.
    let derived = desk.get(id).is_some_and(crate::stored::Stored::is_derived);
    let attempt = if derived { tried } else { tried + 1 };
    let asked = std::time::Duration::from_millis(fault.retry_after_ms);
    let Some(due) = plan::due(desk.now, attempt.max(1), urgency, asked) else {
        return bury_it(desk, id, fault);
    };
    desk.to(id, State::Parked, due);
    desk.change(id, |row| {
        row.attempt = attempt;
        row.fault = Some(fault.clone());
    });
    let attempt = u32::try_from(attempt).unwrap_or_default();
    desk.fact(id, own_fact(desk.now, Step::Parked, attempt, Some(fault)));
}

/// Makes a message a dead letter.
pub(crate) fn bury_it(desk: &mut Desk<'_>, id: &str, fault: Fault) {
    desk.to(id, State::Dead, 0);
    desk.change(id, |row| row.fault = Some(fault.clone()));
    desk.fact(id, own_fact(desk.now, Step::Dead, 0, Some(fault)));
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
