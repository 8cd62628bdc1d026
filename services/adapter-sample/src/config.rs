//! Settings of the sample adapter.

use std::path::PathBuf;

use serde::Deserialize;

/// Defaults and words of the section `adapter_sample`.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// The section `adapter_sample`.
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
}
