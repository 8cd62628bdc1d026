//! Accepts a normalized message: stores its files, has the journal accept it, publishes it to intake.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use bus::claim::Spool;
use bytes::Bytes;
use journal_client::to_bus_message;
use proto::exchange::v1::{SubmitRequest, SubmitResponse};
use proto::fault::v1::Fault;
use proto::fault::{Lang, code};
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::{AcceptOutcome, Acceptance, Body, Envelope, Message};
use proto::mapping::v1::Normalized;
use proto::message::v1::{Attachment, Fact, Finding, MessageType, Receipt, Step};
use proto::registry::v1::Application;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::attachments::store_attachments;
use crate::body::{NativeBody, store_body};
use crate::fault::unavailable;
use crate::gateway::Gateway;
use crate::known_item::{ask, submission_digest, to_response};
use crate::memory::MemoryPermit;
use crate::submission::SubmissionDigests;
use crate::trace_context::TraceContext;

/// Namespace of the ids of submitted messages (UUID v5).
const SUBMIT_NAMESPACE: Uuid = Uuid::from_u128(0x6c69_656e_7468_6f6e_675f_7375_626d_6974);

/// What all messages of a submitted item have in common.
pub(crate) struct Submission<'s> {
    pub(crate) application: &'s Application,
    pub(crate) context: TraceContext,
    pub(crate) native: NativeBody,
    /// When the submit began.
    pub(crate) submitted_us: i64,
    pub(crate) started: Instant,
}

/// One message of a submitted item: what was said of it, and what mapping made of it.
pub(crate) struct SubmittedMessage<'s> {
    pub(crate) request: Cow<'s, SubmitRequest>,
    pub(crate) digests: SubmissionDigests,
    pub(crate) normalized: Normalized,
}

/// A message whose files are stored, or the answer that makes storing needless.
pub(crate) enum StoredMessage<'s> {
    New(Box<SubmittedMessage<'s>>, Vec<Attachment>),
    Answered(Box<Result<SubmitResponse, Fault>>),
}

/// Stores the files of a message, unless the journal already knows it: a repeat or a conflict leaves
/// no file behind.
///
/// # Errors
///
/// The files cannot be stored; nothing of the item may be accepted.
pub(crate) async fn store_message<'s>(
    gateway: &Gateway,
    submission: &Submission<'_>,
    message: SubmittedMessage<'s>,
    found: &mut [Option<Spool>],
) -> Result<StoredMessage<'s>, Fault> {
    let (application, normalized) = (submission.application, &message.normalized);
    // A status is small and ends what is under way, so it is taken longer than others.
    if normalized.r#type() != MessageType::Status {
        gateway.check_disk()?;
    }
    if writes_files(normalized, &submission.native) {
        let asked = (message.digests, normalized.content_digest.as_ref());
        match ask(gateway, (application, &message.request), asked).await {
            Ok(None) => {}
            Ok(Some(response)) => return Ok(StoredMessage::Answered(Box::new(Ok(response)))),
            Err(fault) => return Ok(StoredMessage::Answered(Box::new(Err(fault)))),
        }
    }
    let files = (normalized, found);
    let attachments = store_attachments(gateway, application, &message.request, files).await?;
    Ok(StoredMessage::New(Box::new(message), attachments))
}

/// Accepts a message whose files are stored, and publishes it. `native` is the body as it came, where
/// it is stored already.
pub(crate) async fn accept_message(
    gateway: &Arc<Gateway>,
    submission: &Submission<'_>,
    stored: StoredMessage<'_>,
    native: Option<Body>,
) -> Result<SubmitResponse, Fault> {
    let (message, attachments) = match stored {
        StoredMessage::New(message, attachments) => (*message, attachments),
        StoredMessage::Answered(answer) => return *answer,
    };
    let is_status = message.normalized.r#type() == MessageType::Status;
    let mut findings = message.normalized.findings.clone();
    let acceptance = build_acceptance(gateway, submission, (message, attachments, native)).await?;
    let outcome = accept(gateway, acceptance, submission.native.permit.clone()).await?;
    if is_status && matches!(&outcome.outcome, Some(Outcome::Receipt(it)) if it.sequence == 1) {
        findings.push(unknown_document());
    }
    Ok(to_response(gateway, outcome, findings))
}

/// True when accepting an item writes files before the journal decides.
fn writes_files(normalized: &Normalized, native: &NativeBody) -> bool {
    let largest = normalized.canonical.len().max(native.bytes.len());
    !normalized.attachments.is_empty() || largest > bus::INLINE_BYTES_MAX
}

/// The message as the journal accepts it.
async fn build_acceptance(
    gateway: &Gateway,
    submission: &Submission<'_>,
    (message, attachments, native): (SubmittedMessage<'_>, Vec<Attachment>, Option<Body>),
) -> Result<Acceptance, Fault> {
    let SubmittedMessage { request, digests, normalized } = message;
    let application = submission.application;
    let id = message_id(&application.id, &request.key, &normalized.content_digest);
    let intake = gateway.bus.intake(&normalized.conversation);
    let context = submission.context.clone();
    let (traceparent, tracestate) =
        context.start_message(&id, &normalized.conversation, intake.name());
    let envelope = Envelope {
        id,
        traceparent,
        tracestate,
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
        ..Envelope::default()
    };
    let fact = |step: Step| Fact {
        step: step.into(),
        at_us: submission.submitted_us,
        component: gateway.component.clone(),
        ..Fact::default()
    };
    let submit_fact = Fact { detail: request.key.clone(), ..fact(Step::Submitted) };
    let normalize_fact = Fact {
        at_us: gateway.clock.now_us(),
        format: normalized.format.clone(),
        format_version: normalized.format_version,
        format_hash: normalized.format_hash.clone(),
        duration_us: u64::try_from(submission.started.elapsed().as_micros()).unwrap_or_default(),
        findings: normalized.findings,
        ..fact(Step::Normalized)
    };
    let body = store_body(gateway, normalized.canonical).await?;
    let native = match native {
        Some(stored) => stored,
        None => store_body(gateway, submission.native.bytes.clone()).await?,
    };
    Ok(Acceptance {
        message: Some(Message { envelope: Some(envelope), body: Some(body) }),
        key: request.key.clone(),
        content_digest: normalized.content_digest,
        native_sha256: Bytes::copy_from_slice(&submission.native.sha256),
        native: Some(native),
        attachments,
        index: normalized.index,
        facts: vec![submit_fact, normalize_fact],
        submitted_format: request.format.clone(),
        submission_digest: submission_digest(digests),
        outline_digest: digests.outline.to_vec().into(),
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
