//! Submits an item: normalize it, store its files, accept it in the journal, publish it to intake. A
//! repeat gets the first receipt, although its uploads are gone or it would be refused by now.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chassis::trace;
use futures::future::join_all;
use journal_client::to_bus_message;
use proto::exchange::v1::submit_request::Body as SubmittedBody;
use proto::exchange::v1::submitted::Outcome as ItemOutcome;
use proto::exchange::v1::{
    SubmitBatchRequest, SubmitBatchResponse, SubmitRequest, SubmitResponse, Submitted,
};
use proto::fault::v1::Fault;
use proto::fault::{Lang, code};
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::{AcceptOutcome, Acceptance, Envelope, Message};
use proto::mapping::v1::{DeclaredAttachment, NormalizeItem, Normalized};
use proto::message::v1::{Attachment, Fact, Finding, MessageType, Receipt, Step};
use proto::registry::v1::Application;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::attachments::{declared_attachments, store_attachments};
use crate::batch_call::{check_bodies, check_items, item_fault};
use crate::body::{NativeBody, read_native_body, store_body};
use crate::check_item::check_item;
use crate::fault::unavailable;
use crate::gateway::Gateway;
use crate::known_item::{ask, recognise, submission_digest, to_response};
use crate::memory::MemoryPermit;
use crate::refusals::{SubmittedItem, note_refused_call, note_refused_item};
use crate::submission::{SubmissionDigests, digest_submission};
use crate::trace_context::TraceContext;
use crate::workers::NativeItem;

/// Namespace of the ids of submitted messages (UUID v5).
const SUBMIT_NAMESPACE: Uuid = Uuid::from_u128(0x6c69_656e_7468_6f6e_675f_7375_626d_6974);

/// Where an item came from: the trace of its call, and the memory of the call when an inline body
/// is a part of it.
pub(crate) type Origin = (TraceContext, Option<MemoryPermit>);

/// Submits an item. A refusal leaves nothing but its code.
pub(crate) async fn submit(
    gateway: &Arc<Gateway>,
    application: &Application,
    (request, origin): (SubmitRequest, Origin),
) -> Result<SubmitResponse, Fault> {
    let _open_work = gateway.open_work.token();
    let mut item = SubmittedItem::new(&request);
    let parts = named_parts(&request);
    let started = Instant::now();
    // While an item is asked for, its inline body is in memory as a part of its call.
    let call_memory = origin.1.clone();
    let result =
        gateway.watch_outcome(process(gateway, application, (&request, origin), &mut item).await);
    let result = match result {
        Err(fault) => recognise(gateway, (application, &request), fault).await,
        accepted => accepted,
    };
    drop(call_memory);
    let outcome = match &result {
        Ok(response) if response.receipt.as_ref().is_some_and(|it| it.repeat) => "repeat",
        Ok(_) => "accepted",
        Err(fault) => &fault.code,
    };
    gateway.metrics.count_submit(outcome, started.elapsed());
    match &result {
        // The same item may be submitted again with the same uploads.
        Err(fault) if fault.is_retryable() => return result,
        Err(fault) => {
            note_refused_item(gateway, application, item, fault);
            if fault.code.starts_with("LT-EX-") {
                // The caller corrects the call and may use the same uploads.
                return result;
            }
        }
        Ok(_) => {}
    }
    gateway.uploads.remove_used(&application.id, &parts);
    result
}

/// Submits several items; each succeeds or fails as if it had come alone.
pub(crate) async fn submit_batch(
    gateway: &Arc<Gateway>,
    application: &Application,
    request: SubmitBatchRequest,
    memory: Option<MemoryPermit>,
) -> Result<SubmitBatchResponse, Fault> {
    let items = check_bodies(&request.items).and_then(|()| check_items(request.items));
    let items = items.inspect_err(|fault| note_refused_call(gateway, application, fault))?;
    let submits = items.into_iter().map(async |item| {
        let span = trace::item_span(&item.traceparent);
        let context = TraceContext::from_request(&item, |_| None);
        let origin = (context, memory.clone());
        let outcome = submit(gateway, application, (item, origin)).instrument(span).await;
        let refused = |fault| ItemOutcome::Refused(item_fault(fault));
        Submitted { outcome: Some(outcome.map_or_else(refused, ItemOutcome::Submitted)) }
    });
    let results = join_all(submits).await;
    let is_refused = |it: &&Submitted| matches!(it.outcome, Some(ItemOutcome::Refused(_)));
    let refused_count = results.iter().filter(is_refused).count();
    gateway.failure_rate.note(&application.id, refused_count);
    Ok(SubmitBatchResponse { results })
}

