//! The settings of a process: the sections of everything that it may start.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use chassis::config::{ConfigError, Layers};
use chassis::disk::DiskConfig;
use chassis::secret::SecretUrl;
use proto::fault::code;
use proto::fault::v1::Fault;
use serde::Deserialize;

use crate::client_settings::CLIENT_DEFAULTS;
use crate::io_words::io_words;

/// Every section with its defaults, in the order of `config show`.
pub(crate) const SECTIONS: [(&str, &str); 15] = [
    ("client", CLIENT_DEFAULTS),
    ("bus", include_str!("../config/bus.toml")),
    ("claims", include_str!("../config/claims.toml")),
    ("disk", chassis::disk::DEFAULTS),
    ("listen", include_str!("../config/listen.toml")),
    ("server", chassis::serve::DEFAULTS),
    ("tls", include_str!("../config/tls.toml")),
    ("upstream", include_str!("../config/upstream.toml")),
    ("telemetry", chassis::telemetry::DEFAULTS),
    ("registry", registry::DEFAULTS),
    ("formats", registry::FORMATS_DEFAULTS),
    ("journal", journal::DEFAULTS),
    ("mapping", mapping::DEFAULTS),
    ("gateway", gateway::DEFAULTS),
    ("adapter_folder", adapter_folder::DEFAULTS),
];

/// The section `bus`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BusSection {
    pub(crate) url: SecretUrl,
    pub(crate) password_file: PathBuf,
    pub(crate) authorities_file: PathBuf,
    pub(crate) certificates_file: PathBuf,
    pub(crate) key_file: PathBuf,
    pub(crate) partitions: u16,
    pub(crate) window: u16,
    pub(crate) call_ms_max: u64,
    pub(crate) publish_ms_max: u64,
    pub(crate) hands_ms_max: u64,
    pub(crate) keep_ms_max: u64,
    pub(crate) probe_ms_max: u64,
    pub(crate) requests_max: usize,
    pub(crate) channel_messages_max: usize,
    pub(crate) channel_bytes_max: usize,
    pub(crate) room_ms_max: u64,
}

/// The section `claims`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    pub(crate) folder: PathBuf,
    pub(crate) bucket: String,
    pub(crate) endpoint: String,
    pub(crate) region: String,
    pub(crate) authorities_file: PathBuf,
    pub(crate) access_key_file: PathBuf,
    pub(crate) secret_key_file: PathBuf,
}

/// The section `listen`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listen {
    pub(crate) vendors: SocketAddr,
    pub(crate) internal: SocketAddr,
    pub(crate) ops: SocketAddr,
    pub(crate) internal_token_file: PathBuf,
    pub(crate) plaintext: bool,
    pub(crate) stop_ms_max: u64,
}

/// The section `tls`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsSection {
    pub(crate) certificates_file: PathBuf,
    pub(crate) key_file: PathBuf,
    pub(crate) authorities_file: PathBuf,
    pub(crate) vendors_certificates_file: PathBuf,
    pub(crate) vendors_key_file: PathBuf,
    pub(crate) vendors_authorities_file: PathBuf,
    pub(crate) vendors_certificates_required: bool,
}

/// The section `upstream`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upstreams {
    pub(crate) journal: SecretUrl,
    pub(crate) mapping: SecretUrl,
    pub(crate) registry: SecretUrl,
}

/// All sections.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) bus: BusSection,
    pub(crate) claims: Claims,
    pub(crate) disk: DiskConfig,
    pub(crate) listen: Listen,
    pub(crate) server: chassis::serve::ServerLimits,
    pub(crate) tls: TlsSection,
    pub(crate) upstream: Upstreams,
    pub(crate) telemetry: chassis::telemetry::TelemetrySettings,
    pub(crate) registry: registry::Config,
    pub(crate) formats: registry::FormatsConfig,
    pub(crate) journal: journal::Config,
    pub(crate) mapping: mapping::Config,
    pub(crate) gateway: gateway::Config,
    pub(crate) adapter_folder: adapter_folder::Config,
}

