//! Find, Journey, Get: reads for operators. A column that cannot be read becomes the fault of its
//! message, and the other messages of the page are returned all the same.

use std::collections::HashMap;

use proto::journal::v1::get_request::Part;
use proto::journal::v1::{
    Body, Entry, Envelope, FindRequest, FindResponse, GetRequest, GetResponse, Hop,
    JourneyResponse, StateCount, Summary,
};
use proto::message::v1::{Index, MessageType, Receipt, State};

use crate::database::Database;
use crate::database::error::{Corrupt, DatabaseError};
use crate::database::row::{Parameters, Row, Unreadable};
use crate::delivery_report;
use crate::delivery_row::{self, COLUMNS, DeliveryRow};
use crate::facts::{self, FactPositions};
use crate::new_message::{TABLE, indexed_words};
use crate::search_query::{Dialect, SearchQuery};

/// The most facts that one journey returns, and the most rows of facts that are read for it.
const HOPS_MAX: usize = 2_000;

/// The most status messages, and the most delivery reports, that one journey returns.
const STATUSES_MAX: usize = 200;

/// The most copies that one journey returns.
const COPIES_MAX: usize = 100;

/// Positions of the facts of a submitted message and of those derived from it.
const FACT_POSITIONS: &str = "SELECT id, application, fact_positions FROM delivery_state \
     WHERE conversation = $1 AND sequence = $2 AND (id = $3 OR parent = $3)";

/// The messages derived from one, which share its conversation and sequence.
const DERIVED: &str = "conversation = $1 AND sequence = $2 AND parent = $3";

/// Finds a page of messages, newest first.
pub(crate) async fn find(
    database: &mut Database,
    request: &FindRequest,
) -> Result<FindResponse, DatabaseError> {
    let limit = match request.limit {
        0 => 50,
        requested => i64::from(requested.min(500)),
    };
    let full_text = database.full_text_query(&indexed_words(&request.text));
    let dialect = Dialect { full_text, contains: database.fault_contains() };
    let query = SearchQuery::new(request, dialect);
    let sql = query.page(limit + 1);
    let mut messages = summaries(database, &sql, query.values).await?;
    let next = if messages.len() > usize::try_from(limit).unwrap_or(500) {
        messages.pop();
        messages.last().and_then(|it| it.envelope.as_ref()).map_or_else(String::new, cursor)
    } else {
        String::new()
    };
    Ok(FindResponse { messages, next })
}

fn cursor(envelope: &Envelope) -> String {
    format!("{}:{}", envelope.accepted_at_us, envelope.id)
}

/// Summaries of messages, with the states of their derived ones counted; `of` is the statement's
/// part behind `FROM`.
async fn summaries(
    database: &mut Database,
    of: &str,
    values: Parameters,
) -> Result<Vec<Summary>, DatabaseError> {
    let sql = format!(
        "SELECT {COLUMNS}, source, sender, message_type, envelope, receipt, search_index, item_key \
         FROM {of}"
    );
    let rows = database.query(&sql, values).await?;
    let mut found: Vec<Summary> = rows.into_iter().map(summary).collect::<Result<_, _>>()?;
    let sets = found.iter().map(|it| it.envelope.as_ref().map_or_else(Vec::new, family));
    let sql = format!(
        "SELECT state, COUNT(*) AS count FROM delivery_state WHERE {DERIVED} GROUP BY state"
    );
    let counts = database.query_many(&sql, sets.collect()).await?;
    for (summary, rows) in found.iter_mut().zip(counts) {
        for mut row in rows {
            add_count(summary, &mut row);
        }
    }
    Ok(found)
}

/// Adds the number of derived messages in one state. A state that cannot be read counts as failed,
/// because its message waits for an operator.
fn add_count(summary: &mut Summary, row: &mut Row) {
    let state = delivery_row::state(row).unwrap_or(State::Dead);
    let count = row.number("count").ok().and_then(|it| u32::try_from(it).ok()).unwrap_or(u32::MAX);
    summary.recipients_total += count;
    summary.recipient_states.push(StateCount { state: state.into(), count });
    match state {
        State::Taken => summary.recipients_taken += count,
        State::Refused | State::Dead | State::InDoubt => summary.recipients_failed += count,
        State::Unspecified
        | State::Accepted
        | State::Routed
        | State::Queued
        | State::Held
        | State::InHand
        | State::Parked
        | State::Withdrawn => {}
    }
}

