//! Delivery reports: the application that submitted a message is told what became of it at a
//! recipient. A report is written in the commit in which the message is refused, becomes a dead
//! letter, or is taken after it was reported as undeliverable.
//!
//! A report is authored by the bus, so this is the one body that the journal writes. It goes the way
//! of a submitted message, in a conversation of its own: its order among the reports about one
//! message is kept, and it never holds back a document. There is no report about a report.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message as _;
use proto::canonical::v1::delivery_report::Outcome;
use proto::canonical::v1::{Canonical, Date, DeliveryReport, Moment, canonical};
use proto::envelope::BUS;
use proto::fault::v1::Fault;
use proto::fault::{Lang, code};
use proto::journal::v1::body::Place;
use proto::journal::v1::{Body, Envelope};
use proto::message::v1::{Index, MessageType, Receipt, State, Step};
use uuid::Uuid;

use crate::accept::{LAST_SEQUENCE, last_sequence};
use crate::database::error::DatabaseError;
use crate::database::row::Row;
use crate::delivery_row::{DeliveryInfo, DeliveryRow};
use crate::new_message::{Digests, NewMessage, TABLE, bounded};
use crate::retry_schedule::publish_deadline;
use crate::unit_of_work::UnitOfWork;

/// Namespace of the ids of reports and of their conversations (UUID v5).
const NAMESPACE: Uuid = Uuid::from_u128(0x6c69_656e_7468_6f6e_675f_7265_706f_7274);

/// The submitted message that a report is about.
const SUBMITTED: &str = "SELECT id, source, item_key, message_type, search_index, envelope \
     FROM message_row WHERE id = $1";

/// The most bytes of a subject in a report, so that the report stays inline.
const SUBJECT_BYTES_MAX: usize = 8_000;

/// The conversation of the reports about a submitted message.
pub(crate) fn conversation(submitted: &str) -> String {
    Uuid::new_v5(&NAMESPACE, submitted.as_bytes()).to_string()
}

/// The id of a report. The number is counted in the row of the message, so a crash and a repeat of
/// the call lead to the same id.
fn report_id(message: &str, number: i64) -> String {
    Uuid::new_v5(&NAMESPACE, format!("{message}\n{number}").as_bytes()).to_string()
}

/// What a report repeats of the submitted message.
#[derive(Debug, Default)]
struct Submitted {
    id: String,
    application: String,
    key: String,
    message_type: MessageType,
    index: Index,
    envelope: Envelope,
}

/// Writes the reports about messages that ended in this unit of work.
pub(crate) async fn write_reports(unit: &mut UnitOfWork<'_>) -> Result<(), DatabaseError> {
    let ended = unit.take_outcomes();
    if ended.is_empty() {
        return Ok(());
    }
    // Messages of this very unit are not in the tables before this.
    unit.flush().await?;
    let rows: Vec<DeliveryRow> = ended.iter().filter_map(|it| unit.row(it)).cloned().collect();
    let mut due = Vec::new();
    for (row, submitted) in with_submitted(unit, rows).await? {
        let Some(outcome) = outcome_of(&row) else { continue };
        if submitted.message_type != MessageType::DeliveryReport {
            due.push((row, submitted, outcome));
        }
    }
    let conversations = due.iter().map(|(_, it, _)| conversation(&it.id));
    let mut sequences = last_sequences(unit, conversations.collect()).await?;
    let ids: Vec<String> =
        due.iter().map(|(row, ..)| report_id(&row.id, row.reports + 1)).collect();
    unit.load(ids.iter().map(String::as_str)).await?;
    for ((row, submitted, outcome), id) in due.into_iter().zip(ids) {
        unit.change(&row.id, |row| row.reports += 1);
        if unit.row(&id).is_some() {
            continue;
        }
        let sequence = sequences.entry(conversation(&submitted.id)).or_default();
        *sequence += 1;
        add_report(unit, (&row, &submitted, outcome), (id, *sequence));
    }
    Ok(())
}

