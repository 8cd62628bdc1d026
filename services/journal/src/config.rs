//! The section `journal` of the settings.

use serde::Deserialize;

use crate::database::address::DatabaseAddress;
use crate::database::error::DatabaseError;

/// Defaults and comments of the section `journal`.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// The section `journal`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `postgres://…`, or the path of an SQLite file.
    pub database: chassis::secret::SecretUrl,
    /// File with the password of the address's user; the start-up puts it into `database`.
    pub password_file: std::path::PathBuf,
    /// PEM file of the authorities of the server's certificate; empty: the public ones.
    pub authorities_file: std::path::PathBuf,
    /// Calls that may wait for the writer; more are refused and to be repeated.
    pub calls_max: usize,
    /// How often the sweeper looks for due messages, milliseconds.
    pub sweep_ms: u64,
    /// Space that is held beside an SQLite database for finishing what was accepted, bytes.
    pub reserve_bytes: u64,
}

impl Config {
    /// Where the database is.
    pub(crate) fn address(&self) -> DatabaseAddress {
        let authorities = Some(self.authorities_file.clone());
        let authorities = authorities.filter(|it| !it.as_os_str().is_empty());
        let tls = tls::ClientTlsSettings { authorities, key_pair: None };
        DatabaseAddress { database: self.database.clone(), tls }
    }

    /// True when the link to the database would be plain text to another machine.
    ///
    /// # Errors
    ///
    /// The database's address cannot be parsed.
    pub fn is_exposed(&self) -> Result<bool, DatabaseError> {
        self.address().is_exposed()
    }
}