fn summary(mut row: Row) -> Result<Summary, Corrupt> {
    let delivery = DeliveryRow::read(&mut row)?;
    let mut content_damage = None;
    let mut note = |it: Unreadable| {
        content_damage.get_or_insert(it);
    };
    let envelope = match envelope(&mut row, &delivery) {
        Ok(envelope) => envelope,
        Err(unreadable) => {
            note(unreadable);
            envelope_of_columns(&mut row, &delivery)
        }
    };
    let receipt = row.message::<Receipt>("receipt").map_err(&mut note).unwrap_or_default();
    let index = row.message::<Index>("search_index").map_err(&mut note).ok();
    let key = row.text("item_key").map_err(&mut note).unwrap_or_default();
    let corrupt = content_damage.map(|it| it.in_row(TABLE, &delivery.id));
    let corrupt = delivery.corrupt.or(corrupt);
    let is_in_hand = delivery.state == State::InHand;
    Ok(Summary {
        envelope: Some(envelope),
        state: delivery.state.into(),
        index,
        changed_at_us: delivery.changed_at,
        key,
        due_us: if delivery.state == State::Parked { delivery.due_at } else { 0 },
        fault: corrupt.as_ref().map(Corrupt::fault).or(delivery.fault),
        detail: delivery.detail,
        attachments: receipt.attachments,
        behind: delivery.blocked_by,
        attempt: u32::try_from(delivery.attempt).unwrap_or(u32::MAX),
        native_sha256: receipt.native_sha256,
        session: if is_in_hand { delivery.session } else { String::new() },
        lease_until_us: if is_in_hand { delivery.due_at } else { 0 },
        ..Summary::default()
    })
}

fn envelope(row: &mut Row, delivery: &DeliveryRow) -> Result<Envelope, Unreadable> {
    let envelope = row.message::<Envelope>("envelope")?;
    if envelope.id == delivery.id { Ok(envelope) } else { Err(Unreadable { column: "envelope" }) }
}

/// An envelope made of columns, for a message whose stored envelope cannot be read: an operator
/// needs its id and parties.
fn envelope_of_columns(row: &mut Row, delivery: &DeliveryRow) -> Envelope {
    let recipients = delivery.recipients.split(',').filter(|it| !it.is_empty());
    let message_type = row.number("message_type").ok().and_then(|it| i32::try_from(it).ok());
    Envelope {
        id: delivery.id.clone(),
        source: row.text("source").unwrap_or_default(),
        sender: row.text("sender").unwrap_or_default(),
        r#type: message_type.unwrap_or_default(),
        conversation: delivery.conversation.clone(),
        recipients: recipients.map(str::to_owned).collect(),
        application: delivery.application.clone(),
        urgency: u32::try_from(delivery.urgency).unwrap_or_default(),
        accepted_at_us: delivery.accepted_at,
        sequence: u64::try_from(delivery.sequence).unwrap_or_default(),
        parent: delivery.parent.clone(),
        ..Envelope::default()
    }
}

/// Everything that happened to a message and to those derived from it.
pub(crate) async fn journey(
    database: &mut Database,
    id: &str,
) -> Result<Option<JourneyResponse>, DatabaseError> {
    let one = "message WHERE id = $1";
    let Some(found) = summaries(database, one, vec![id.into()]).await?.pop() else {
        return Ok(None);
    };
    let envelope = found.envelope.clone().unwrap_or_default();
    if !envelope.parent.is_empty() {
        return Box::pin(journey(database, &envelope.parent)).await;
    }
    let of = format!("message WHERE {DERIVED} ORDER BY application");
    let derived = summaries(database, &of, family(&envelope)).await?;
    let (hops, truncated) = hops(database, &envelope).await?;
    let of = format!(
        "message WHERE conversation = $1 AND application = '' AND parent = '' \
         AND message_type = $2 ORDER BY sequence LIMIT {STATUSES_MAX}"
    );
    let status = i64::from(i32::from(MessageType::Status));
    let mut statuses = if envelope.r#type() == MessageType::Status {
        Vec::new()
    } else {
        summaries(database, &of, vec![envelope.conversation.as_str().into(), status.into()]).await?
    };
    // Reports overtake each other on their way; those of one moment stay as they were accepted.
    statuses.sort_by_key(|it| it.envelope.as_ref().map_or(0, Envelope::happened_at_us));
    let of = format!(
        "message WHERE conversation = $1 AND application = '' AND parent = '' \
         ORDER BY sequence LIMIT {STATUSES_MAX}"
    );
    let values = vec![delivery_report::conversation(&envelope.id).into()];
    let reports = summaries(database, &of, values).await?;
    let copies = copies(database, &envelope).await?;
    let message = Some(found);
    Ok(Some(JourneyResponse { message, derived, hops, statuses, reports, truncated, copies }))
}