impl Settings {
    /// Reads every section, refuses values that no start could work with, and puts the passwords of
    /// files into the addresses.
    pub(crate) fn read(layers: &Layers) -> Result<Self, ConfigError> {
        layers.check(&SECTIONS)?;
        let mut settings = Self {
            bus: layers.section("bus", defaults("bus"))?,
            claims: layers.section("claims", defaults("claims"))?,
            disk: layers.section("disk", defaults("disk"))?,
            listen: layers.section("listen", defaults("listen"))?,
            server: layers.section("server", defaults("server"))?,
            tls: layers.section("tls", defaults("tls"))?,
            upstream: layers.section("upstream", defaults("upstream"))?,
            telemetry: layers.section("telemetry", defaults("telemetry"))?,
            registry: layers.section("registry", defaults("registry"))?,
            formats: layers.section("formats", defaults("formats"))?,
            journal: layers.section("journal", defaults("journal"))?,
            mapping: layers.section("mapping", defaults("mapping"))?,
            gateway: layers.section("gateway", defaults("gateway"))?,
            adapter_folder: layers.section("adapter_folder", defaults("adapter_folder"))?,
        };
        settings.check(layers)?;
        let registry = &mut settings.registry;
        if registry.state_file.as_os_str().is_empty() {
            registry.state_file = state_file_beside(&registry.folder);
        }
        let (bus, journal) = (&mut settings.bus, &mut settings.journal);
        bus.url = with_password(layers, ("bus", "url"), &bus.url, &bus.password_file)?;
        let (key, file) = (("journal", "database"), &journal.password_file);
        journal.database = with_password(layers, key, &journal.database, file)?;
        Ok(settings)
    }

    fn check(&self, layers: &Layers) -> Result<(), ConfigError> {
        let size = |it: usize| u64::try_from(it).unwrap_or(u64::MAX);
        let (bus, server) = (&self.bus, &self.server);
        for (section, key, value) in [
            ("bus", "partitions", bus.partitions.into()),
            ("bus", "window", bus.window.into()),
            ("bus", "call_ms_max", bus.call_ms_max),
            ("bus", "publish_ms_max", bus.publish_ms_max),
            ("bus", "hands_ms_max", bus.hands_ms_max),
            ("bus", "probe_ms_max", bus.probe_ms_max),
            ("bus", "requests_max", size(bus.requests_max)),
            ("bus", "channel_messages_max", size(bus.channel_messages_max)),
            ("bus", "channel_bytes_max", size(bus.channel_bytes_max)),
            ("server", "connections_max", size(server.connections_max)),
            ("server", "owner_connections_max", size(server.owner_connections_max)),
            ("server", "unauthenticated_max", size(server.unauthenticated_max)),
            ("server", "address_connections_max", size(server.address_connections_max)),
            ("server", "streams_max", server.streams_max.into()),
            ("server", "header_bytes_max", server.header_bytes_max.into()),
            ("server", "handshake_ms_max", server.handshake_ms_max),
            ("server", "first_request_ms_max", server.first_request_ms_max),
            ("server", "idle_ms_max", server.idle_ms_max),
            ("server", "unread_ms_max", server.unread_ms_max),
            ("registry", "poll_ms", self.registry.poll_ms),
            ("disk", "poll_ms", self.disk.poll_ms),
        ] {
            layers.at_least((section, defaults(section)), key, (value, 1))?;
        }
        Ok(())
    }
}

/// The file beside a registry folder that stores the revision in force.
pub(crate) fn state_file_beside(folder: &Path) -> PathBuf {
    let mut name = folder.components().as_path().as_os_str().to_owned();
    name.push(".applied");
    name.into()
}

/// The source of the value in force: `default`, a file, a variable or a flag.
pub(crate) fn origin(layers: &Layers, section: &str, key: &str) -> String {
    layers.origin(section, defaults(section), key)
}

fn defaults(section: &str) -> &'static str {
    SECTIONS.iter().find(|(name, _)| *name == section).map_or("", |(_, defaults)| defaults)
}

/// An address with the password of the file that the section names.
fn with_password(
    layers: &Layers,
    (section, key): (&str, &str),
    address: &SecretUrl,
    file: &Path,
) -> Result<SecretUrl, ConfigError> {
    let Some(secret) = layers.secret((section, defaults(section)), "password_file", file)? else {
        return Ok(address.clone());
    };
    address.with_password(&secret).ok_or_else(|| ConfigError::Value {
        key: format!("{section}.{key}"),
        origin: origin(layers, section, key),
        reason: "a password needs an address with a user, scheme://user@host".to_owned(),
    })
}

