//! `format read`, `write` and `try`: native bytes to the canonical model and back.

use std::path::Path;

use chassis::Clock;
use formats::{DecodedMessage, DecodedRecord, EncodeContext, Format, FormatRegistry};
use proto::canonical::v1::{Canonical, canonical::Body};
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::{Finding, Loss};
use serde_json::{Value, json};

use crate::command::format::attachments::AttachmentFolder;
use crate::command::format::input_file::load;
use crate::command::format::losses::{loss_json, print_losses};
use crate::exit_status::ExitStatus;
use crate::fault::{fault_json, unwritable_path};
use crate::output::Output;

/// The format of canonical JSON.
const CANONICAL_JSON: &str = "canonical.json";

/// Hops and times that a format adds are those of the command.
fn written_now() -> EncodeContext {
    EncodeContext { now_us: Clock::System.now_us(), ..EncodeContext::default() }
}

/// Reads a file in the format of this name, or for `auto` in the one it has: an outcome for each
/// record. A file whose only record is refused is refused itself.
pub(super) fn read_native(
    (output, formats): (Output, &FormatRegistry),
    format: &str,
    file: &Path,
    attachments: &mut AttachmentFolder,
) -> Result<Vec<DecodedRecord>, Fault> {
    let native = load(output, file)?;
    let format = formats.choose(format, &native)?;
    let declared = attachments.collect_beside(file, format, &native);
    let declared = declared.map_err(|error| unwritable_path(file, &error))?;
    let redacted = |fault| mapping::redact_decode_fault(&native, fault);
    let mut records = format.decode_records(&native, &declared, attachments).map_err(redacted)?;
    if let [DecodedRecord { outcome: Err(fault), .. }] = &records[..] {
        return Err(redacted(fault.clone()));
    }
    for it in &mut records {
        it.outcome = it.outcome.clone().map_err(redacted);
    }
    Ok(records)
}

/// The records that are messages.
fn messages_of(records: &[DecodedRecord]) -> Vec<&DecodedMessage> {
    records.iter().filter_map(|it| it.outcome.as_ref().ok()).collect()
}

/// The records that are refused by themselves, with their faults.
fn refused_of(records: &[DecodedRecord]) -> impl Iterator<Item = (&str, &Fault)> {
    records.iter().filter_map(|it| Some((it.place.as_str(), it.outcome.as_ref().err()?)))
}

/// The records that are refused, as JSON.
fn refused_json(records: &[DecodedRecord]) -> Vec<Value> {
    refused_of(records)
        .map(|(place, it)| json!({"place": place, "fault": fault_json(it)}))
        .collect()
}

/// Prints the records that are refused; the first of their codes decides how the command ends.
fn print_refused(output: Output, records: &[DecodedRecord]) -> Option<ExitStatus> {
    let mut status = None;
    for (place, fault) in refused_of(records) {
        let words = output.localize("Bản ghi bị từ chối:", "Refused record:");
        output.print_note(&format!("{words} {place}"));
        output.print_fault_text(fault);
        status = status.or(Some(ExitStatus::from_fault(fault)));
    }
    status
}

/// Prints messages as canonical JSON, with what was odd about them, and the records that are refused.
pub(super) fn print_canonical(
    output: Output,
    formats: &FormatRegistry,
    (records, attachments): (&[DecodedRecord], &AttachmentFolder),
) -> anyhow::Result<ExitStatus> {
    let messages = &messages_of(records)[..];
    let refusal = find_refusal(formats, messages);
    if output.json {
        let values: Result<Vec<Value>, _> = messages
            .iter()
            .map(|it| anyhow::Ok(serde_json::from_slice(&canonical_json(formats, it)?)?))
            .collect();
        let attachments: Vec<_> = attachments
            .sizes()
            .iter()
            .map(|(sha256, size)| json!({ "sha256": sha256, "size": size }))
            .collect();
        output.print_json(&json!({
            "messages": values?,
            "findings": findings_json(messages),
            "attachments": attachments,
            "refused": refused_json(records),
            "refusal": refusal.as_ref().map(fault_json),
        }));
        return Ok(exit_status(refusal.as_ref(), records));
    }
    for it in messages {
        output.print_bytes(&canonical_json(formats, it)?);
        output.print_line("");
        for finding in &it.findings {
            let text = output.localize(&finding.text_vi, &finding.text_en);
            output.print_note(&format!("{} {}: {text}", finding.code, finding.field));
        }
    }
    let refused = print_refused(output, records);
    Ok(print_refusal(output, refusal.as_ref()).or(refused).unwrap_or(ExitStatus::Done))
}

/// What the secrecy gate of a running system would answer to the first message that it refuses.
fn find_refusal(formats: &FormatRegistry, messages: &[&DecodedMessage]) -> Option<Fault> {
    messages.iter().find_map(|it| {
        let origin = it.canonical.origin.as_ref();
        let format = origin.and_then(|it| formats.get(&it.format));
        let native_path =
            |path: &str| format.map_or_else(|| path.to_owned(), |it| it.native_path(path));
        mapping::secrecy_refusal(&it.canonical, native_path)
    })
}

fn exit_status(refusal: Option<&Fault>, records: &[DecodedRecord]) -> ExitStatus {
    let fault = refusal.or_else(|| refused_of(records).next().map(|(_, fault)| fault));
    fault.map_or(ExitStatus::Done, ExitStatus::from_fault)
}

