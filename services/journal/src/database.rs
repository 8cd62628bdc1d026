//! A database with one connection, inside or outside a transaction.
//!
//! A statement is written once, with parameters `$1`, `$2` …. In migrations `{text}`, `{blob}`,
//! `{serial}`, `{number}`, `{updated}`, `{uncompressed}` and `{clustered}` stand for what the two
//! databases spell differently, and a line that begins with `--sqlite ` or `--postgres ` is for
//! that database only.

pub(crate) mod address;
pub(crate) mod certificate;
pub(crate) mod error;
mod postgres;
pub(crate) mod purpose;
pub(crate) mod row;
mod sqlite;
mod widen;

use std::path::Path;

use self::address::DatabaseAddress;
use self::error::DatabaseError;
use self::postgres::Postgres;
use self::purpose::Purpose;
use self::row::{Batch, Parameters, Row};
use self::sqlite::Sqlite;

/// A connection to one of the two databases.
#[derive(Debug)]
pub(crate) enum Database {
    /// A file on this machine.
    Sqlite(Sqlite),
    /// A server.
    Postgres(Postgres),
}

impl Database {
    /// Opens a file, or a server when the address is `postgres://…`.
    pub(crate) async fn open(
        address: &DatabaseAddress,
        purpose: Purpose,
    ) -> Result<Self, DatabaseError> {
        if address.is_server() {
            return Ok(Self::Postgres(Postgres::connect(address, purpose).await?));
        }
        Ok(Self::Sqlite(Sqlite::open(Path::new(address.database.reveal()), purpose)?))
    }

    /// Makes this the only journal that writes; false while another one is. Opening an SQLite file
    /// for writing has locked it.
    pub(crate) async fn try_lock(&mut self) -> Result<bool, DatabaseError> {
        match self {
            Self::Sqlite(_) => Ok(true),
            Self::Postgres(database) => database.try_lock().await,
        }
    }

