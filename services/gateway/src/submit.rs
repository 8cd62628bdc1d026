//! From the door to the receipt: normalise, make the files safe, accept, send on its way.

use std::time::Instant;

use bytes::Bytes;
use chassis::trace;
use futures::future::join_all;
use proto::exchange::v1::submit_request::Body as Given;
use proto::exchange::v1::submitted::Outcome as Submitting;
use proto::exchange::v1::{
    SubmitBatchRequest, SubmitBatchResponse, SubmitRequest, SubmitResponse, Submitted,
};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::{Acceptance, Envelope, FindRequest, Message as Sealed, Refusal};
use proto::mapping::v1::{NormalizeItem, Normalized};
use proto::message::v1::{Attachment, Fact, Receipt, Step};
use proto::registry::v1::Application;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::batch::{counted, worded};
use crate::body::{Whole, native, placed, sealed};
use crate::context::Sent;
use crate::files::{declared, safe};
use crate::gateway::{Gateway, Room, overloaded};
use crate::normalize::Native;
use crate::parts::field;

/// Names of submitted messages are derived in this space.
const SUBMITTED: Uuid = Uuid::from_u128(0x6c69_656e_7468_6f6e_675f_7375_626d_6974);

/// Takes an item over, or says why not. A refusal leaves nothing but its code.
pub(crate) async fn submit(
    gateway: &Gateway,
    application: &Application,
    (request, sent): (SubmitRequest, Sent),
) -> Result<SubmitResponse, Fault> {
    let _busy = gateway.busy.token();
    let key = request.key.clone();
    let uploads = uploads(&request);
    let begun = Instant::now();
    let outcome = attempt(gateway, application, (request, sent)).await;
    let word = match &outcome {
        Ok(answer) if answer.receipt.as_ref().is_some_and(|it| it.repeat) => "repeat",
        Ok(_) => "accepted",
        Err(fault) => &fault.code,
    };
    gateway.metrics.submit(word, begun.elapsed());
    match &outcome {
        // What passes by itself comes again with the same uploads, and so does a call that is to
        // be put right by uploading more.
        Err(fault) if fault.is_retryable() => return outcome,
        Err(fault) => {
            refused(gateway, application, &key, fault);
            if fault.code.starts_with("LT-EX-") {
                return outcome;
            }
        }
        Ok(_) => {}
    }
    gateway.parts.forget(&application.id, &uploads).await;
    outcome
}

/// Takes several items over, each as if it had come by itself.
pub(crate) async fn submit_all(
    gateway: &Gateway,
    application: &Application,
    request: SubmitBatchRequest,
) -> Result<SubmitBatchResponse, Fault> {
    let each = counted(request.items)?.into_iter().map(async |item| {
        let span = trace::item_span(&item.traceparent);
        let sent = Sent::with(&item, |_| None);
        let outcome = submit(gateway, application, (item, sent)).instrument(span).await;
        let refused = |fault| Submitting::Refused(worded(fault));
        Submitted { outcome: Some(outcome.map_or_else(refused, Submitting::Submitted)) }
    });
    Ok(SubmitBatchResponse { results: join_all(each).await })
}

/// Uploads that an item names.
fn uploads(request: &SubmitRequest) -> Vec<String> {
    let body = match &request.body {
        Some(Given::Part(part)) => Some(part),
        Some(Given::Inline(_)) | None => None,
    };
    body.into_iter().chain(request.attachments.iter().map(|it| &it.part)).cloned().collect()
}

/// Notes a refusal. The words of the fields may quote content; the code and its values do not.
fn refused(gateway: &Gateway, application: &Application, key: &str, fault: &Fault) {
    let refusal = Refusal {
        application: application.id.clone(),
        // It may be what was wrong.
        key: key.chars().filter(|it| !it.is_control()).take(200).collect(),
        at_us: gateway.clock.now_us(),
        fault: Some(Fault { violations: Vec::new(), ..fault.clone() }),
    };
    if !gateway.refusals.leave(refusal) {
        tracing::warn!(code = fault.code, "refusal was not recorded");
    }
}

async fn attempt(
    gateway: &Gateway,
    application: &Application,
    (request, sent): (SubmitRequest, Sent),
) -> Result<SubmitResponse, Fault> {
    let begun = Instant::now();
    let submitted_us = gateway.clock.now_us();
    check(gateway, &request)?;
    let _place = gateway.registered.now().place(&application.id).ok_or_else(overloaded)?;
    let native = native(gateway, application, &request).await?;
    let item = NormalizeItem {
        source: application.id.clone(),
        sender: application.organisation.clone(),
        format: request.format.clone(),
        native_size: native.bytes.len() as u64,
        attachments: declared(gateway, application, &request).await?,
        recipients: request.recipients.clone(),
    };
    let room = native.room.clone();
    let reading = Native { item, bytes: native.bytes.clone(), room: room.clone() };
    let (normalized, blobs) = gateway.normalize(reading).await?;
    let id = name(&application.id, &request.key, &normalized.content_digest);
    unclaimed(gateway, (application, &request), (&normalized, &native)).await?;
    let attachments = safe(gateway, application, &request, (&normalized, blobs)).await?;
    let findings = normalized.findings.clone();
    let intake = gateway.bus.intake(&normalized.conversation);
    let (traceparent, tracestate) = sent.born(&id, &normalized.conversation, intake.name());
    let acceptance = acceptance(
        gateway,
        (application, request.key, Envelope { id, traceparent, tracestate, ..Envelope::default() }),
        (normalized, native, attachments),
        (submitted_us, u64::try_from(begun.elapsed().as_micros()).unwrap_or_default()),
    )
    .await?;
    let receipt = accept(gateway, acceptance, room).await?;
    Ok(SubmitResponse { receipt: Some(receipt), findings })
}