/// Prints that a running system would refuse the message.
fn print_refusal(output: Output, refusal: Option<&Fault>) -> Option<ExitStatus> {
    let fault = refusal?;
    output.print_note(output.localize(
        "Trục liên thông sẽ từ chối văn bản này:",
        "A running system would refuse this message:",
    ));
    output.print_fault_text(fault);
    Some(ExitStatus::from_fault(fault))
}

/// Prints canonical JSON in another format, with its losses.
pub(super) fn print_native(
    (output, formats): (Output, &FormatRegistry),
    format: &str,
    canonical_json: &[u8],
    attachments: &AttachmentFolder,
) -> Result<(), Fault> {
    let declared = declared_attachments(canonical_json);
    let mut messages = formats.choose(CANONICAL_JSON, &[])?.decode(
        canonical_json,
        &declared,
        &mut AttachmentFolder::default(),
    )?;
    let message = Canonical { origin: None, ..messages.remove(0).canonical };
    let format = formats.choose(format, &[])?;
    let mut native = Vec::new();
    let losses = format.encode(&message, written_now(), attachments, &mut native)?;
    if output.json {
        output.print_json(&native_json(&native, &losses));
    } else {
        output.print_bytes(&native);
        print_losses(output, &losses);
    }
    Ok(())
}

/// Prints messages in the target format, with their losses.
pub(super) fn print_translation(
    (output, formats): (Output, &FormatRegistry),
    target: &str,
    (records, attachments): (&[DecodedRecord], &AttachmentFolder),
) -> Result<ExitStatus, Fault> {
    let messages = &messages_of(records)[..];
    let refusal = find_refusal(formats, messages);
    let target = formats.choose(target, &[])?;
    let mut translated = Vec::new();
    for it in messages {
        let message = with_sender(&it.canonical, target);
        let mut native = Vec::new();
        let losses = target.encode(&message, written_now(), attachments, &mut native)?;
        if output.json {
            translated.push(native_json(&native, &losses));
        } else {
            output.print_bytes(&native);
            output.print_line("");
            print_losses(output, &losses);
        }
    }
    if output.json {
        let findings = findings_json(messages);
        output.print_json(&json!({
            "messages": translated,
            "findings": findings,
            "refused": refused_json(records),
            "refusal": refusal.as_ref().map(fault_json),
        }));
        return Ok(exit_status(refusal.as_ref(), records));
    }
    let refused = print_refused(output, records);
    Ok(print_refusal(output, refusal.as_ref()).or(refused).unwrap_or(ExitStatus::Done))
}

/// A message as canonical JSON, without its origin: that is the file the caller has.
fn canonical_json(formats: &FormatRegistry, of: &DecodedMessage) -> Result<Vec<u8>, Fault> {
    let message = Canonical { origin: None, ..of.canonical.clone() };
    let mut json = Vec::new();
    formats.choose(CANONICAL_JSON, &[])?.encode(
        &message,
        EncodeContext::default(),
        &AttachmentFolder::default(),
        &mut json,
    )?;
    Ok(json)
}

/// The findings of all messages, each with the index of its message.
fn findings_json(messages: &[&DecodedMessage]) -> Vec<Value> {
    let finding_json = |message: usize, it: &Finding| {
        json!({
            "message": message, "code": it.code, "field": it.field,
            "text_vi": it.text_vi, "text_en": it.text_en,
        })
    };
    messages
        .iter()
        .enumerate()
        .flat_map(|(index, it)| it.findings.iter().map(move |it| finding_json(index, it)))
        .collect()
}

/// Native bytes with their losses; bytes that are not UTF-8 in Base64.
fn native_json(native: &[u8], losses: &[Loss]) -> Value {
    let (encoding, text) = match std::str::from_utf8(native) {
        Ok(text) => ("utf-8", text.to_owned()),
        Err(_binary) => ("base64", base64_simd::STANDARD.encode_to_string(native)),
    };
    json!({
        "native": text,
        "encoding": encoding,
        "losses": losses.iter().map(loss_json).collect::<Vec<_>>(),
    })
}

/// The attachments that canonical JSON refers to by digest, as `format read` wrote them.
fn declared_attachments(canonical_json: &[u8]) -> Vec<DeclaredAttachment> {
    // Text that is not JSON declares nothing; decoding it fails afterwards and says why.
    let value: Value = serde_json::from_slice(canonical_json).unwrap_or_default();
    let mut declared = Vec::new();
    for body in ["document", "status"] {
        let attachments = value.get(body).and_then(|it| it.get("attachments"));
        for it in attachments.and_then(Value::as_array).into_iter().flatten() {
            let content = it.get("content").cloned().unwrap_or_default();
            let reference =
                content.get("ref").and_then(Value::as_str).unwrap_or_default().to_owned();
            let size = content.get("size").and_then(Value::as_u64).unwrap_or_default();
            let claim = bus::Claim::from_reference(&reference, size);
            declared.extend(claim.map(|claim| DeclaredAttachment {
                reference,
                claim: Some(journal_client::to_journal_claim(&claim)),
                ..DeclaredAttachment::default()
            }));
        }
    }
    declared
}

/// A document with its issuer as the sender, for a target that has a field for the sender and a
/// source that has none. In a running system the gateway names the authenticated organisation.
fn with_sender(message: &Canonical, target: &Format) -> Canonical {
    const SENDER: &str = "sender.ids[0].value";
    let mut message = message.clone();
    if let Some(Body::Document(document)) = &mut message.body
        && target.native_path(SENDER) != SENDER
        && document.sender.as_ref().is_none_or(|it| it.ids.is_empty())
    {
        document.sender.clone_from(&document.issuer);
    }
    message
}
