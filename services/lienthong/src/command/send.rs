//! `send`: submits a file with its attachments.

use std::fs;
use std::path::Path;

use proto::fault::v1::Fault;
use sdk::{File, Item, SubmitError};
use serde_json::{Value, json};

use crate::cli::Send;
use crate::client_settings::ClientSettings;
use crate::exit_status::ExitStatus;
use crate::fault::{fault_from_status, unreadable_path};
use crate::journal_access::connect_gateway;
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
    match output.wait_with_progress(&progress, submit_handle.submit(&item)).await {
        Ok(receipt) => {
            print_receipt(output, &receipt);
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

fn print_receipt(output: Output, receipt: &proto::message::v1::Receipt) {
    if output.json {
        output.print_json(&json!({
            "message_id": receipt.message_id,
            "conversation": receipt.conversation,
            "accepted_at": rfc3339(receipt.accepted_at_us),
            "sequence": receipt.sequence,
            "repeat": receipt.repeat,
            "recipients": receipt.recipients,
            "type": receipt.r#type().as_str(),
            "native_sha256": hex::encode(&receipt.native_sha256),
            "attachments": receipt.attachments.iter().map(attachment_json).collect::<Vec<_>>(),
        }));
        return;
    }
    output.print_line(if receipt.repeat {
        output.localize(
            "Nội dung này đã được nhận trước đó; biên nhận lần đầu:",
            "This content was here already; the first receipt:",
        )
    } else {
        output.localize("Đã gửi. Biên nhận:", "Sent. Receipt:")
    });
    output.print_line(&format!("  {}  {}", receipt.message_id, local_time(receipt.accepted_at_us)));
    output.print_line(&format!("  → {}", receipt.recipients.join(", ")));
    output.print_line(&format!("  sha256 {}", hex::encode(&receipt.native_sha256)));
    for it in &receipt.attachments {
        let claim = it.claim.clone().unwrap_or_default();
        output.print_line(&format!("  sha256 {}  {}", hex::encode(&claim.sha256), it.file_name));
    }
    output.print_note(&format!("lienthong trace {}", receipt.message_id));
}

fn attachment_json(of: &proto::message::v1::Attachment) -> Value {
    let claim = of.claim.clone().unwrap_or_default();
    json!({
        "id": of.id,
        "file_name": of.file_name,
        "media_type": of.media_type,
        "sha256": hex::encode(&claim.sha256),
        "size": claim.size,
    })
}
