//! A database with one connection: rows in, rows out, in a transaction or not.
//!
//! SQL is written once, for one set of parameters `$1`, `$2` …. In migrations `{text}`, `{blob}`,
//! `{serial}`, `{number}`, `{roomy}`, `{whole}` and `{keyed}` stand for what the two spell
//! differently, and a line that begins with `--sqlite ` or `--postgres ` is for that one only.

mod copy;
mod postgres;
mod sqlite;
mod widen;

use std::error::Error;
use std::path::{Path, PathBuf};

pub(crate) use self::postgres::Postgres;
pub(crate) use self::sqlite::Sqlite;

/// A value of a column or a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// TEXT.
    Text(String),
    /// BIGINT.
    Number(i64),
    /// BLOB, BYTEA.
    Bytes(Vec<u8>),
}

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// Looking rows up by their keys and changing them.
    Write,
    /// Searching.
    Read,
}

impl Value {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Number(_) | Self::Bytes(_) => "",
        }
    }

    fn number(&self) -> i64 {
        match self {
            Self::Number(number) => *number,
            Self::Text(_) | Self::Bytes(_) => 0,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Text(_) | Self::Number(_) => &[],
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Number(_) => 8,
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for Value {
    /// PostgreSQL holds no NUL in a text, and one such text must not stop everybody's batch.
    fn from(text: String) -> Self {
        Self::Text(if text.contains('\0') { text.replace('\0', "") } else { text })
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// A number that SQLite gives, above all it gave before.
const SQLITE_SERIAL: &str = "INTEGER PRIMARY KEY AUTOINCREMENT";

/// A statement and the sets of parameters it is run for.
pub(crate) type Batch<'a> = (&'a str, &'a [Vec<Value>]);

/// A row, taken apart from the left.
#[derive(Clone, Debug)]
pub(crate) struct Row(std::vec::IntoIter<Value>);

impl Row {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    /// The next column as text; empty if it is none.
    pub(crate) fn text(&mut self) -> String {
        match self.0.next() {
            Some(Value::Text(text)) => text,
            Some(Value::Number(_) | Value::Bytes(_)) | None => String::new(),
        }
    }

    /// The next column as a number; 0 if it is none.
    pub(crate) fn number(&mut self) -> i64 {
        match self.0.next() {
            Some(Value::Number(number)) => number,
            Some(Value::Text(_) | Value::Bytes(_)) | None => 0,
        }
    }

    /// The next column as bytes; empty if it is none.
    pub(crate) fn bytes(&mut self) -> Vec<u8> {
        match self.0.next() {
            Some(Value::Bytes(bytes)) => bytes,
            Some(Value::Text(_) | Value::Number(_)) | None => Vec::new(),
        }
    }
}

/// The database failed.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// SQLite failed.
    #[error("the database file failed ({action})")]
    Sqlite {
        /// What was being done.
        action: &'static str,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// PostgreSQL failed.
    #[error("the database server failed ({action})")]
    Postgres {
        /// What was being done.
        action: &'static str,
        /// What the server or the connection says.
        #[source]
        source: tokio_postgres::Error,
    },
    /// A worker of the database is gone.
    #[error("the database connection is gone")]
    Gone,
    /// Another journal holds the database.
    #[error("another journal is at work on this database; this one waits for its end")]
    Taken,
    /// The database's file, or the one that marks it as taken, cannot be made.
    #[error("the file `{}` cannot be opened", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A newer journal was here.
    #[error(
        "the database has tables of version {found}, this program knows {known}; start a newer one"
    )]
    Newer {
        /// The version of the tables.
        found: i64,
        /// The newest one that is known here.
        known: i64,
    },
}

impl DatabaseError {
    /// True when a value did not fit the tables. The connection is as good as before.
    pub(crate) fn is_of_values(&self) -> bool {
        use rusqlite::ErrorCode;
        match self {
            Self::Sqlite { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch)
            ),
            Self::Postgres { source, .. } => source
                .code()
                .is_some_and(|it| ["22", "23", "54"].iter().any(|of| it.code().starts_with(of))),
            Self::Gone | Self::Taken | Self::File { .. } | Self::Newer { .. } => false,
        }
    }

    /// True when the connection is of no more use.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Self::Sqlite { .. } => false,
            Self::Postgres { source, .. } => {
                let is_io = source.source().is_some_and(<dyn Error>::is::<std::io::Error>);
                let code = source.code().map_or("", |it| it.code());
                source.is_closed() || is_io || code.starts_with("08") || code.starts_with("57P")
            }
            Self::Gone | Self::Taken | Self::File { .. } | Self::Newer { .. } => true,
        }
    }

    /// The whole cause in one line.
    pub(crate) fn words(&self) -> String {
        self.source().map_or_else(|| self.to_string(), |it| format!("{self}: {it}"))
    }
}

/// A connection to one of the two.
#[derive(Debug)]
pub(crate) enum Database {
    /// A file on this machine.
    Sqlite(Sqlite),
    /// A server.
    Postgres(Postgres),
}

impl Database {
    /// Opens a file, or a server when the address is `postgres://…`.
    pub(crate) async fn open(address: &str, purpose: Purpose) -> Result<Self, DatabaseError> {
        if address.starts_with("postgres://") || address.starts_with("postgresql://") {
            return Ok(Self::Postgres(Postgres::connect(address, purpose).await?));
        }
        Ok(Self::Sqlite(Sqlite::open(Path::new(address), purpose)?))
    }

