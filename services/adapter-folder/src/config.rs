//! Settings of the folder adapter.

use std::path::PathBuf;

use serde::Deserialize;

/// Defaults and words of the section `adapter_folder`.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// The section `adapter_folder`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The gateway's address.
    pub gateway: String,
    /// File with the application's token.
    pub token_file: PathBuf,
    /// The application's id in the registry.
    pub application: String,
    /// Name of this adapter instance.
    pub adapter: String,
    /// The folder shared with the application.
    pub folder: PathBuf,
    /// Format of what is put into the outbox, or `auto`.
    pub format: String,
    /// Milliseconds between two looks at the outbox.
    pub look_every_ms: u64,
    /// Milliseconds a document must have looked the same before it is taken.
    pub settle_ms: u64,
    /// Days a delivered message is remembered; 0: for ever.
    pub remember_days: u32,
}
