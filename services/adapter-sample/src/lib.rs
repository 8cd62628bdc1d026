//! An application in memory and its adapter: the one to copy.
//!
//! An adapter is four small files: `main.rs` is the program, this one connects it, `config.rs`
//! holds its settings, and `application.rs` is the only one that knows the application. Copy the
//! folder, rename it, and put your application where [`Mailroom`] is: what `main.rs` then still
//! needs is the part above `tokio::select!`, and `adapter.await`.

mod application;
mod config;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use application::{Behaviour, Mailroom, Received, Sample};
pub use config::{Config, DEFAULTS};

/// Connects the application until `shutdown`.
///
/// # Errors
///
/// The gateway refuses the adapter or the link breaks; it is started again.
pub async fn run(
    config: Config,
    mailroom: Mailroom,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let token = chassis::secret::read(&config.token_file)?;
    let connection = sdk::Connection { gateway: config.gateway, token: token.reveal().to_owned() };
    let sample = Sample::new(config.application, config.adapter, mailroom);
    Ok(sdk::serve(Arc::new(sample), &connection, shutdown).await?)
}
