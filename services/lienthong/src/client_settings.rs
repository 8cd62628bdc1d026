//! The settings of commands: how they reach a system, for all commands alike.

use std::path::{Path, PathBuf};

use chassis::config::{ConfigError, Layers, user_file_path};
use proto::fault::Lang;
use serde::Deserialize;

use crate::cli::{GatewayLink, Link, LinkCertificates};
use crate::data_folder::TOKEN_FILE;

/// Every setting of the section `client` with its default.
pub(crate) const CLIENT_DEFAULTS: &str = include_str!("../config/client.toml");

/// The section `client`, with the chosen context, the environment and the flags over it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientSettings {
    /// Only named here so that `config show` prints it: [`read_layers`] has chosen the context.
    #[serde(rename = "context")]
    _context: String,
    /// Internal addresses, separated by commas.
    pub(crate) internal: String,
    /// The gateway for vendors.
    pub(crate) gateway: String,
    /// The data folder of `up`.
    pub(crate) data: PathBuf,
    internal_token_file: PathBuf,
    /// The token of the application that `send` submits as; empty when none is named.
    pub(crate) token_file: PathBuf,
    authorities_file: PathBuf,
    certificates_file: PathBuf,
    key_file: PathBuf,
    plaintext: bool,
    language: LanguageSetting,
    /// The longest that a command waits for one answer, milliseconds.
    pub(crate) call_ms_max: u64,
}

/// The setting `language`.
#[derive(Clone, Copy, Debug, Deserialize)]
enum LanguageSetting {
    #[serde(rename = "")]
    Locale,
    #[serde(rename = "vi")]
    Vi,
    #[serde(rename = "en")]
    En,
}

impl ClientSettings {
    /// The settings of a command that talks to roles.
    pub(crate) fn of_link(layers: Layers, link: &Link) -> Result<Self, ConfigError> {
        let path = |it: &Option<PathBuf>| it.as_ref().map(|it| it.display().to_string());
        let flags = [
            ("internal", link.internal.clone()),
            ("data", path(&link.data)),
            ("internal_token_file", path(&link.internal_token_file)),
        ];
        Self::read(layers, flags, &link.certificates)
    }

    /// The settings of a command that talks to the gateway as an application.
    pub(crate) fn of_gateway(layers: Layers, link: &GatewayLink) -> Result<Self, ConfigError> {
        let token_file = link.token_file.as_ref().map(|it| it.display().to_string());
        let flags = [("gateway", link.gateway.clone()), ("token_file", token_file)];
        Self::read(layers, flags, &link.certificates)
    }

    fn read(
        mut layers: Layers,
        flags: impl IntoIterator<Item = (&'static str, Option<String>)>,
        certificates: &LinkCertificates,
    ) -> Result<Self, ConfigError> {
        let path = |it: &Option<PathBuf>| it.as_ref().map(|it| it.display().to_string());
        let of_certificates = [
            ("authorities_file", path(&certificates.authorities_file)),
            ("certificates_file", path(&certificates.certificates_file)),
            ("key_file", path(&certificates.key_file)),
            ("plaintext", certificates.plaintext.then(|| true.to_string())),
        ];
        for (key, value) in flags.into_iter().chain(of_certificates) {
            if let Some(value) = value {
                layers = layers.flag(&format!("client.{key}"), value);
            }
        }
        layers.section("client", CLIENT_DEFAULTS)
    }

    /// The language that is set; none: that of the locale.
    pub(crate) fn language(&self) -> Option<Lang> {
        match self.language {
            LanguageSetting::Locale => None,
            LanguageSetting::Vi => Some(Lang::Vi),
            LanguageSetting::En => Some(Lang::En),
        }
    }

    /// The file of the internal token.
    pub(crate) fn internal_token_file(&self) -> PathBuf {
        if self.internal_token_file.as_os_str().is_empty() {
            self.data.join(TOKEN_FILE)
        } else {
            self.internal_token_file.clone()
        }
    }

    /// The internal addresses.
    pub(crate) fn internal_addresses(&self) -> impl Iterator<Item = &str> {
        self.internal.split(',').map(str::trim).filter(|it| !it.is_empty())
    }

    /// The certificates of the links.
    pub(crate) fn certificates(&self) -> LinkCertificates {
        let named = |it: &PathBuf| Some(it.clone()).filter(|it| !it.as_os_str().is_empty());
        LinkCertificates {
            authorities_file: named(&self.authorities_file),
            certificates_file: named(&self.certificates_file),
            key_file: named(&self.key_file),
            plaintext: self.plaintext,
        }
    }
}

/// The layers of a command: the user's file, the configuration file, and the context.
pub(crate) fn read_layers(
    file: Option<&Path>,
    context: Option<&str>,
) -> Result<Layers, ConfigError> {
    let mut layers = Layers::read(file)?;
    if let Some(path) = user_file_path() {
        layers = layers.user_file(&path)?;
    }
    layers.named_context(context, CLIENT_DEFAULTS)
}
