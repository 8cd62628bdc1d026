//! Settings of the folder adapter.

use std::path::PathBuf;

use serde::Deserialize;

/// Defaults of the section `adapter_folder`, with a comment for each key.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// The section `adapter_folder`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of the gateway, `https://host:port`; `http` on this machine.
    pub gateway: String,
    /// PEM file of the authorities of the gateway's certificate; empty: the public ones.
    pub authorities_file: PathBuf,
    /// PEM file of the certificate that is shown to the gateway; empty: none.
    pub certificates_file: PathBuf,
    /// PEM file of that certificate's key.
    pub key_file: PathBuf,
    /// Allows `http` to other machines.
    pub plaintext: bool,
    /// File with the application's token.
    pub token_file: PathBuf,
    /// Id of the application in the registry.
    pub application: String,
    /// Name of this adapter instance, unique in its application.
    pub adapter: String,
    /// The folder shared with the application.
    pub folder: PathBuf,
    /// Format of the documents in the outbox, or `auto` to detect it.
    pub format: String,
    /// Interval between two scans of the outbox, milliseconds.
    pub look_every_ms: u64,
    /// How long a document must be unchanged before it is sent, milliseconds.
    pub settle_ms: u64,
    /// How long the ids of delivered messages are stored, days; 0: without limit.
    pub remember_days: u32,
}
