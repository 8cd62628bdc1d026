//! Where the database is, and how the link to it is encrypted.

use chassis::secret::SecretUrl;
use tls::{ClientTls, ClientTlsSettings};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::DatabaseError;

/// The path of an SQLite file, or the URL of a PostgreSQL server with its certificates.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseAddress {
    /// `postgres://…?sslmode=…`, or a path.
    pub(crate) database: SecretUrl,
    /// The authorities of the server's certificate, and the certificate shown to it.
    pub(crate) tls: ClientTlsSettings,
}

/// A parsed URL of a server.
#[derive(Debug)]
pub(crate) struct ServerAddress {
    pub(crate) config: tokio_postgres::Config,
    pub(crate) is_encrypted: bool,
}

impl DatabaseAddress {
    /// True for the URL of a server.
    pub(crate) fn is_server(&self) -> bool {
        let address = self.database.reveal();
        address.starts_with("postgres://") || address.starts_with("postgresql://")
    }

    /// True when the link would be plain text to another machine.
    ///
    /// # Errors
    ///
    /// The URL cannot be parsed.
    pub(crate) fn is_exposed(&self) -> Result<bool, DatabaseError> {
        if !self.is_server() {
            return Ok(false);
        }
        let server = self.server()?;
        Ok(!server.is_encrypted && !is_on_this_machine(&server.config))
    }

    /// Parses the URL. `sslmode` is read here because the driver knows fewer values than libpq:
    /// `disable` is plain text; `require`, `verify-ca` and `verify-full` are encrypted, and the
    /// server's certificate and name are verified with each of them. Without a mode, and with
    /// `allow` and `prefer`, only a server on this machine is reached in plain text.
    pub(crate) fn server(&self) -> Result<ServerAddress, DatabaseError> {
        let (address, mode) = split_mode(self.database.reveal());
        let mut config: tokio_postgres::Config = address
            .parse()
            .map_err(|source| DatabaseError::Postgres { action: "address", source })?;
        let is_encrypted = match mode.as_deref() {
            Some("disable") => false,
            None | Some("allow" | "prefer") => !is_on_this_machine(&config),
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(other) => return Err(DatabaseError::SslMode { value: other.to_owned() }),
        };
        config.ssl_mode(if is_encrypted { SslMode::Require } else { SslMode::Disable });
        Ok(ServerAddress { config, is_encrypted })
    }

    /// Makes the handshake of encrypted connections, with the certificates as they are now.
    pub(crate) fn encryption(&self) -> Result<MakeRustlsConnect, DatabaseError> {
        let tls = ClientTls::new(self.tls.clone())?;
        Ok(MakeRustlsConnect::new(rustls::ClientConfig::clone(&tls.config())))
    }
}

/// True when every host is a socket of this machine or its loopback network.
fn is_on_this_machine(config: &tokio_postgres::Config) -> bool {
    let addresses = config.get_hostaddrs();
    if !addresses.is_empty() {
        return addresses.iter().all(|it| it.to_canonical().is_loopback());
    }
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => tls::is_loopback(name),
        Host::Unix(_) => true,
    })
}

/// The address without its `sslmode`, and the mode.
fn split_mode(address: &str) -> (String, Option<String>) {
    let Some((before, query)) = address.split_once('?') else { return (address.to_owned(), None) };
    let mut mode = None;
    let mut others = Vec::new();
    for parameter in query.split('&') {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            _ => others.push(parameter),
        }
    }
    let separator = if others.is_empty() { "" } else { "?" };
    (format!("{before}{separator}{}", others.join("&")), mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(database: &str) -> DatabaseAddress {
        let (database, tls) = (SecretUrl::new(database), ClientTlsSettings::default());
        DatabaseAddress { database, tls }
    }

    #[test]
    fn a_link_to_another_machine_is_encrypted_unless_its_mode_says_otherwise() {
        for (url, is_encrypted, is_exposed) in [
            ("postgres://u:p@db/name", true, false),
            ("postgres://u:p@db/name?sslmode=prefer", true, false),
            ("postgres://u:p@db/name?sslmode=disable", false, true),
            ("postgres://u:p@db/name?sslmode=require&application_name=x", true, false),
            (
                "postgresql://u@10.0.0.5:5433/name?application_name=x&sslmode=verify-full",
                true,
                false,
            ),
            ("postgres://u:p@127.0.0.1/name", false, false),
            ("postgres://u:p@localhost/name?sslmode=verify-ca", true, false),
            ("postgres:///name?host=/run/postgresql&user=u", false, false),
            ("postgres://u:p@localhost,db/name?sslmode=disable", false, true),
            ("postgres://u:p@localhost/name?hostaddr=10.0.0.5&sslmode=disable", false, true),
        ] {
            let address = address(url);
            assert_eq!(address.server().unwrap().is_encrypted, is_encrypted, "{url}");
            assert_eq!(address.is_exposed().unwrap(), is_exposed, "{url}");
        }
        assert!(!address("journal.sqlite").is_exposed().unwrap());
    }

    #[test]
    fn an_unknown_mode_is_refused_and_named() {
        let error = address("postgres://u:p@db/name?sslmode=verify").server().unwrap_err();
        assert!(error.to_string().contains("verify"), "{error}");
    }
}
