//! The settings of a process, gathered from the sections of everything it starts.

use std::net::SocketAddr;
use std::path::PathBuf;

use chassis::config::{ConfigError, Layers};
use serde::Deserialize;

/// Every section and its defaults; also the order of `config show`.
pub(crate) const SECTIONS: [(&str, &str); 10] = [
    ("bus", include_str!("../config/bus.toml")),
    ("claims", include_str!("../config/claims.toml")),
    ("listen", include_str!("../config/listen.toml")),
    ("upstream", include_str!("../config/upstream.toml")),
    ("telemetry", chassis::telemetry::DEFAULTS),
    ("registry", registry::DEFAULTS),
    ("journal", journal::DEFAULTS),
    ("mapping", mapping::DEFAULTS),
    ("gateway", gateway::DEFAULTS),
    ("adapter_folder", adapter_folder::DEFAULTS),
];

/// The section `bus`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bus {
    pub(crate) url: String,
    pub(crate) certificates_file: String,
    pub(crate) partitions: u16,
    pub(crate) window: u16,
}

/// The section `claims`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    pub(crate) folder: PathBuf,
    pub(crate) bucket: String,
    pub(crate) endpoint: String,
    pub(crate) region: String,
    pub(crate) access_key_file: String,
    pub(crate) secret_key_file: String,
}

/// The section `listen`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listen {
    pub(crate) vendors: SocketAddr,
    pub(crate) internal: SocketAddr,
    pub(crate) ops: SocketAddr,
    pub(crate) internal_token_file: PathBuf,
}

/// The section `upstream`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upstreams {
    pub(crate) journal: String,
    pub(crate) mapping: String,
    pub(crate) registry: String,
}

/// Everything a process may need.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) bus: Bus,
    pub(crate) claims: Claims,
    pub(crate) listen: Listen,
    pub(crate) upstream: Upstreams,
    pub(crate) telemetry: chassis::telemetry::Settings,
    pub(crate) registry: registry::Config,
    pub(crate) journal: journal::Config,
    pub(crate) mapping: mapping::Config,
    pub(crate) gateway: gateway::Config,
    pub(crate) adapter_folder: adapter_folder::Config,
}

impl Settings {
    /// Reads every section.
    pub(crate) fn read(layers: &Layers) -> Result<Self, ConfigError> {
        layers.check(&SECTIONS.map(|(name, _)| name))?;
        let defaults = |of: &str| {
            SECTIONS.iter().find(|(name, _)| *name == of).map_or("", |(_, defaults)| defaults)
        };
        Ok(Self {
            bus: layers.section("bus", defaults("bus"))?,
            claims: layers.section("claims", defaults("claims"))?,
            listen: layers.section("listen", defaults("listen"))?,
            upstream: layers.section("upstream", defaults("upstream"))?,
            telemetry: layers.section("telemetry", defaults("telemetry"))?,
            registry: layers.section("registry", defaults("registry"))?,
            journal: layers.section("journal", defaults("journal"))?,
            mapping: layers.section("mapping", defaults("mapping"))?,
            gateway: layers.section("gateway", defaults("gateway"))?,
            adapter_folder: layers.section("adapter_folder", defaults("adapter_folder"))?,
        })
    }
}
