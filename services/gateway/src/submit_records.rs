//! Submits a body of several records (EIP Splitter): each becomes a message of its own, or is refused
//! by itself.
//!
//! The identities of a record are derived from those of the item and its number, so that the same
//! body sent again meets the same messages. Files of all records are stored before the first message
//! is accepted, because records may share them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use proto::exchange::v1::submitted_record::Outcome as RecordOutcome;
use proto::exchange::v1::{SubmitRequest, SubmitResponse, SubmittedRecord};
use proto::fault::v1::{Fault, FieldViolation};
use proto::fault::{Lang, code};
use proto::journal::v1::Body;
use proto::message::v1::Finding;

use crate::accept_message::{
    StoredMessage, Submission, SubmittedMessage, accept_message, store_message,
};
use crate::batch_call::item_fault;
use crate::body::store_body_of_many;
use crate::gateway::Gateway;
use crate::known_item::recognise_record;
use crate::refusals::{SubmittedItem, note_refused_item};
use crate::submission::{SubmissionDigests, record_digest};
use crate::workers::{NormalizedItem, NormalizedRecord};

/// Records of one body: their receipts fit one response.
const RECORDS_MAX: usize = 2_000;
/// Messages of one body that are accepted at a time.
const ACCEPTED_AT_ONCE: usize = 64;
/// Refused records that an answer names.
const NAMED_MAX: usize = 50;

/// What a record became, and what the record of a refusal says of it.
struct SplitRecord {
    place: String,
    item: SubmittedItem,
    outcome: Option<Result<SubmitResponse, Fault>>,
}

/// Submits the records of a body.
///
/// # Errors
///
/// No record is accepted, or something fails that may pass: the body then comes again, and what was
/// accepted of it gets its receipts.
pub(crate) async fn submit_records(
    gateway: &Arc<Gateway>,
    submission: &Submission<'_>,
    said: (&SubmitRequest, SubmissionDigests),
    item: NormalizedItem,
) -> Result<SubmitResponse, Fault> {
    check_count(item.records.len())?;
    let (mut records, stored) = store_records(gateway, submission, said, item).await?;
    for (index, outcome) in accept_all(gateway, submission, stored).await? {
        if let Some(record) = records.get_mut(index) {
            record.outcome = Some(outcome);
        }
    }
    let mut outcomes = Vec::with_capacity(records.len());
    for SplitRecord { place, item, outcome } in records {
        match outcome {
            Some(Err(fault)) if fault.is_retryable() => return Err(fault),
            Some(outcome) => outcomes.push((place, item, outcome)),
            None => {}
        }
    }
    let mut answered = Vec::with_capacity(outcomes.len());
    for (place, item, outcome) in outcomes {
        if let Err(fault) = &outcome {
            note_refused_item(gateway, submission.application, item, fault);
        }
        answered.push((place, outcome));
    }
    to_response(answered)
}

fn check_count(count: usize) -> Result<(), Fault> {
    if count <= RECORDS_MAX {
        return Ok(());
    }
    Err(Fault::new(&code::LT_MAP_005).violation(
        "body",
        format!("có {count} bản ghi, mỗi lần gửi nhiều nhất {RECORDS_MAX}"),
        format!("has {count} records, at most {RECORDS_MAX} are sent at a time"),
    ))
}