/// The fault of a mistake in the configuration.
pub(crate) fn config_fault(error: &ConfigError) -> Fault {
    let about =
        |code, key: &str, origin: &str| Fault::new(code).param("key", key).param("origin", origin);
    match error {
        ConfigError::Unreadable { path, source } => {
            let (vi, en) = io_words(source);
            let path = path.display().to_string();
            Fault::new(&code::LT_CFG_001).param("path", &path).violation(path, vi, en)
        }
        ConfigError::Malformed { path, line, message } => Fault::new(&code::LT_CFG_002)
            .param("path", path.display().to_string())
            .param("line", line.to_string())
            .param("message", message),
        ConfigError::Unknown { key, origin, suggestion } => {
            let fault = about(&code::LT_CFG_003, key, origin);
            match suggestion {
                None => fault,
                Some(it) => fault.param("suggestion", it).violation(
                    key,
                    format!("có phải `{it}` không?"),
                    format!("did you mean `{it}`?"),
                ),
            }
        }
        ConfigError::Value { key, origin, reason } => {
            about(&code::LT_CFG_004, key, origin).param("reason", reason)
        }
        ConfigError::TooSmall { key, origin, value, least } => {
            about(&code::LT_CFG_005, key, origin)
                .param("value", value.to_string())
                .param("least", least.to_string())
        }
        ConfigError::Context { name, known, suggestion } => {
            let fault = Fault::new(&code::LT_CLI_014)
                .param("name", name)
                .param("known", if known.is_empty() { "–".to_owned() } else { known.join(", ") });
            match suggestion {
                None => fault,
                Some(it) => fault.param("suggestion", it).violation(
                    "context",
                    format!("có phải `{it}` không?"),
                    format!("did you mean `{it}`?"),
                ),
            }
        }
        ConfigError::Secret { key, origin, source } => {
            about(&code::LT_CFG_006, key, origin).param("reason", source.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proto::fault::Lang;
    use proto::fault::v1::Reason;

    use super::*;

    fn fault_of_variables(variables: &[(&str, &str)]) -> Fault {
        let variables: BTreeMap<_, _> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        config_fault(&Settings::read(&Layers::from_parts(None, variables).unwrap()).unwrap_err())
    }

    #[test]
    fn each_mistake_has_a_code_and_every_parameter_of_its_texts_is_filled() {
        let (poll_ms, partitions) = ("LIENTHONG__REGISTRY__POLL_MS", "LIENTHONG__BUS__PARTITIONS");
        let file = "LIENTHONG__BUS__PASSWORD_FILE";
        for (variables, code, text) in [
            (vec![("LIENTHONG__BUS__UR", "x")], "LT-CFG-003", "`bus.ur`"),
            (vec![("LIENTHONG_BUS_URL", "x")], "LT-CFG-003", "`LIENTHONG_BUS_URL`"),
            (vec![("LIENTHONG__BUS__WINDOW", "nhiều")], "LT-CFG-004", "`bus.window`"),
            (vec![(file, "/proc/self/comm")], "LT-CFG-004", "`bus.url`"),
            (vec![(poll_ms, "0")], "LT-CFG-005", "`registry.poll_ms`"),
            (vec![(partitions, "0")], "LT-CFG-005", partitions),
            (vec![(file, "/no/such/file")], "LT-CFG-006", "`bus.password_file`"),
        ] {
            let fault = fault_of_variables(&variables);
            assert_eq!((fault.code.as_str(), fault.reason()), (code, Reason::Invalid));
            for lang in [Lang::Vi, Lang::En] {
                let title = fault.title(lang);
                assert!(title.contains(text) && !title.contains('{'), "{title}");
            }
        }
        let missing = Layers::from_parts(Some("/no/such/file".as_ref()), BTreeMap::new());
        assert!(config_fault(&missing.unwrap_err()).title(Lang::Vi).contains("/no/such/file"));
    }

    #[test]
    fn a_misspelt_setting_gets_the_nearest_name_as_a_suggestion() {
        let fault = fault_of_variables(&[("LIENTHONG__BUS__WINDO", "1")]);
        assert_eq!(fault.violations[0].description_en, "did you mean `window`?");
    }
}
