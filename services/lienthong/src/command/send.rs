//! `send`: a file and what goes with it, handed to the bus.

use std::fs;
use std::path::Path;

use proto::fault::v1::Fault;
use sdk::{Connection, File, Item, SubmitError};
use serde_json::{Value, json};

use crate::cli::Send;
use crate::fault;
use crate::screen::{Ending, Screen};
use crate::view;

/// Sends a file and prints its receipt.
pub(crate) async fn run(screen: Screen, arguments: Send) -> anyhow::Result<Ending> {
    let mut size = length(&arguments.file)?;
    let mut files = Vec::new();
    for path in &arguments.attachments {
        size += length(path)?;
        let name =
            path.file_name().map_or_else(String::new, |it| it.to_string_lossy().into_owned());
        let content = path.clone().into();
        files.push(File { reference: name.clone(), name, media_type: String::new(), content });
    }
    let item = Item {
        // Without a key of the application's the content itself tells a repeat.
        key: arguments.key.unwrap_or_default(),
        format: arguments.format,
        body: arguments.file.into(),
        files,
        recipients: arguments.recipients,
    };
    let token = chassis::secret::read(&arguments.token_file)?;
    let connection = Connection { gateway: arguments.gateway, token: token.reveal().to_owned() };
    let words = format!("{} {}", screen.say("Đang gửi", "Sending"), view::bytes(size));
    let outlet = connection.outlet()?;
    match screen.wait(&words, outlet.submit(&item)).await {
        Ok(receipt) => {
            show(screen, &receipt);
            Ok(Ending::Done)
        }
        Err(SubmitError::Refused(fault) | SubmitError::NotAdmitted(fault)) => {
            Ok(screen.fault(&fault))
        }
        Err(SubmitError::Unavailable(status)) => {
            Ok(screen.fault(&fault::answered(&status, "gateway")))
        }
        Err(error @ SubmitError::Unreadable(_)) => Err(error.into()),
    }
}

/// The size of a file that can be read.
fn length(path: &Path) -> Result<u64, Fault> {
    let open = fs::File::open(path).and_then(|it| it.metadata());
    match open {
        Ok(it) if it.is_file() => Ok(it.len()),
        Ok(_folder) => Err(fault::unreadable(path, &std::io::ErrorKind::IsADirectory.into())),
        Err(error) => Err(fault::unreadable(path, &error)),
    }
}

fn show(screen: Screen, receipt: &proto::message::v1::Receipt) {
    if screen.json {
        screen.value(&json!({
            "message_id": receipt.message_id,
            "conversation": receipt.conversation,
            "accepted_at": view::rfc3339(receipt.accepted_at_us),
            "sequence": receipt.sequence,
            "repeat": receipt.repeat,
            "recipients": receipt.recipients,
            "type": receipt.r#type().as_str(),
            "native_sha256": view::hex(&receipt.native_sha256),
            "attachments": receipt.attachments.iter().map(attachment).collect::<Vec<_>>(),
        }));
        return;
    }
    screen.line(if receipt.repeat {
        screen.say(
            "Nội dung này đã được nhận trước đó; biên nhận lần đầu:",
            "This content was here already; the first receipt:",
        )
    } else {
        screen.say("Đã gửi. Biên nhận:", "Sent. Receipt:")
    });
    screen.line(&format!("  {}  {}", receipt.message_id, view::local(receipt.accepted_at_us)));
    screen.line(&format!("  → {}", receipt.recipients.join(", ")));
    screen.line(&format!("  sha256 {}", view::hex(&receipt.native_sha256)));
    for it in &receipt.attachments {
        let claim = it.claim.clone().unwrap_or_default();
        screen.line(&format!("  sha256 {}  {}", view::hex(&claim.sha256), it.file_name));
    }
    screen.note(&format!("lienthong trace {}", receipt.message_id));
}

fn attachment(of: &proto::message::v1::Attachment) -> Value {
    let claim = of.claim.clone().unwrap_or_default();
    json!({
        "id": of.id,
        "file_name": of.file_name,
        "media_type": of.media_type,
        "sha256": view::hex(&claim.sha256),
        "size": claim.size,
    })
}