fn check(gateway: &Gateway, request: &SubmitRequest) -> Result<(), Fault> {
    if request.key.len() > 200 {
        return Err(field("key", "dài nhất 200 byte", "at most 200 bytes"));
    }
    if request.key.chars().any(char::is_control) {
        return Err(field(
            "key",
            "không được có ký tự điều khiển",
            "must not hold control characters",
        ));
    }
    if request.format.is_empty() {
        return Err(field(
            "format",
            "cần tên định dạng hoặc auto",
            "must be a format's name or auto",
        ));
    }
    if request.attachments.len() > gateway.config.attachments_max {
        let most = gateway.config.attachments_max.to_string();
        return Err(Fault::new(&code::LT_GW_002).param("most", &most).violation(
            "attachments",
            format!("nhiều nhất {most} tệp"),
            format!("at most {most} files"),
        ));
    }
    Ok(())
}

/// Refuses a key that stands for other content before anything of this one is written, so that a
/// conflict leaves nothing behind. What is small waits for the journal's own word.
async fn unclaimed(
    gateway: &Gateway,
    (application, request): (&Application, &SubmitRequest),
    (normalized, native): (&Normalized, &Whole),
) -> Result<(), Fault> {
    let largest = normalized.canonical.len().max(native.bytes.len());
    let is_written = !normalized.attachments.is_empty() || largest > bus::INLINE_BYTES_MAX;
    if request.key.is_empty() || !is_written {
        return Ok(());
    }
    let find = FindRequest {
        key: request.key.clone(),
        application: application.id.clone(),
        limit: 1,
        ..FindRequest::default()
    };
    let found = gateway.within(gateway.journal.clone().find(find)).await?;
    let Some(earlier) = found.messages.into_iter().next() else { return Ok(()) };
    let envelope = earlier.envelope.unwrap_or_default();
    // The same content may have come first under another key.
    if envelope.id == name(&envelope.source, &earlier.key, &normalized.content_digest) {
        return Ok(());
    }
    Err(Fault::new(&code::LT_JNL_001).param("key", &request.key).param("first", envelope.id))
}

async fn acceptance(
    gateway: &Gateway,
    (application, key, born): (&Application, String, Envelope),
    (normalized, native, attachments): (Normalized, Whole, Vec<Attachment>),
    (submitted_us, took_us): (i64, u64),
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
        ..born
    };
    let fact = |step: Step| Fact {
        step: step.into(),
        at_us: submitted_us,
        component: gateway.component.clone(),
        ..Fact::default()
    };
    let submitted = Fact { detail: key.clone(), ..fact(Step::Submitted) };
    let read = Fact {
        at_us: gateway.clock.now_us(),
        format: normalized.format.clone(),
        format_version: normalized.format_version,
        format_hash: normalized.format_hash.clone(),
        duration_us: took_us,
        findings: normalized.findings,
        ..fact(Step::Normalized)
    };
    let body = placed(gateway, normalized.canonical).await?;
    Ok(Acceptance {
        message: Some(Sealed { envelope: Some(envelope), body: Some(body) }),
        key,
        content_digest: normalized.content_digest,
        native_sha256: Bytes::copy_from_slice(&native.sha256),
        native: Some(placed(gateway, native.bytes).await?),
        attachments,
        index: normalized.index,
        facts: vec![submitted, read],
    })
}

/// The derived name of a submitted item: the same item always has the same one.
fn name(application: &str, key: &str, digest: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut words = format!("{application}\n{key}\n").into_bytes();
    let halves = digest.iter().flat_map(|it| [it >> 4, it & 15]);
    words.extend(halves.map(|it| DIGITS[usize::from(it)]));
    Uuid::new_v5(&SUBMITTED, &words).to_string()
}

async fn accept(gateway: &Gateway, acceptance: Acceptance, room: Room) -> Result<Receipt, Fault> {
    let message = acceptance.message.clone();
    let outcome = gateway.accept(acceptance, room.clone()).await?;
    match outcome.outcome {
        Some(Outcome::Receipt(receipt)) => {
            if let Some(message) = message.filter(|_| !receipt.repeat) {
                on_its_way(gateway, message, &receipt, room);
            }
            Ok(receipt)
        }
        Some(Outcome::Refused(fault)) => Err(fault),
        None => Err(crate::fault::away("journal")),
    }
}

/// Publishes without keeping the sender waiting: whatever is kept back here, the journal drives.
fn on_its_way(gateway: &Gateway, message: Sealed, receipt: &Receipt, room: Room) {
    let Some(mut envelope) = message.envelope else { return };
    envelope.sequence = receipt.sequence;
    envelope.accepted_at_us = receipt.accepted_at_us;
    let Some(message) = sealed(&envelope, message.body) else { return };
    let channel = gateway.bus.intake(&envelope.conversation);
    if !gateway.publishes.leave(((channel, message), room)) {
        tracing::warn!(messaging.message.id = envelope.id, "message waits for the sweeper");
    }
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn the_name_of_an_item_never_changes() {
        assert_eq!(name("a-app", "k1", &[0x0f, 0xa0]), "f15468e8-8948-5af1-ba6c-d2a33963af11");
        assert_ne!(name("a-app", "k1", &[0x0f, 0xa0]), name("a-app", "", &[0x0f, 0xa0]));
    }
}
