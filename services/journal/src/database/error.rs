//! Errors of the database, and of a stored column that does not hold what the journal wrote.

use std::error::Error;
use std::path::PathBuf;

use proto::fault::code;
use proto::fault::v1::Fault;

/// A stored column that does not hold a value the journal could have written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt {
    pub(crate) table: &'static str,
    /// The value of the row's key, as an operator would look it up.
    pub(crate) key: String,
    pub(crate) column: &'static str,
}

impl Corrupt {
    pub(crate) fn new(table: &'static str, key: impl Into<String>, column: &'static str) -> Self {
        Self { table, key: key.into(), column }
    }

    /// The fault of a message that this column belongs to.
    pub(crate) fn fault(&self) -> Fault {
        Fault::new(&code::LT_JNL_009)
            .param("table", self.table)
            .param("key", &self.key)
            .param("column", self.column)
    }

    /// Logs the damage; the message's own fault names it as well.
    pub(crate) fn log(&self) {
        let (table, key, column) = (self.table, self.key.as_str(), self.column);
        tracing::error!(table, key, column, "a stored column cannot be read");
    }
}

impl From<Corrupt> for DatabaseError {
    fn from(corrupt: Corrupt) -> Self {
        let Corrupt { table, key, column } = corrupt;
        Self::Corrupt { table, key, column }
    }
}

/// The database failed.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// SQLite failed.
    #[error("the database file failed ({action})")]
    Sqlite {
        /// The operation that failed.
        action: &'static str,
        /// SQLite's own error.
        #[source]
        source: rusqlite::Error,
    },
    /// PostgreSQL failed.
    #[error("the database server failed ({action})")]
    Postgres {
        /// The operation that failed.
        action: &'static str,
        /// The error of the server or of the connection.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The address asks for a kind of encryption that does not exist.
    #[error(
        "sslmode={value} is unknown; use disable, require, verify-ca or verify-full (the certificate \
         is always verified)"
    )]
    SslMode {
        /// The value.
        value: String,
    },
    /// The certificates of the link cannot be used.
    #[error("the certificates of the link to the database cannot be used")]
    Certificates(#[from] tls::TlsError),
    /// The link to the server could not be encrypted.
    #[error("the link to the database server could not be encrypted")]
    Handshake {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The thread that holds the connection ended.
    #[error("the database connection is gone")]
    Gone,
    /// Another journal holds the database's lock.
    #[error("another journal is at work on this database; this one waits for its end")]
    Taken,
    /// The database file or its lock file cannot be created.
    #[error("the file `{}` cannot be opened", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: std::io::Error,
    },
    /// A newer version of the journal created the tables.
    #[error(
        "the database has tables of version {found}, this program knows {known}; start a newer one"
    )]
    Newer {
        /// The version of the tables.
        found: i64,
        /// The newest version this program can read.
        known: i64,
    },
    /// A stored column does not hold a value the journal could have written.
    #[error(
        "column `{column}` of table `{table}` (key {key}) cannot be read; restore the row from a backup"
    )]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The value of the row's key.
        key: String,
        /// The column.
        column: &'static str,
    },
}

/// Why the database cannot be written now, although neither the call nor the connection is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StorageFailure {
    /// Its disk is full.
    Full,
    /// Its disk fails or is read-only, or the server is out of resources.
    Failing,
}

fn failure_of(is_full: bool, is_failing: bool) -> Option<StorageFailure> {
    if is_full {
        return Some(StorageFailure::Full);
    }
    is_failing.then_some(StorageFailure::Failing)
}

impl DatabaseError {
    /// The failure of the database's disk or server; none for every other error.
    pub(crate) fn storage_failure(&self) -> Option<StorageFailure> {
        use rusqlite::ErrorCode;
        match self {
            Self::Sqlite { source, .. } => {
                let code = source.sqlite_error_code()?;
                let is_failing = matches!(
                    code,
                    ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen
                );
                failure_of(code == ErrorCode::DiskFull, is_failing)
            }
            // SQLSTATE: disk full; insufficient resources, system error, read-only transaction.
            Self::Postgres { source, .. } => {
                let code = source.code()?.code();
                let is_failing =
                    code.starts_with("53") || code.starts_with("58") || code == "25006";
                failure_of(code == "53100", is_failing)
            }
            Self::File { source, .. } => {
                use std::io::ErrorKind::{QuotaExceeded, StorageFull};
                failure_of(matches!(source.kind(), StorageFull | QuotaExceeded), true)
            }
            Self::Gone
            | Self::Taken
            | Self::Newer { .. }
            | Self::Corrupt { .. }
            | Self::SslMode { .. }
            | Self::Certificates(_)
            | Self::Handshake { .. } => None,
        }
    }

    /// True when SQLite failed below its own checks, so that only a new connection knows again what
    /// is on disk.
    pub(crate) fn needs_reopen(&self) -> bool {
        use rusqlite::ErrorCode;
        let Self::Sqlite { source, .. } = self else { return self.is_lost() };
        matches!(
            source.sqlite_error_code(),
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen)
        )
    }

    /// True when the data of a call is at fault: a value does not fit the tables, or a stored
    /// column that the call needs is damaged. The connection still works.
    pub(crate) fn is_of_data(&self) -> bool {
        use rusqlite::ErrorCode;
        match self {
            Self::Sqlite { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch)
            ),
            // SQLSTATE classes: data exception, integrity constraint, program limit exceeded.
            Self::Postgres { source, .. } => source
                .code()
                .is_some_and(|it| ["22", "23", "54"].iter().any(|of| it.code().starts_with(of))),
            Self::Corrupt { .. } => true,
            Self::SslMode { .. }
            | Self::Certificates(_)
            | Self::Handshake { .. }
            | Self::Gone
            | Self::Taken
            | Self::File { .. }
            | Self::Newer { .. } => false,
        }
    }

    /// True when the connection cannot be used any more.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Self::Sqlite { .. } | Self::Corrupt { .. } => false,
            Self::Postgres { source, .. } => {
                let is_io = source.source().is_some_and(<dyn Error>::is::<std::io::Error>);
                let code = source.code().map_or("", |it| it.code());
                source.is_closed() || is_io || code.starts_with("08") || code.starts_with("57P")
            }
            Self::SslMode { .. }
            | Self::Certificates(_)
            | Self::Handshake { .. }
            | Self::Gone
            | Self::Taken
            | Self::File { .. }
            | Self::Newer { .. } => true,
        }
    }

    /// The error and its source in one line.
    pub(crate) fn describe(&self) -> String {
        self.source().map_or_else(|| self.to_string(), |it| format!("{self}: {it}"))
    }

    /// The fault of a call that failed for its data.
    pub(crate) fn data_fault(&self) -> Fault {
        match self {
            Self::Corrupt { table, key, column } => Corrupt::new(table, key, column).fault(),
            Self::Sqlite { .. }
            | Self::Postgres { .. }
            | Self::SslMode { .. }
            | Self::Certificates(_)
            | Self::Handshake { .. }
            | Self::Gone
            | Self::Taken
            | Self::File { .. }
            | Self::Newer { .. } => {
                Fault::new(&code::LT_JNL_006).param("part", "content").detail(self.describe())
            }
        }
    }
}
