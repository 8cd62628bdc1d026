//! Settings of the sample adapter.

use std::path::PathBuf;

use serde::Deserialize;

/// Defaults of the section `adapter_sample`, with a comment for each key.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// The section `adapter_sample`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of the gateway, `http://host:port`.
    pub gateway: String,
    /// File with the application's token.
    pub token_file: PathBuf,
    /// Id of the application in the registry.
    pub application: String,
    /// Name of this adapter instance, unique in its application.
    pub adapter: String,
}