/// The other submitted messages with the same content, oldest first.
async fn copies(database: &mut Database, of: &Envelope) -> Result<Vec<Summary>, DatabaseError> {
    let first = if of.copy_of.is_empty() { &of.id } else { &of.copy_of };
    let family = format!(
        "message WHERE id IN (SELECT id FROM message_row WHERE id = $1 UNION ALL \
         SELECT id FROM message_row WHERE copy_of = $1 AND copy_of <> '') \
         ORDER BY accepted_at, id LIMIT {COPIES_MAX}"
    );
    let mut found = summaries(database, &family, vec![first.as_str().into()]).await?;
    found.retain(|it| it.envelope.as_ref().is_some_and(|it| it.id != of.id));
    Ok(found)
}

/// Parameters of [`DERIVED`] and of [`FACT_POSITIONS`].
fn family(of: &Envelope) -> Parameters {
    let sequence = i64::try_from(of.sequence).unwrap_or(i64::MAX);
    vec![of.conversation.as_str().into(), sequence.into(), of.id.as_str().into()]
}

/// The facts of a submitted message and of those derived from it, in the order written; with
/// whether there were more, dropped or damaged.
async fn hops(database: &mut Database, of: &Envelope) -> Result<(Vec<Hop>, bool), DatabaseError> {
    let (mut applications, mut stored) = (HashMap::new(), Vec::new());
    let mut is_incomplete = false;
    for mut row in database.query(FACT_POSITIONS, family(of)).await? {
        match positions(&mut row) {
            Ok((id, application, positions)) => {
                applications.insert(id, application);
                stored.push(positions);
            }
            Err(unreadable) => {
                unreadable.in_row(delivery_row::TABLE, &of.id).log();
                is_incomplete = true;
            }
        }
    }
    let mut positions = facts::merged(&stored);
    is_incomplete |= positions.len() > HOPS_MAX || stored.iter().any(FactPositions::is_full);
    positions.truncate(HOPS_MAX);
    let read = facts::read(database, positions).await?;
    let mut hops = Vec::new();
    for Entry { message_id, facts, .. } in read.entries {
        let Some(application) = applications.get(&message_id) else { continue };
        let (message_id, application) = (message_id.as_str(), application.as_str());
        hops.extend(facts.into_iter().map(|fact| Hop {
            message_id: message_id.to_owned(),
            application: application.to_owned(),
            fact: Some(fact),
        }));
    }
    is_incomplete |= read.is_incomplete || hops.len() > HOPS_MAX;
    hops.truncate(HOPS_MAX);
    Ok((hops, is_incomplete))
}

fn positions(row: &mut Row) -> Result<(String, String, FactPositions), Unreadable> {
    let (id, application) = (row.text("id")?, row.text("application")?);
    Ok((id, application, delivery_row::fact_positions(row)?))
}

/// A message's envelope, with its body or its native bytes.
pub(crate) async fn get(
    database: &mut Database,
    request: &GetRequest,
) -> Result<Option<GetResponse>, DatabaseError> {
    let id = request.message_id.as_str();
    let sql = "SELECT envelope, body, native, body_size FROM message WHERE id = $1";
    let Some(mut row) = database.query(sql, vec![id.into()]).await?.pop() else { return Ok(None) };
    let corrupt = |it: Unreadable| it.in_row(TABLE, id);
    let envelope: Envelope = row.message("envelope").map_err(corrupt)?;
    if envelope.id != id {
        return Err(Corrupt::new(TABLE, id, "envelope").into());
    }
    let body: Body = match request.part() {
        Part::Native => row.message("native").map_err(corrupt)?,
        Part::Body | Part::Unspecified => {
            let body: Body = row.message("body").map_err(corrupt)?;
            let body_size = row.number("body_size");
            let is_missing = body.place.is_none();
            if is_missing && body_size.map_err(|it| it.in_row(delivery_row::TABLE, id))? > 0 {
                return Err(Corrupt::new(TABLE, id, "body").into());
            }
            body
        }
    };
    Ok(Some(GetResponse { envelope: Some(envelope), body: Some(body) }))
}
