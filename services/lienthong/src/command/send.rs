//! `send`: a file and what goes with it, handed to the bus.

use std::fs;

use anyhow::Context as _;
use sdk::{Connection, File, Item, SubmitError};
use serde_json::json;

use crate::cli::Send;
use crate::screen::{Ending, Screen};
use crate::view;

/// Sends a file and prints its receipt.
pub(crate) async fn run(screen: Screen, arguments: Send) -> anyhow::Result<Ending> {
    let unreadable = |path: &std::path::Path| format!("{} cannot be read", path.display());
    fs::File::open(&arguments.file).with_context(|| unreadable(&arguments.file))?;
    let name = |path: &std::path::Path| {
        path.file_name().map_or_else(String::new, |it| it.to_string_lossy().into_owned())
    };
    let mut files = Vec::new();
    for path in &arguments.attachments {
        fs::File::open(path).with_context(|| unreadable(path))?;
        let name = name(path);
        let media_type = String::new();
        files.push(File {
            reference: name.clone(),
            name,
            media_type,
            content: path.clone().into(),
        });
    }
    let item = Item {
        key: arguments.key.unwrap_or_else(|| name(&arguments.file)),
        format: arguments.format,
        body: arguments.file.into(),
        files,
        recipients: arguments.recipients,
    };
    let token = chassis::secret::read(&arguments.token_file)?;
    let connection = Connection { gateway: arguments.gateway, token: token.reveal().to_owned() };
    match connection.outlet()?.submit(&item).await {
        Ok(receipt) => {
            show(screen, &receipt);
            Ok(Ending::Done)
        }
        Err(SubmitError::Refused(fault)) => Ok(screen.fault(&fault)),
        Err(error) => {
            screen.error(&error.into());
            Ok(Ending::Unreachable)
        }
    }
}

fn show(screen: Screen, receipt: &proto::journal::v1::Receipt) {
    if screen.json {
        screen.value(&json!({
            "message_id": receipt.message_id,
            "conversation": receipt.conversation,
            "accepted_at": view::rfc3339(receipt.accepted_at_us),
            "sequence": receipt.sequence,
            "repeat": receipt.repeat,
            "recipients": receipt.recipients,
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
    screen.note(&format!("lienthong trace {}", receipt.message_id));
}