/// The last sequence of each conversation of reports. Where it cannot be read, the reports begin
/// again: their order is not sure then, and they are not lost.
async fn last_sequences(
    unit: &mut UnitOfWork<'_>,
    conversations: Vec<String>,
) -> Result<HashMap<String, u64>, DatabaseError> {
    let sets = conversations.iter().map(|it| vec![it.as_str().into()]).collect();
    let found = unit.database.query_many(LAST_SEQUENCE, sets).await?;
    let last = conversations.into_iter().zip(found).map(|(it, rows)| {
        let last = last_sequence(rows, &it).unwrap_or_default();
        (it, last)
    });
    Ok(last.collect())
}

/// What is reported about a message in its present state; none: nothing.
fn outcome_of(row: &DeliveryRow) -> Option<Outcome> {
    match row.state {
        State::Refused => Some(Outcome::Refused),
        State::Dead => Some(Outcome::Undeliverable),
        State::Taken if row.reports > 0 => Some(Outcome::Delivered),
        State::Unspecified
        | State::Accepted
        | State::Routed
        | State::Queued
        | State::Held
        | State::InHand
        | State::Parked
        | State::Taken
        | State::InDoubt
        | State::Withdrawn => None,
    }
}

/// Messages with the submitted message of each. One that cannot be read has nobody to be told.
async fn with_submitted(
    unit: &mut UnitOfWork<'_>,
    rows: Vec<DeliveryRow>,
) -> Result<Vec<(DeliveryRow, Submitted)>, DatabaseError> {
    let id = |it: &DeliveryRow| if it.parent.is_empty() { &it.id } else { &it.parent }.clone();
    let sets = rows.iter().map(|it| vec![id(it).into()]).collect();
    let found = unit.database.query_many(SUBMITTED, sets).await?;
    let mut pairs = Vec::with_capacity(rows.len());
    for (row, found) in rows.into_iter().zip(found) {
        match found.into_iter().next().and_then(|mut it| submitted(&mut it, &id(&row))) {
            Some(submitted) => pairs.push((row, submitted)),
            None => tracing::warn!(messaging.message.id = row.id, "message has no sender to tell"),
        }
    }
    Ok(pairs)
}

fn submitted(row: &mut Row, id: &str) -> Option<Submitted> {
    let application = row.text("source").ok().filter(|it| !it.is_empty())?;
    let key = row.text("item_key").unwrap_or_default();
    let message_type = row.enumeration("message_type").ok()?;
    let mut index: Index = row.message("search_index").unwrap_or_default();
    // A report is no status.
    index.status.clear();
    index.status_text.clear();
    let unreadable = |it: crate::database::row::Unreadable| it.in_row(TABLE, id).log();
    let envelope: Envelope = row.message("envelope").map_err(unreadable).ok()?;
    let submitted = if envelope.parent.is_empty() { id } else { envelope.parent.as_str() };
    Some(Submitted { id: submitted.to_owned(), application, key, message_type, index, envelope })
}

