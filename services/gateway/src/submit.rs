//! From the door to the receipt: normalise, make the files safe, accept, send on its way.

use std::time::Instant;

use bus::claim::Spool;
use bus::{Body, Message};
use bytes::Bytes;
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
use uuid::Uuid;

use crate::fault::internal;
use crate::gateway::Gateway;
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
    let key = request.key.clone();
    let outcome = attempt(gateway, application, request).await;
    if let Err(fault) = &outcome {
        // What passes by itself comes again; only what was refused is noted.
        if !fault.may_pass() {
            let at_us = gateway.clock.now_us();
            let refusal = Refusal {
                application: application.id.clone(),
                key,
                at_us,
                // The words of the fields may quote content; the code and its values do not.
                fault: Some(Fault { violations: Vec::new(), ..fault.clone() }),
            };
            if !gateway.refusals.leave(refusal) {
                tracing::warn!(code = fault.code, "refusal was not recorded");
            }
        }
    }
    outcome
}

async fn attempt(
    gateway: &Gateway,
    application: &Application,
    request: SubmitRequest,
) -> Result<SubmitResponse, Fault> {
    let begun = Instant::now();
    let submitted_us = gateway.clock.now_us();
    check(gateway, &request)?;
    let (native, body_part) = native(gateway, application, &request).await?;
    let item = item(gateway, application, &request, &native).await?;
    let (normalized, mut blobs) = gateway.normalize(Native { item, bytes: native.clone() }).await?;
    let mut used: Vec<String> = body_part.into_iter().collect();
    let attachments =
        safe(gateway, application, &request, (&normalized, &mut blobs, &mut used)).await?;
    let findings = normalized.findings.clone();
    let acceptance = acceptance(
        gateway,
        (application, &request),
        (normalized, native, attachments),
        (submitted_us, u64::try_from(begun.elapsed().as_micros()).unwrap_or_default()),
    )
    .await?;
    let receipt = accept(gateway, acceptance).await?;
    gateway.parts.forget(&application.id, used.iter().map(String::as_str)).await;
    Ok(SubmitResponse { receipt: Some(receipt), findings })
}

fn check(gateway: &Gateway, request: &SubmitRequest) -> Result<(), Fault> {
    if request.key.len() > 200 {
        return Err(field("key", "dài nhất 200 byte", "at most 200 bytes"));
    }
    if request.format.is_empty() {
        return Err(field("format", "cần tên định dạng hoặc auto", "must be a format's name or auto"));
    }
    if request.attachments.len() > gateway.config.attachments_max {
        let most = gateway.config.attachments_max.to_string();
        return Err(Fault::new(&code::LT_GW_002).param("most", most));
    }
    Ok(())
}

async fn native(
    gateway: &Gateway,
    application: &Application,
    request: &SubmitRequest,
) -> Result<(Bytes, Option<String>), Fault> {
    let most = gateway.config.body_bytes_max;
    let too_large = |size: u64| {
        Fault::new(&code::LT_GW_001).param("size", size.to_string()).param("most", most.to_string())
    };
    match &request.body {
        Some(Given::Inline(bytes)) if bytes.len() as u64 > most => {
            Err(too_large(bytes.len() as u64))
        }
        Some(Given::Inline(bytes)) => Ok((bytes.clone(), None)),
        Some(Given::Part(part)) => {
            let claim = gateway.parts.claim(&application.id, part).await?;
            if claim.size > most {
                return Err(too_large(claim.size));
            }
            Ok((gateway.parts.bytes(&application.id, part).await?, Some(part.clone())))
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

/// Gives every file its name in the store, durably.
async fn safe(
    gateway: &Gateway,
    application: &Application,
    request: &SubmitRequest,
    (normalized, blobs, used): (&Normalized, &mut Vec<Option<Spool>>, &mut Vec<String>),
) -> Result<Vec<Attachment>, Fault> {
    let mut attachments = Vec::with_capacity(normalized.attachments.len());
    for it in &normalized.attachments {
        let attachment = it.attachment.clone().unwrap_or_default();
        if let Some(number) = it.blob {
            let place = usize::try_from(number).unwrap_or(usize::MAX);
            // A file that stands twice in a packet is one file here.
            if let Some(spool) = blobs.get_mut(place).and_then(Option::take) {
                let claim = gateway.claims.keep(spool).await.map_err(|error| internal(&error))?;
                let said = attachment.claim.as_ref().map(|it| it.sha256.as_ref());
                if said != Some(claim.sha256.as_slice()) {
                    return Err(Fault::new(&code::LT_GW_003).param("name", &attachment.file_name));
                }
            }
        } else if let Some(declared) =
            request.attachments.iter().find(|given| given.reference == it.reference)
        {
            gateway.parts.keep(&application.id, &declared.part, &gateway.claims).await?;
            used.push(declared.part.clone());
        } else {
            return Err(Fault::new(&code::LT_GW_003).param("name", &attachment.file_name));
        }
        attachments.push(attachment);
    }
    Ok(attachments)
}

async fn acceptance(
    gateway: &Gateway,
    (application, request): (&Application, &SubmitRequest),
    (normalized, native, attachments): (Normalized, Bytes, Vec<Attachment>),
    (submitted_us, took_us): (i64, u64),
) -> Result<Acceptance, Fault> {
    let here = chassis::trace::current();
    let traceparent = if here.is_empty() { request.traceparent.clone() } else { here };
    let envelope = Envelope {
        id: name(&application.id, &request.key, &normalized.content_digest),
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
        native_sha256: Bytes::copy_from_slice(&Sha256::digest(&native)),
        native: Some(placed(gateway, native).await?),
        attachments,
        index: normalized.index,
        facts: vec![submitted, read],
    })
}

/// The derived name of a submitted item: the same item always has the same one.
fn name(application: &str, key: &str, digest: &[u8]) -> String {
    let hex: String = digest.iter().map(|it| format!("{it:02x}")).collect();
    Uuid::new_v5(&SUBMITTED, format!("{application}\n{key}\n{hex}").as_bytes()).to_string()
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
    let outcome = gateway.accepts.call(acceptance).await.map_err(|_| overloaded())??;
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

/// Too much at once; what was accepted is safe.
pub(crate) fn overloaded() -> Fault {
    Fault::new(&code::LT_GW_004).retry_after(std::time::Duration::from_secs(1))
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
