//! A complete adapter for an application that keeps its messages in memory. Copy it to connect an
//! application of your own.
//!
//! An adapter has four files:
//!
//! - `main.rs`: the program. It reads the settings and restarts the adapter after errors.
//! - `lib.rs`: connects the adapter to the gateway.
//! - `config.rs`: the settings.
//! - `application.rs`: the application, and the only file that knows it.
//!
//! To make your own: copy the folder, rename it, and replace [`SampleApplication`] in
//! `application.rs` by your application. Of `main.rs` keep the part above `tokio::select!`, followed
//! by `adapter.await`.

mod application;
mod config;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use application::{Behavior, ReceivedMessage, SampleAdapter, SampleApplication};
pub use config::{Config, DEFAULTS};

/// Connects the application to the gateway until `shutdown`.
///
/// # Errors
///
/// The token file cannot be read, the gateway refuses the adapter, or the connection breaks. Call it
/// again then, as `chassis::supervise` does.
pub async fn run(
    config: Config,
    application: SampleApplication,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let token = chassis::secret::read_token(&config.token_file)?;
    let connection = sdk::Connection::new(config.gateway, token.reveal())
        .authorities_file(config.authorities_file)
        .certificate(config.certificates_file, config.key_file)
        .allow_plaintext(config.plaintext);
    let adapter = SampleAdapter::new(config.application, config.adapter, application);
    Ok(sdk::serve(Arc::new(adapter), &connection, shutdown).await?)
}
