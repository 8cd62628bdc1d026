//! From the door to the receipt: normalise, make the files safe, accept, send on its way.

use std::time::Instant;

use bus::claim::Spool;
use bus::{Body, Message};
use bytes::Bytes;
use chassis::trace::{self, About, Operation};
use proto::exchange::v1::submit_request::Body as Given;
use proto::exchange::v1::{SubmitRequest, SubmitResponse};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::{
    Acceptance, Attachment, Body as StoredBody, Claim, Envelope, Fact, Message as Sealed, Receipt,
    Refusal, Step, body::Place,
};
use proto::mapping::v1::{DeclaredAttachment, NormalizeItem, Normalized};
use proto::registry::v1::Application;
use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use crate::fault::internal;
use crate::gateway::{Gateway, UNIT, overloaded};
use crate::hello::CHUNK;
use crate::normalize::Native;
use crate::parts::field;

/// Names of submitted messages are derived in this space.
const SUBMITTED: Uuid = Uuid::from_u128(0x6c69_656e_7468_6f6e_675f_7375_626d_6974);

/// Takes an item over, or says why not. A refusal leaves nothing but its code.
pub(crate) async fn submit(
    gateway: &Gateway,
    application: &Application,
    request: SubmitRequest,
) -> Result<SubmitResponse, Fault> {
    let _busy = gateway.busy.token();
    let key = request.key.clone();
    let uploads = uploads(&request);
    let begun = Instant::now();
    let outcome = attempt(gateway, application, request).await;
    let word = match &outcome {
        Ok(answer) if answer.receipt.as_ref().is_some_and(|it| it.repeat) => "repeat",
        Ok(_) => "accepted",
        Err(fault) => &fault.code,
    };
    gateway.metrics.submit(word, begun.elapsed());
    match &outcome {
        // What passes by itself comes again with the same uploads, and so does a call that is to
        // be put right by uploading more.
        Err(fault) if fault.may_pass() => return outcome,
        Err(fault) => {
            refused(gateway, application, key, fault);
            if fault.code.starts_with("LT-EX-") {
                return outcome;
            }
        }
        Ok(_) => {}
    }
    gateway.parts.forget(&application.id, &uploads).await;
    outcome
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
fn refused(gateway: &Gateway, application: &Application, key: String, fault: &Fault) {
    let refusal = Refusal {
        application: application.id.clone(),
        key,
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
    request: SubmitRequest,
) -> Result<SubmitResponse, Fault> {
    let begun = Instant::now();
    let submitted_us = gateway.clock.now_us();
    check(gateway, &request)?;
    let _place = gateway.registered.now().place(&application.id).ok_or_else(overloaded)?;
    let native = native(gateway, application, &request).await?;
    let item = item(gateway, application, &request, &native.bytes).await?;
    let reading = Native { item, bytes: native.bytes.clone() };
    let (normalized, blobs) = gateway.normalize(reading).await?;
    let attachments = safe(gateway, application, &request, (&normalized, blobs)).await?;
    let findings = normalized.findings.clone();
    let acceptance = acceptance(
        gateway,
        (application, &request),
        (normalized, native, attachments),
        (submitted_us, u64::try_from(begun.elapsed().as_micros()).unwrap_or_default()),
    )
    .await?;
    let receipt = accept(gateway, acceptance).await?;
    Ok(SubmitResponse { receipt: Some(receipt), findings })
}

fn check(gateway: &Gateway, request: &SubmitRequest) -> Result<(), Fault> {
    if request.key.len() > 200 {
        return Err(field("key", "dài nhất 200 byte", "at most 200 bytes"));
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
        return Err(Fault::new(&code::LT_GW_002).param("most", most));
    }
    Ok(())
}

/// The bytes as given, with their place in memory.
struct Whole {
    bytes: Bytes,
    sha256: [u8; 32],
    _room: OwnedSemaphorePermit,
}

async fn native(
    gateway: &Gateway,
    application: &Application,
    request: &SubmitRequest,
) -> Result<Whole, Fault> {
    let most = gateway.config.body_bytes_max;
    let room = |size: u64| {
        if size > most {
            let fault = Fault::new(&code::LT_GW_001).param("size", size.to_string());
            return Err(fault.param("most", most.to_string()));
        }
        let units = u32::try_from(size / UNIT + 1).unwrap_or(u32::MAX);
        gateway.room.clone().try_acquire_many_owned(units).map_err(|_full| overloaded())
    };
    match &request.body {
        Some(Given::Inline(bytes)) if bytes.len() > CHUNK as usize => Err(field(
            "inline",
            "nội dung quá 1 MiB phải tải lên bằng PutPart",
            "a body above 1 MiB is uploaded with PutPart",
        )),
        Some(Given::Inline(bytes)) => {
            let room = room(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
            let sha256 = Sha256::digest(bytes).into();
            Ok(Whole { bytes: bytes.clone(), sha256, _room: room })
        }
        Some(Given::Part(part)) => {
            let claim = gateway.parts.claim(&application.id, part).await?;
            let room = room(claim.size)?;
            let bytes = gateway.parts.bytes(&application.id, part).await?;
            Ok(Whole { bytes, sha256: claim.sha256, _room: room })
        }
        None => Err(field("body", "thiếu nội dung", "the body is missing")),
    }
}

async fn item(
    gateway: &Gateway,
    application: &Application,
    request: &SubmitRequest,
    native: &Bytes,
) -> Result<NormalizeItem, Fault> {
    let mut attachments = Vec::with_capacity(request.attachments.len());
    for it in &request.attachments {
        let claim = gateway.parts.claim(&application.id, &it.part).await?;
        attachments.push(DeclaredAttachment {
            reference: it.reference.clone(),
            file_name: it.file_name.clone(),
            media_type: it.media_type.clone(),
            claim: Some(stored(&claim)),
        });
    }
    Ok(NormalizeItem {
        source: application.id.clone(),
        sender: application.organisation.clone(),
        format: request.format.clone(),
        native_size: native.len() as u64,
        attachments,
        recipients: request.recipients.clone(),
    })
}

/// Gives every file its name in the store, durably; none before all of them are as was said.
async fn safe(
    gateway: &Gateway,
    application: &Application,
    request: &SubmitRequest,
    (normalized, mut blobs): (&Normalized, Vec<Option<Spool>>),
) -> Result<Vec<Attachment>, Fault> {
    let mut spools = Vec::new();
    let mut uploads = Vec::new();
    let mut attachments = Vec::with_capacity(normalized.attachments.len());
    for it in &normalized.attachments {
        let attachment = it.attachment.clone().unwrap_or_default();
        let other = || Fault::new(&code::LT_GW_003).param("name", &attachment.file_name);
        if let Some(number) = it.blob {
            let place = usize::try_from(number).unwrap_or(usize::MAX);
            // A file that stands twice in a packet is one file here.
            let Some(mut spool) = blobs.get_mut(place).and_then(Option::take) else {
                attachments.push(attachment);
                continue;
            };
            let is_same = holds(&mut spool, attachment.claim.as_ref()).await?;
            spools.push(is_same.then_some(spool).ok_or_else(other)?);
        } else {
            let mut given = request.attachments.iter();
            let declared = given.find(|given| given.reference == it.reference).ok_or_else(other)?;
            uploads.push(declared.part.as_str());
        }
        attachments.push(attachment);
    }
    for spool in spools {
        gateway.claims.keep(spool).await.map_err(|error| internal(&error))?;
    }
    for part in uploads {
        gateway.parts.keep(&application.id, part, &gateway.claims).await?;
    }
    Ok(attachments)
}

/// True when the spool holds what was said.
async fn holds(spool: &mut Spool, said: Option<&Claim>) -> Result<bool, Fault> {
    let claim = spool.claim().await.map_err(|error| internal(&error))?;
    Ok(said.and_then(opened) == Some(claim))
}

async fn acceptance(
    gateway: &Gateway,
    (application, request): (&Application, &SubmitRequest),
    (normalized, native, attachments): (Normalized, Whole, Vec<Attachment>),
    (submitted_us, took_us): (i64, u64),
) -> Result<Acceptance, Fault> {
    let id = name(&application.id, &request.key, &normalized.content_digest);
    let traceparent = traced(&id, &normalized.conversation, &request.traceparent);
    let envelope = Envelope {
        id,
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
        traceparent,
        ..Envelope::default()
    };
    let fact = |step: Step| Fact {
        step: step.into(),
        at_us: submitted_us,
        component: gateway.component.clone(),
        ..Fact::default()
    };
    let submitted = Fact { detail: request.key.clone(), ..fact(Step::Submitted) };
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
        key: request.key.clone(),
        content_digest: normalized.content_digest,
        native_sha256: Bytes::copy_from_slice(&native.sha256),
        native: Some(placed(gateway, native.bytes).await?),
        attachments,
        index: normalized.index,
        facts: vec![submitted, read],
    })
}

/// The trace a message is born into: the call's, or another one that the sender named.
fn traced(message_id: &str, conversation: &str, named: &str) -> String {
    let here = trace::current();
    let is_other = trace::trace_id(named).is_some_and(|it| Some(it) != trace::trace_id(&here));
    let parent = if here.is_empty() || is_other { named } else { &here };
    let about = About { destination: "intake", message_id, conversation, traceparent: parent };
    let born = trace::traceparent(&trace::message_span(Operation::Create, about));
    if born.is_empty() { parent.to_owned() } else { born }
}

/// The derived name of a submitted item: the same item always has the same one.
fn name(application: &str, key: &str, digest: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut words = format!("{application}\n{key}\n").into_bytes();
    let halves = digest.iter().flat_map(|it| [it >> 4, it & 15]);
    words.extend(halves.map(|it| DIGITS[usize::from(it)]));
    Uuid::new_v5(&SUBMITTED, &words).to_string()
}

async fn placed(gateway: &Gateway, bytes: Bytes) -> Result<StoredBody, Fault> {
    if bytes.len() <= bus::INLINE_BYTES_MAX {
        return Ok(StoredBody { place: Some(Place::Inline(bytes)) });
    }
    let claim = gateway.claims.put(bytes).await.map_err(|error| internal(&error))?;
    Ok(StoredBody { place: Some(Place::Claim(stored(&claim))) })
}

/// A claim as contracts write it.
pub(crate) fn stored(claim: &bus::Claim) -> Claim {
    Claim { sha256: Bytes::copy_from_slice(&claim.sha256), size: claim.size }
}

/// A claim as the bus writes it.
pub(crate) fn opened(claim: &Claim) -> Option<bus::Claim> {
    Some(bus::Claim { sha256: claim.sha256.as_ref().try_into().ok()?, size: claim.size })
}

async fn accept(gateway: &Gateway, acceptance: Acceptance) -> Result<Receipt, Fault> {
    let message = acceptance.message.clone();
    let outcome = gateway.accept(acceptance).await?;
    match outcome.outcome {
        Some(Outcome::Receipt(receipt)) => {
            if let Some(message) = message.filter(|_| !receipt.repeat) {
                on_its_way(gateway, message, &receipt);
            }
            Ok(receipt)
        }
        Some(Outcome::Refused(fault)) => Err(fault),
        None => Err(crate::fault::away("journal")),
    }
}

/// Publishes without keeping the sender waiting: whatever is kept back here, the journal drives.
fn on_its_way(gateway: &Gateway, message: Sealed, receipt: &Receipt) {
    let Some(mut envelope) = message.envelope else { return };
    envelope.sequence = receipt.sequence;
    envelope.accepted_at_us = receipt.accepted_at_us;
    let Some(message) = sealed(&envelope, message.body) else { return };
    let channel = gateway.bus.intake(&envelope.conversation);
    if !gateway.publishes.leave((channel, message)) {
        tracing::warn!(messaging.message.id = envelope.id, "message waits for the sweeper");
    }
}

fn sealed(envelope: &Envelope, body: Option<StoredBody>) -> Option<Message> {
    let body = match body?.place? {
        Place::Inline(bytes) => Body::Inline(bytes),
        Place::Claim(claim) => Body::Claim(opened(&claim)?),
    };
    Some(Message {
        id: envelope.id.parse().ok()?,
        conversation: envelope.conversation.clone(),
        attributes: envelope.attributes(),
        body,
    })
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