/// The uploads that an item names.
fn named_parts(request: &SubmitRequest) -> Vec<String> {
    let body = match &request.body {
        Some(SubmittedBody::Part(part)) => Some(part),
        Some(SubmittedBody::Inline(_)) | None => None,
    };
    body.into_iter().chain(request.attachments.iter().map(|it| &it.part)).cloned().collect()
}

async fn process(
    gateway: &Arc<Gateway>,
    application: &Application,
    (request, (context, call_memory)): (&SubmitRequest, Origin),
    refused: &mut SubmittedItem,
) -> Result<SubmitResponse, Fault> {
    let started = Instant::now();
    let submitted_us = gateway.clock.now_us();
    check_item(request, gateway.config.attachments_max)?;
    let _submit_permit = gateway.submit_permits.acquire(&application.id).await?;
    let native = read_native_body(gateway, application, request, call_memory).await?;
    refused.note_body(&native.sha256);
    let item = NormalizeItem {
        source: application.id.clone(),
        sender: application.organisation.clone(),
        format: request.format.clone(),
        native_size: native.bytes.len() as u64,
        attachments: declared_attachments(gateway, application, request).await?,
        recipients: request.recipients.clone(),
    };
    let digests = digests_of(application, request, (&native, &item));
    let permit = native.permit.clone();
    let native_item = NativeItem { item, bytes: native.bytes.clone(), permit: permit.clone() };
    let (normalized, files) = gateway.workers.normalize(native_item).await.map_err(|it| {
        refused.note_read(it.read);
        it.fault
    })?;
    refused.note_normalized(&normalized);
    let id = message_id(&application.id, &request.key, &normalized.content_digest);
    // A status is small and ends what is under way, so it is taken longer than others.
    if normalized.r#type() != MessageType::Status {
        gateway.check_disk()?;
    }
    if writes_files(&normalized, &native) {
        // A repeat or a conflict leaves no file behind.
        let asked = (digests, normalized.content_digest.as_ref());
        if let Some(response) = ask(gateway, (application, request), asked).await? {
            return Ok(response);
        }
    }
    let files = (&normalized, files);
    let attachments = store_attachments(gateway, application, request, files).await?;
    let is_status = normalized.r#type() == MessageType::Status;
    let mut findings = normalized.findings.clone();
    let intake = gateway.bus.intake(&normalized.conversation);
    let (traceparent, tracestate) =
        context.start_message(&id, &normalized.conversation, intake.name());
    let envelope = Envelope { id, traceparent, tracestate, ..Envelope::default() };
    let acceptance = build_acceptance(
        gateway,
        (application, request, envelope),
        (normalized, native, attachments),
        (submitted_us, started.elapsed()),
    )
    .await?;
    let acceptance = Acceptance {
        submission_digest: submission_digest(digests),
        outline_digest: digests.outline.to_vec().into(),
        ..acceptance
    };
    let outcome = accept(gateway, acceptance, permit).await?;
    if is_status && matches!(&outcome.outcome, Some(Outcome::Receipt(it)) if it.sequence == 1) {
        findings.push(unknown_document());
    }
    Ok(to_response(gateway, outcome, findings))
}

/// The digests of an item whose bytes are all here.
fn digests_of(
    application: &Application,
    request: &SubmitRequest,
    (native, item): (&NativeBody, &NormalizeItem),
) -> SubmissionDigests {
    let sha256 = |it: &DeclaredAttachment| it.claim.as_ref()?.sha256.as_ref().try_into().ok();
    let files: Vec<_> = item.attachments.iter().map(sha256).collect();
    digest_submission((&application.organisation, request), Some(native.sha256), &files)
}

/// True when accepting an item writes files before the journal decides.
fn writes_files(normalized: &Normalized, native: &NativeBody) -> bool {
    let largest = normalized.canonical.len().max(native.bytes.len());
    !normalized.attachments.is_empty() || largest > bus::INLINE_BYTES_MAX
}

