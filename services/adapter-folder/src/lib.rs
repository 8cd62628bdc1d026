//! An application that is a folder: what is put into its outbox is sent, what comes lies in its inbox.
//!
//! ```text
//! folder/
//!   outbox/cong-van.edxml             put here: a document …
//!   outbox/cong-van.edxml.files/      … and the files its body names, if they are not inside
//!   sent/cong-van.edxml/              what was sent, with receipt.json
//!   refused/cong-van.edxml/           what was refused, with the reason (LY-DO.txt, reason.json)
//!   inbox/<message id>/               what came: document.*, document.*.files/, message.json
//!   .lienthong/                       what is on its way; nobody else writes here
//! ```
//!
//! # Putting a document
//!
//! A document is taken with its files once they have looked the same for some seconds
//! (`settle_ms`). Who wants to be sure writes the files into `<name>.files/` first and the document
//! last, each under a name that ends in `.tmp` (or `.part`, `.partial`), and renames each when it
//! is whole: such a name is never taken, and a document waits while one lies beside it.
//!
//! # Promises
//!
//! - A document that cannot be taken (a folder that cannot be read) stays in the outbox, is told in
//!   the log once, and keeps no other waiting.
//! - A wrong token or a disabled application refuses no document: they wait until it is put right.
//! - A file leaves the outbox whole, and stands in `sent` or `refused` only after the bus answered.
//!   A crash in between sends the same content again, and the bus answers with the first receipt.
//! - A message appears in the inbox whole, with all its files on the disk, by one rename, once:
//!   also when the answer was lost, and also when somebody took it out of the inbox meanwhile.
//! - A file's name never leads out of the folder, whatever a sender called it.
//! - Memory does not grow with the size of a document.
//!
//! # Not here
//!
//! What a body means: the folder takes and gives the formats the registry names.

mod application;
mod config;
mod inbox;
mod layout;
mod name;
mod outbox;

use std::sync::Arc;

use anyhow::Context as _;
use chassis::Clock;
use chassis::health::Health;
use tokio_util::sync::CancellationToken;

pub use config::{Config, DEFAULTS};

use crate::application::Folder;
use crate::layout::Layout;

/// Connects the folder until `shutdown`.
///
/// # Errors
///
/// The folder cannot be used or another adapter works on it, the gateway refuses the adapter, or
/// the link breaks; it is started again.
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
    let token = chassis::secret::read(&config.token_file)?;
    let connection =
        sdk::Connection { gateway: config.gateway.clone(), token: token.reveal().to_owned() };
    let folder = Folder::new(config, layout, health.clone(), Clock::System);
    let outcome = Box::pin(sdk::serve(Arc::new(folder), &connection, shutdown)).await;
    health.unwell("gateway", "not connected");
    Ok(outcome?)
}