    /// Has the server release the lock soon after this process stops pinging. The lock of an SQLite
    /// file ends with its process.
    pub(crate) async fn expire_lock(&mut self) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(database) => database.expire_lock().await,
        }
    }

    /// Asks the server for nothing but an answer; an SQLite file has no server.
    pub(crate) async fn ping(&mut self) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(database) => database.batch("SELECT 1").await,
        }
    }

    /// Runs a statement once for each set of parameters: the rows, set by set.
    pub(crate) async fn query_many(
        &mut self,
        sql: &str,
        sets: Vec<Parameters>,
    ) -> Result<Vec<Vec<Row>>, DatabaseError> {
        let found = self.run_all(&[(sql, &sets)]).await?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    /// Runs several statements, one after the other, in one round trip.
    pub(crate) async fn run_all(
        &mut self,
        steps: &[Batch<'_>],
    ) -> Result<Vec<Vec<Vec<Row>>>, DatabaseError> {
        if steps.iter().all(|(_, sets)| sets.is_empty()) {
            return Ok(vec![Vec::new(); steps.len()]);
        }
        for (sql, _) in steps.iter().filter(|(_, sets)| !sets.is_empty()) {
            // A test collects these events, and asks both databases for each statement's plan.
            tracing::trace!(target: "journal::statement", sql, "statement is run");
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
        set: Parameters,
    ) -> Result<Vec<Row>, DatabaseError> {
        Ok(self.query_many(sql, vec![set]).await?.pop().unwrap_or_default())
    }

    /// Runs a statement that returns one number as `number`; 0 where it returns no row.
    pub(crate) async fn query_number(
        &mut self,
        sql: &str,
        (table, column): (&'static str, &'static str),
    ) -> Result<i64, DatabaseError> {
        let Some(mut row) = self.query(sql, Vec::new()).await?.pop() else { return Ok(0) };
        Ok(row.number("number").map_err(|_column| error::Corrupt::new(table, "all", column))?)
    }

    /// Begins a transaction.
    pub(crate) async fn begin(&mut self) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(database) => database.batch("BEGIN IMMEDIATE"),
            Self::Postgres(database) => database.batch("BEGIN").await,
        }
    }

    /// Commits the transaction; afterwards it is on disk.
    pub(crate) async fn commit(&mut self) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(database) => database.commit().await,
            Self::Postgres(database) => database.batch("COMMIT").await,
        }
    }

    /// Rolls the transaction back.
    pub(crate) async fn rollback(&mut self) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(database) => database.batch("ROLLBACK"),
            Self::Postgres(database) => database.batch("ROLLBACK").await,
        }
    }

    /// Brings the tables to the present version; each migration runs once.
    pub(crate) async fn migrate(&mut self) -> Result<(), DatabaseError> {
        const MIGRATIONS: [(i64, &str); 3] = [
            (1, include_str!("../migrations/001_journal.sql")),
            (2, include_str!("../migrations/002_operator_action.sql")),
            (3, include_str!("../migrations/003_format_version.sql")),
        ];
        self.batch("CREATE TABLE IF NOT EXISTS migration (number BIGINT PRIMARY KEY)").await?;
        let newest = "SELECT COALESCE(MAX(number), 0) AS number FROM migration";
        let found = self.query_number(newest, ("migration", "number")).await?;
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

    /// An empty journal in a directory of its own.
    #[cfg(test)]
    pub(crate) async fn empty() -> (Self, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("journal.sqlite").display().to_string();
        let database = chassis::secret::SecretUrl::new(file);
        let address = DatabaseAddress { database, tls: tls::ClientTlsSettings::default() };
        let mut database = Self::open(&address, Purpose::Write).await.unwrap();
        database.migrate().await.unwrap();
        (database, directory)
    }

    pub(crate) async fn batch(&mut self, sql: &str) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(database) => database.batch(sql),
            Self::Postgres(database) => database.batch(sql).await,
        }
    }

    /// The statement that inserts the folded words of a subject and its message's id. The words are
    /// cast to `tsvector` as they are, because a parser would split or drop some.
    pub(crate) fn insert_subject(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "INSERT INTO subject (words, id) VALUES ($1, $2)",
            Self::Postgres(_) => "INSERT INTO subject (words, id) VALUES ($1::text::tsvector, $2)",
        }
    }

    /// The full-text condition for words: every word must occur, each as the beginning of a word.
    pub(crate) fn full_text_query(&self, words: &[String]) -> (&'static str, String) {
        let words = words.iter();
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

    /// The condition that the encoded fault of a row `s` contains some bytes.
    pub(crate) fn fault_contains(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "instr(s.fault, ?) > 0",
            Self::Postgres(_) => "position(?::bytea IN s.fault) > 0",
        }
    }

    fn dialect(&self, sql: &str) -> String {
        /// AUTOINCREMENT never gives a number again, even after rows were deleted.
        const SQLITE_SERIAL: &str = "INTEGER PRIMARY KEY AUTOINCREMENT";
        let spellings: [(&str, &str); 8] = match self {
            Self::Sqlite(_) => [
                ("--sqlite ", ""),
                ("{text}", "TEXT"),
                ("{blob}", "BLOB"),
                ("{serial}", SQLITE_SERIAL),
                ("{number}", "INTEGER"),
                ("{updated}", ""),
                ("{uncompressed}", ""),
                ("{clustered}", " WITHOUT ROWID"),
            ],
            // Text compares by bytes, as in SQLite. Pages of updated rows keep room for the next
            // version of each row. Rows written once stay uncompressed in their page while they
            // fit.
            Self::Postgres(_) => [
                ("--postgres ", ""),
                ("{text}", "TEXT COLLATE \"C\""),
                ("{blob}", "BYTEA"),
                ("{serial}", "BIGSERIAL NOT NULL"),
                ("{number}", "BIGINT"),
                ("{updated}", " WITH (fillfactor = 60)"),
                ("{uncompressed}", " WITH (toast_tuple_target = 8160)"),
                ("{clustered}", ""),
            ],
        };
        spellings.into_iter().fold(sql.to_owned(), |sql, (name, own)| sql.replace(name, own))
    }
}