fn add_report(
    unit: &mut UnitOfWork<'_>,
    (row, submitted, outcome): (&DeliveryRow, &Submitted, Outcome),
    (id, sequence): (String, u64),
) {
    let report = report(unit.now, (row, submitted, outcome));
    let canonical = Canonical { origin: None, body: Some(canonical::Body::DeliveryReport(report)) };
    let body = Body { place: Some(Place::Inline(canonical.encode_to_vec().into())) };
    let of = &submitted.envelope;
    let envelope = Envelope {
        id: id.clone(),
        source: BUS.to_owned(),
        sender: BUS.to_owned(),
        r#type: MessageType::DeliveryReport.into(),
        conversation: conversation(&submitted.id),
        recipients: vec![of.sender.clone()],
        urgency: of.urgency,
        occurred_at_us: unit.now,
        accepted_at_us: unit.now,
        sequence,
        traceparent: of.traceparent.clone(),
        tracestate: of.tracestate.clone(),
        ..Envelope::default()
    };
    let receipt = Receipt {
        message_id: id.clone(),
        conversation: envelope.conversation.clone(),
        accepted_at_us: unit.now,
        sequence,
        r#type: envelope.r#type,
        recipients: envelope.recipients.clone(),
        ..Receipt::default()
    };
    let info = DeliveryInfo { attachments: Vec::new(), index: submitted.index.clone() };
    let message = NewMessage {
        envelope: &envelope,
        body: body.encode_to_vec(),
        native: Vec::new(),
        receipt: receipt.encode_to_vec(),
        index: &submitted.index,
        key: "",
        digests: Digests::default(),
        generation: 0,
        state: State::Accepted,
        now: unit.now,
        due_at: publish_deadline(unit.now, 0),
        fault: None,
        info: Some(Arc::new(info)),
        row_id: unit.next_row_id(),
        reports: 0,
    };
    unit.add(message.into_rows());
    unit.step(&id, Step::Accepted, &row.id);
    unit.publish(&id);
}

fn report(
    now: i64,
    (row, submitted, outcome): (&DeliveryRow, &Submitted, Outcome),
) -> DeliveryReport {
    let index = &submitted.index;
    let words = Words::new(row, outcome);
    DeliveryReport {
        application: submitted.application.clone(),
        message_id: submitted.id.clone(),
        key: submitted.key.clone(),
        r#type: submitted.message_type.as_str().to_owned(),
        number: index.number.clone(),
        document_id: index.document_id.clone(),
        subject: bounded(index.subject.clone(), SUBJECT_BYTES_MAX),
        issued: date(&index.issued_on),
        recipient: row.recipients.clone(),
        recipient_name: String::new(),
        recipient_application: row.application.clone(),
        outcome: outcome.into(),
        reason: if outcome == Outcome::Refused { row.detail.clone() } else { String::new() },
        text_vi: words.text[0].clone(),
        text_en: words.text[1].clone(),
        remedy_vi: words.remedy[0].clone(),
        remedy_en: words.remedy[1].clone(),
        code: words.code,
        at: Some(moment(now)),
        accepted: Some(moment(row.accepted_at)),
        attempt: u32::try_from(row.attempt).unwrap_or_default(),
        leftovers: Vec::new(),
    }
}

/// The words of a report, Vietnamese and English.
struct Words {
    text: [String; 2],
    remedy: [String; 2],
    code: String,
}

impl Words {
    fn new(row: &DeliveryRow, outcome: Outcome) -> Self {
        let fault = match outcome {
            Outcome::Refused => Fault::new(&code::LT_JNL_016).param("reason", &row.detail),
            Outcome::Undeliverable => row.fault.clone().unwrap_or_default(),
            Outcome::Delivered | Outcome::Unspecified => {
                let vi = "Nơi nhận đã nhận được; báo trước đó rằng không chuyển được nay không còn \
                          đúng.";
                let en = "The receiver has it now; the earlier report that it could not be \
                          delivered no longer holds.";
                let none = [String::new(), String::new()];
                return Self {
                    text: [vi, en].map(str::to_owned),
                    remedy: none,
                    code: String::new(),
                };
            }
        };
        let languages = [Lang::Vi, Lang::En];
        Self {
            text: languages.map(|it| fault.title(it)),
            remedy: languages.map(|it| fault.remedy(it)),
            code: fault.code,
        }
    }
}

/// A time in whole seconds, which every format can carry.
fn moment(at_us: i64) -> Moment {
    let at = prost_types::Timestamp { seconds: at_us.div_euclid(1_000_000), nanos: 0 };
    Moment { at: Some(at), ..Moment::default() }
}

/// Reads a day `yyyy-mm-dd`.
fn date(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-').map(str::parse::<i32>);
    let mut next = || parts.next().and_then(Result::ok);
    let date = Date { year: next()?, month: next()?, day: next()? };
    (date.year > 0).then_some(date)
}
