//! An adapter for an application that exchanges files: documents in the outbox folder are sent, and
//! received messages are placed in the inbox folder.
//!
//! ```text
//! folder/
//!   outbox/cong-van.edxml             a document to send
//!   outbox/cong-van.edxml.files/      its attachments, unless they are embedded in it
//!   sent/cong-van.edxml/              a sent document with receipt.json, and what became of it at
//!                                     its recipients (BI-TU-CHOI *.txt, CHUA-DEN-NOI-NHAN *.txt)
//!   refused/cong-van.edxml/           a refused document with the reason (LY-DO.txt, reason.json)
//!   inbox/<message id>/               a message: document.*, document.*.files/, message.json
//!   .lienthong/                       the adapter's own files
//! ```
//!
//! # How to write a document to the outbox
//!
//! A document is sent once it and its attachments have been unchanged for some seconds
//! (`settle_ms`). For certainty, write the attachments into `<name>.files/` first and the document
//! last, each under a name that ends in `.tmp`, `.part` or `.partial`, and rename each when it is
//! complete: such files are ignored, and a document waits while its folder of attachments has one.
//!
//! # Guarantees
//!
//! - A document that cannot be read stays in the outbox, is logged once, and delays no other.
//! - With a wrong token or a disabled application no document is refused: documents wait until an
//!   operator has corrected the cause.
//! - A document is in `sent` or `refused` only after the bus has answered. After a crash before that
//!   the same content is submitted again, and the bus returns the first receipt.
//! - A message appears in the inbox once, complete and with all its files on the disk, by one atomic
//!   rename. This holds also when the answer to its delivery was lost, and when the message was moved
//!   out of the inbox meanwhile.
//! - The name of a file cannot lead out of the folder.
//! - Memory does not grow with the size of a document.
//!
//! # Not here
//!
//! Formats: the adapter sends and receives the formats that the registry names, and parses none but
//! delivery reports.

mod application;
mod config;
mod file_name;
mod inbox;
mod json_file;
mod layout;
mod outbox;
mod outbox_entries;
mod report;

use std::sync::Arc;

use anyhow::Context as _;
use chassis::Clock;
use chassis::health::Health;
use tokio_util::sync::CancellationToken;

pub use config::{Config, DEFAULTS};
pub use outbox_entries::attachments_beside;

use crate::application::FolderApplication;
use crate::layout::Layout;

/// Connects the folder to the gateway until `shutdown`.
///
/// # Errors
///
/// The folder cannot be used or is locked by another adapter, the token file cannot be read, the
/// gateway refuses the adapter, or the connection breaks. Call it again then.
pub async fn run(
    config: Config,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    health.unwell("gateway", "not connected yet");
    let folder = config.folder.clone();
    let layout = tokio::task::spawn_blocking(move || Layout::open(&folder))
        .await?
        .with_context(|| format!("the folder {} cannot be used", config.folder.display()))?;
    let token = chassis::secret::read_token(&config.token_file)?;
    let connection = sdk::Connection::new(&config.gateway, token.reveal())
        .authorities_file(&config.authorities_file)
        .certificate(&config.certificates_file, &config.key_file)
        .allow_plaintext(config.plaintext);
    let application = FolderApplication::new(config, layout, health.clone(), Clock::System);
    let outcome = Box::pin(sdk::serve(Arc::new(application), &connection, shutdown)).await;
    health.unwell("gateway", "not connected");
    Ok(outcome?)
}
