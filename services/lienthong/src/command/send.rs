//! `send`: submits a file with its attachments.

use std::fs;
use std::path::Path;

use proto::exchange::v1::SubmitResponse;
use proto::exchange::v1::submitted_record::Outcome as RecordOutcome;
use proto::fault::v1::Fault;
use proto::message::v1::{Attachment, Receipt};
use sdk::{File, Item, SubmitError};
use serde_json::{Value, json};

use crate::cli::Send;
use crate::client_settings::ClientSettings;
use crate::exit_status::ExitStatus;
use crate::fault::{fault_from_status, unreadable_path};
use crate::journal_access::connect_gateway;
use crate::labels::state_label;
use crate::output::Output;
use crate::text_format::{byte_count, local_time, rfc3339};

/// Submits a file and prints its receipt.
pub(crate) async fn run(
    output: Output,
    client: &ClientSettings,
    arguments: Send,
) -> anyhow::Result<ExitStatus> {
    let mut size = file_size(&arguments.file)?;
    let mut files = Vec::new();
    for path in &arguments.attachments {
        size += file_size(path)?;
        let name =
            path.file_name().map_or_else(String::new, |it| it.to_string_lossy().into_owned());
        let content = path.clone().into();
        files.push(File { reference: name.clone(), name, media_type: String::new(), content });
    }
    let item = Item {
        // Without a key, a repeat is recognised by its content.
        key: arguments.key.unwrap_or_default(),
        format: arguments.format,
        body: arguments.file.into(),
        files,
        recipients: arguments.recipients,
    };
    let progress = format!("{} {}", output.localize("Đang gửi", "Sending"), byte_count(size));
    let submit_handle = connect_gateway(client).await?.submit_handle()?;
    match output.wait_with_progress(&progress, submit_handle.submit_item(&item)).await {
        Ok(response) => {
            print_response(output, &response);
            Ok(ExitStatus::Done)
        }
        Err(SubmitError::Refused(fault) | SubmitError::NotAdmitted(fault)) => {
            Ok(output.print_fault(&fault))
        }
        Err(SubmitError::Unavailable(status)) => {
            Ok(output.print_fault(&fault_from_status(&status, "gateway")))
        }
        Err(error @ SubmitError::Unreadable(_)) => Err(error.into()),
    }
}

/// The size of a file, which must be readable.
fn file_size(path: &Path) -> Result<u64, Fault> {
    let metadata = fs::File::open(path).and_then(|it| it.metadata());
    match metadata {
        Ok(it) if it.is_file() => Ok(it.len()),
        Ok(_folder) => Err(unreadable_path(path, &std::io::ErrorKind::IsADirectory.into())),
        Err(error) => Err(unreadable_path(path, &error)),
    }
}

/// Prints the receipt, the findings, and of a repeat how the first message stands.
fn print_response(output: Output, response: &SubmitResponse) {
    let receipt = response.receipt.clone().unwrap_or_default();
    if output.json {
        output.print_json(&response_json(&receipt, response));
        return;
    }
    output.print_line(match (receipt.repeat, receipt.copy_of.is_empty()) {
        (true, _) => output.localize(
            "Nội dung này đã được nhận trước đó; biên nhận lần đầu:",
            "This content was here already; the first receipt:",
        ),
        (false, true) => output.localize("Đã gửi. Biên nhận:", "Sent. Receipt:"),
        (false, false) => output.localize(
            "Lần trước không đến nơi nào; đã gửi lại. Biên nhận:",
            "It arrived nowhere before and was sent again. Receipt:",
        ),
    });
    output.print_line(&format!("  {}  {}", receipt.message_id, local_time(receipt.accepted_at_us)));
    output.print_line(&format!("  → {}", receipt.recipients.join(", ")));
    output.print_line(&format!("  sha256 {}", hex::encode(&receipt.native_sha256)));
    for it in &receipt.attachments {
        let claim = it.claim.clone().unwrap_or_default();
        output.print_line(&format!("  sha256 {}  {}", hex::encode(&claim.sha256), it.file_name));
    }
    for it in &response.recipients {
        let state = state_label(output.lang, it.state());
        let detail = if it.detail.is_empty() { String::new() } else { format!(" ({})", it.detail) };
        output.print_line(&format!(
            "  {} ({}): {state}{detail}",
            it.organisation_name, it.organisation
        ));
    }
    for it in &response.findings {
        let text = output.localize(&it.text_vi, &it.text_en);
        let field = if it.field.is_empty() { String::new() } else { format!(" {}", it.field) };
        output.print_line(&format!("  ! {}{field}: {text}", it.code));
    }
    for (place, id) in record_ids(response) {
        output.print_line(&format!("  {place} → {id}"));
    }
    output.print_note(&format!("lienthong trace {}", receipt.message_id));
}

/// Of a body of several records: where each accepted one stands, and the id of its message. The
/// findings name the others.
fn record_ids(response: &SubmitResponse) -> impl Iterator<Item = (&str, &str)> {
    response.records.iter().filter_map(|it| match it.outcome.as_ref()? {
        RecordOutcome::Submitted(accepted) => {
            Some((it.place.as_str(), accepted.receipt.as_ref()?.message_id.as_str()))
        }
        RecordOutcome::Refused(_) => None,
    })
}

fn response_json(receipt: &Receipt, response: &SubmitResponse) -> Value {
    json!({
        "message_id": receipt.message_id,
        "conversation": receipt.conversation,
        "accepted_at": rfc3339(receipt.accepted_at_us),
        "sequence": receipt.sequence,
        "repeat": receipt.repeat,
        "copy_of": receipt.copy_of,
        "recipients": receipt.recipients,
        "type": receipt.r#type().as_str(),
        "native_sha256": hex::encode(&receipt.native_sha256),
        "attachments": receipt.attachments.iter().map(attachment_json).collect::<Vec<_>>(),
        "states": response.recipients.iter().map(|it| json!({
            "organisation": it.organisation,
            "name": it.organisation_name,
            "application": it.application,
            "state": it.state().as_str_name().to_ascii_lowercase(),
            "changed_at": rfc3339(it.changed_at_us),
            "detail": it.detail,
        })).collect::<Vec<_>>(),
        "records": record_ids(response)
            .map(|(place, id)| json!({ "place": place, "message_id": id }))
            .collect::<Vec<_>>(),
        "findings": response.findings.iter().map(|it| json!({
            "code": it.code,
            "field": it.field,
            "text_vi": it.text_vi,
            "text_en": it.text_en,
        })).collect::<Vec<_>>(),
    })
}

fn attachment_json(of: &Attachment) -> Value {
    let claim = of.claim.clone().unwrap_or_default();
    json!({
        "id": of.id,
        "file_name": of.file_name,
        "media_type": of.media_type,
        "sha256": hex::encode(&claim.sha256),
        "size": claim.size,
    })
}
