//! Settings of the sample adapter.

use std::path::PathBuf;

use serde::Deserialize;

/// Defaults of the section `adapter_sample`, with a comment for each key.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// The section `adapter_sample`.
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
}