/// Messages to accept, each with the number of its record.
type StoredRecords = Vec<(usize, String, StoredMessage<'static>)>;

/// Stores the files of all records that mapping did not refuse.
async fn store_records(
    gateway: &Gateway,
    submission: &Submission<'_>,
    (request, digests): (&SubmitRequest, SubmissionDigests),
    NormalizedItem { records, mut files }: NormalizedItem,
) -> Result<(Vec<SplitRecord>, StoredRecords), Fault> {
    let (mut split, mut stored) = (Vec::new(), Vec::new());
    for (index, NormalizedRecord { place, outcome }) in records.into_iter().enumerate() {
        let request = record_request(request, index);
        let digests = digests.of_record(index);
        let mut item = SubmittedItem::new(&request);
        item.note_body(&record_digest(&submission.native.sha256, index));
        let outcome = match outcome {
            Ok(normalized) => {
                item.note_normalized(&normalized);
                let conversation = normalized.conversation.clone();
                let request = Cow::Owned(request);
                let message = SubmittedMessage { request, digests, normalized };
                let message = store_message(gateway, submission, message, &mut files).await?;
                stored.push((index, conversation, message));
                None
            }
            Err(refused) => {
                item.note_read(refused.read);
                let said = (submission.application, &request);
                Some(recognise_record(gateway, said, digests, refused.fault).await)
            }
        };
        split.push(SplitRecord { place, item, outcome });
    }
    Ok((split, stored))
}

/// The request of one record: the item's, under a key of its own.
fn record_request(request: &SubmitRequest, index: usize) -> SubmitRequest {
    let number = index + 1;
    let key =
        if request.key.is_empty() { String::new() } else { format!("{}#{number}", request.key) };
    SubmitRequest { key, ..request.clone() }
}

/// Accepts messages: those of one conversation one after the other, because they are delivered in
/// the order in which they were accepted.
async fn accept_all(
    gateway: &Arc<Gateway>,
    submission: &Submission<'_>,
    stored: StoredRecords,
) -> Result<Vec<(usize, Result<SubmitResponse, Fault>)>, Fault> {
    let bytes = submission.native.bytes.clone();
    let native = match stored.iter().any(|it| matches!(it.2, StoredMessage::New(..))) {
        true => Some(store_body_of_many(gateway, bytes, stored.len()).await?),
        false => None,
    };
    let mut groups: Vec<Vec<(usize, StoredMessage<'static>)>> = Vec::new();
    let mut group_of: HashMap<String, usize> = HashMap::new();
    for (index, conversation, message) in stored {
        let group = *group_of.entry(conversation).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push((index, message));
    }
    let accepting: Vec<_> = groups
        .into_iter()
        .map(|group| accept_group(gateway, submission, (group, native.clone())))
        .collect();
    let accepting = stream::iter(accepting).buffer_unordered(ACCEPTED_AT_ONCE);
    let accepted: Vec<Vec<_>> = accepting.collect().await;
    Ok(accepted.into_iter().flatten().collect())
}

async fn accept_group(
    gateway: &Arc<Gateway>,
    submission: &Submission<'_>,
    (group, native): (Vec<(usize, StoredMessage<'static>)>, Option<Body>),
) -> Vec<(usize, Result<SubmitResponse, Fault>)> {
    let mut outcomes = Vec::with_capacity(group.len());
    for (index, message) in group {
        let outcome = accept_message(gateway, submission, message, native.clone()).await;
        outcomes.push((index, outcome));
    }
    outcomes
}

/// The answer to a body of which at least one record is accepted.
fn to_response(
    records: Vec<(String, Result<SubmitResponse, Fault>)>,
) -> Result<SubmitResponse, Fault> {
    let refused = |(place, outcome): &(String, Result<SubmitResponse, Fault>)| {
        outcome.as_ref().err().map(|fault| refusal_in_words(place, fault))
    };
    let refusals: Vec<FieldViolation> = records.iter().filter_map(refused).collect();
    let Some(first) = records.iter().find_map(|(_, outcome)| outcome.as_ref().ok()) else {
        let violations = refusals.into_iter().take(NAMED_MAX).collect();
        return Err(Fault { violations, ..Fault::new(&code::LT_MAP_231) });
    };
    let (receipt, recipients) = (first.receipt.clone(), first.recipients.clone());
    let finding = |it: FieldViolation| Finding {
        code: code::LT_MAP_232.code.to_owned(),
        field: it.field,
        text_vi: format!("Bản ghi này bị từ chối: {}", it.description_vi),
        text_en: format!("This record is refused: {}", it.description_en),
    };
    let findings = refusals.into_iter().take(NAMED_MAX).map(finding).collect();
    let record = |(place, outcome): (String, Result<SubmitResponse, Fault>)| {
        let refused = |fault| RecordOutcome::Refused(item_fault(fault));
        let outcome = Some(outcome.map_or_else(refused, RecordOutcome::Submitted));
        SubmittedRecord { place, outcome }
    };
    let records = records.into_iter().map(record).collect();
    Ok(SubmitResponse { receipt, findings, recipients, records })
}

/// Why a record is refused, under the field that its first violation names.
fn refusal_in_words(place: &str, fault: &Fault) -> FieldViolation {
    let violation = fault.violations.first().cloned().unwrap_or_default();
    let text = |title: String, description: &str| match description {
        "" => format!("{} {title}", fault.code),
        _ => format!("{} {}: {description}", fault.code, title.trim_end_matches('.')),
    };
    let description_vi = text(fault.title(Lang::Vi), &violation.description_vi);
    let description_en = text(fault.title(Lang::En), &violation.description_en);
    let is_inside = violation.field.starts_with(place);
    let field = match (is_inside, violation.field.is_empty()) {
        (true, _) => violation.field,
        (false, true) => place.to_owned(),
        (false, false) => format!("{place}: {}", violation.field),
    };
    FieldViolation { field, description_vi, description_en }
}