/// The item as the journal accepts it. `envelope` has the id and the trace context.
async fn build_acceptance(
    gateway: &Gateway,
    (application, request, envelope): (&Application, &SubmitRequest, Envelope),
    (normalized, native, attachments): (Normalized, NativeBody, Vec<Attachment>),
    (submitted_us, took): (i64, Duration),
) -> Result<Acceptance, Fault> {
    let envelope = Envelope {
        source: application.id.clone(),
        sender: application.organisation.clone(),
        r#type: normalized.r#type,
        format: normalized.format.clone(),
        format_version: normalized.format_version,
        format_hash: normalized.format_hash.clone(),
        conversation: normalized.conversation.clone(),
        recipients: normalized.recipients.clone(),
        urgency: normalized.urgency,
        occurred_at_us: normalized.occurred_at_us,
        ..envelope
    };
    let fact = |step: Step| Fact {
        step: step.into(),
        at_us: submitted_us,
        component: gateway.component.clone(),
        ..Fact::default()
    };
    let submit_fact = Fact { detail: request.key.clone(), ..fact(Step::Submitted) };
    let normalize_fact = Fact {
        at_us: gateway.clock.now_us(),
        format: normalized.format.clone(),
        format_version: normalized.format_version,
        format_hash: normalized.format_hash.clone(),
        duration_us: u64::try_from(took.as_micros()).unwrap_or_default(),
        findings: normalized.findings,
        ..fact(Step::Normalized)
    };
    let body = store_body(gateway, normalized.canonical).await?;
    Ok(Acceptance {
        message: Some(Message { envelope: Some(envelope), body: Some(body) }),
        key: request.key.clone(),
        content_digest: normalized.content_digest,
        native_sha256: Bytes::copy_from_slice(&native.sha256),
        native: Some(store_body(gateway, native.bytes).await?),
        attachments,
        index: normalized.index,
        facts: vec![submit_fact, normalize_fact],
        submitted_format: request.format.clone(),
        ..Acceptance::default()
    })
}

/// The id of a submitted message, derived from what makes the item the same item: submitted again,
/// it has the same id, and the journal answers with the first receipt.
fn message_id(application: &str, key: &str, content_digest: &[u8]) -> String {
    let name = format!("{application}\n{key}\n{}", hex::encode(content_digest));
    Uuid::new_v5(&SUBMIT_NAMESPACE, name.as_bytes()).to_string()
}

/// Accepts an item and publishes it, in a task that ends in order when the caller hangs up meanwhile:
/// the message would wait for the sweeper.
async fn accept(
    gateway: &Arc<Gateway>,
    acceptance: Acceptance,
    permit: MemoryPermit,
) -> Result<AcceptOutcome, Fault> {
    let accepting = accept_and_publish(gateway.clone(), acceptance, permit);
    let accepted = gateway.open_work.spawn(accepting.in_current_span()).await;
    accepted.unwrap_or_else(|_panicked| Err(unavailable("journal")))
}

async fn accept_and_publish(
    gateway: Arc<Gateway>,
    acceptance: Acceptance,
    permit: MemoryPermit,
) -> Result<AcceptOutcome, Fault> {
    let message = acceptance.message.clone();
    let outcome = gateway.workers.accept(acceptance, Some(permit.clone())).await?;
    match &outcome.outcome {
        Some(Outcome::Receipt(receipt)) => {
            if let Some(message) = message.filter(|_| !receipt.repeat) {
                enqueue_publish(&gateway, message, receipt, permit);
            }
            Ok(outcome)
        }
        Some(Outcome::Refused(fault)) => Err(fault.clone()),
        Some(Outcome::Unknown(_)) | None => Err(unavailable("journal")),
    }
}

/// The finding of a status that is the first message of its conversation. It is delivered all the
/// same and never held (catalogue B-110): a document may have travelled on paper, over another
/// axis, or before the bus existed, and holding would lose the one status that its sender waits
/// for. A later status of such a conversation has no finding, because the first one has it.
fn unknown_document() -> Finding {
    let fault = Fault::new(&code::LT_MAP_228);
    let (text_vi, text_en) = (fault.title(Lang::Vi), fault.title(Lang::En));
    Finding { code: fault.code, field: String::new(), text_vi, text_en }
}

/// Publishes an accepted message. The sender does not wait for it: the receipt is valid already,
/// and the journal's sweeper publishes what was not published here.
fn enqueue_publish(gateway: &Gateway, message: Message, receipt: &Receipt, permit: MemoryPermit) {
    let envelope = Envelope {
        // The journal gives a message that goes out again another id.
        id: receipt.message_id.clone(),
        copy_of: receipt.copy_of.clone(),
        sequence: receipt.sequence,
        accepted_at_us: receipt.accepted_at_us,
        ..message.envelope.unwrap_or_default()
    };
    let channel = gateway.bus.intake(&envelope.conversation);
    let is_queued = match to_bus_message(&envelope, message.body) {
        Ok(message) => gateway.workers.enqueue_publish(channel, message, permit),
        Err(_invalid) => false,
    };
    if !is_queued {
        tracing::warn!(
            messaging.message.id = envelope.id,
            "message was not published, the sweeper will publish it"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::message_id;

    #[test]
    fn the_id_of_a_submitted_item_never_changes() {
        let id = message_id("a-app", "k1", &[0x0f, 0xa0]);
        assert_eq!(id, "f15468e8-8948-5af1-ba6c-d2a33963af11");
        assert_ne!(id, message_id("a-app", "", &[0x0f, 0xa0]));
    }
}