    /// Runs a statement once for each set of parameters; the rows of all of them, set by set.
    pub(crate) async fn query_many(
        &mut self,
        sql: &str,
        sets: Vec<Vec<Value>>,
    ) -> Result<Vec<Vec<Row>>, DatabaseError> {
        let found = self.run_all(&[(sql, &sets)]).await?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    /// Runs several statements, one after the other, in one trip.
    pub(crate) async fn run_all(
        &mut self,
        steps: &[Batch<'_>],
    ) -> Result<Vec<Vec<Vec<Row>>>, DatabaseError> {
        if steps.iter().all(|(_, sets)| sets.is_empty()) {
            return Ok(vec![Vec::new(); steps.len()]);
        }
        for (sql, _) in steps.iter().filter(|(_, sets)| !sets.is_empty()) {
            // A test reads these, and asks both databases how they would go about each.
            tracing::trace!(target: "journal::statement", sql);
        }
        match self {
            Self::Sqlite(database) => database.run_all(steps).await,
            Self::Postgres(database) => database.run_all(steps).await,
        }
    }

    /// Runs a statement once.
    pub(crate) async fn query(
        &mut self,
        sql: &str,
        set: Vec<Value>,
    ) -> Result<Vec<Row>, DatabaseError> {
        Ok(self.query_many(sql, vec![set]).await?.pop().unwrap_or_default())
    }

    /// Begins a transaction.
    pub(crate) async fn begin(&mut self) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(database) => database.batch("BEGIN IMMEDIATE"),
            Self::Postgres(database) => database.batch("BEGIN").await,
        }
    }

    /// Ends it; afterwards it is on disk.
    pub(crate) async fn commit(&mut self) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(database) => database.commit().await,
            Self::Postgres(database) => database.batch("COMMIT").await,
        }
    }

    /// Undoes it.
    pub(crate) async fn rollback(&mut self) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(database) => database.batch("ROLLBACK"),
            Self::Postgres(database) => database.batch("ROLLBACK").await,
        }
    }

    /// Brings the tables to the present version, once for each migration.
    pub(crate) async fn migrate(&mut self) -> Result<(), DatabaseError> {
        const MIGRATIONS: [(i64, &str); 1] = [(1, include_str!("../migrations/001_journal.sql"))];
        self.batch("CREATE TABLE IF NOT EXISTS migration (number BIGINT PRIMARY KEY)").await?;
        let newest = self.query("SELECT COALESCE(MAX(number), 0) FROM migration", Vec::new());
        let found = newest.await?.pop().map_or(0, |mut it| it.number());
        let known = MIGRATIONS.iter().map(|(number, _)| *number).max().unwrap_or_default();
        if found > known {
            return Err(DatabaseError::Newer { found, known });
        }
        for (number, sql) in MIGRATIONS {
            let done =
                self.query("SELECT number FROM migration WHERE number = $1", vec![number.into()]);
            if !done.await?.is_empty() {
                continue;
            }
            self.begin().await?;
            self.batch(&self.dialect(sql)).await?;
            self.query("INSERT INTO migration (number) VALUES ($1)", vec![number.into()]).await?;
            self.commit().await?;
        }
        Ok(())
    }

    /// An empty journal in a folder of its own.
    #[cfg(test)]
    pub(crate) async fn empty() -> (Self, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("journal.sqlite").display().to_string();
        let mut database = Self::open(&file, Purpose::Write).await.unwrap();
        database.migrate().await.unwrap();
        (database, folder)
    }

    async fn batch(&mut self, sql: &str) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(database) => database.batch(sql),
            Self::Postgres(database) => database.batch(sql).await,
        }
    }

    /// The statement that writes the folded words of a subject, and its message. They are words as
    /// they are: nothing is left to take apart.
    pub(crate) fn insert_subject(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "INSERT INTO subject (words, id) VALUES ($1, $2)",
            Self::Postgres(_) => "INSERT INTO subject (words, id) VALUES ($1::text::tsvector, $2)",
        }
    }

    /// The words subjects are searched by: every word must be there, each may go on.
    pub(crate) fn search(&self, words: &str) -> (&'static str, String) {
        let words = words.split(' ').filter(|it| !it.is_empty());
        match self {
            Self::Sqlite(_) => {
                let all: Vec<String> = words.map(|it| format!("\"{it}\"*")).collect();
                ("SELECT id FROM subject WHERE subject MATCH ?", all.join(" AND "))
            }
            Self::Postgres(_) => {
                let all: Vec<String> = words.map(|it| format!("'{it}':*")).collect();
                let sql = "SELECT id FROM subject WHERE words @@ ?::text::tsquery";
                (sql, all.join(" & "))
            }
        }
    }

    fn dialect(&self, sql: &str) -> String {
        let (own, text, blob, (serial, number), roomy, whole, keyed) = match self {
            Self::Sqlite(_) => {
                let numbers = (SQLITE_SERIAL, "INTEGER");
                ("--sqlite ", "TEXT", "BLOB", numbers, "", "", " WITHOUT ROWID")
            }
            // Bytes are compared as bytes. Nobody looks for a row by its number. A page keeps room for
            // its rows' next forms. A row that is written once stays in one place while it fits a page.
            Self::Postgres(_) => (
                "--postgres ",
                "TEXT COLLATE \"C\"",
                "BYTEA",
                ("BIGSERIAL NOT NULL", "BIGINT"),
                " WITH (fillfactor = 60)",
                " WITH (toast_tuple_target = 8160)",
                "",
            ),
        };
        sql.replace(own, "")
            .replace("{text}", text)
            .replace("{blob}", blob)
            .replace("{serial}", serial)
            .replace("{number}", number)
            .replace("{roomy}", roomy)
            .replace("{whole}", whole)
            .replace("{keyed}", keyed)
    }
}
