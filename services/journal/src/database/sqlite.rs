//! SQLite: a file on this machine. The writer's statements take microseconds and run in place; its
//! commit waits for the disk, and a reader's search may be long, so these run on a blocking thread.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};
use tokio::task::{JoinError, JoinHandle};

use super::error::DatabaseError;
use super::purpose::Purpose;
use super::row::{Batch, Parameters, Row, Value};

/// A search that takes longer is too wide, and is interrupted.
const READ_MAX: Duration = Duration::from_secs(10);

/// Reading the file is reading every document, so only its owner may.
const OWNER_ONLY: u32 = 0o600;

/// A connection. `connection` is absent only while a blocking thread uses it.
#[derive(Debug)]
pub(crate) struct Sqlite {
    connection: Option<Connection>,
    purpose: Purpose,
    /// The lock file, locked by the journal that writes.
    _lock: Option<File>,
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Number(number) => ValueRef::Integer(*number),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
            Self::Null | Self::Foreign => ValueRef::Null,
        }))
    }
}

/// Rows by statement and execution.
type Results = Vec<Vec<Vec<Row>>>;

impl Sqlite {
    pub(crate) fn open(path: &Path, purpose: Purpose) -> Result<Self, DatabaseError> {
        let failed = |source| DatabaseError::Sqlite { action: "open", source };
        let (lock, query_only) = match purpose {
            Purpose::Write => (Some(lock(path)?), "PRAGMA query_only = OFF"),
            Purpose::Read => (None, "PRAGMA query_only = ON"),
        };
        let connection = Connection::open(path).map_err(failed)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000;
                 PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536;",
            )
            .map_err(failed)?;
        connection.execute_batch(query_only).map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(100);
        Ok(Self { connection: Some(connection), purpose, _lock: lock })
    }

    fn connection(&self) -> Result<&Connection, DatabaseError> {
        self.connection.as_ref().ok_or(DatabaseError::Gone)
    }

    pub(crate) fn batch(&self, sql: &str) -> Result<(), DatabaseError> {
        let failed = |source| DatabaseError::Sqlite { action: "batch", source };
        self.connection()?.execute_batch(sql).map_err(failed)
    }

    pub(crate) async fn commit(&mut self) -> Result<(), DatabaseError> {
        let connection = self.connection.take().ok_or(DatabaseError::Gone)?;
        let committed = tokio::task::spawn_blocking(move || {
            let outcome = connection.execute_batch("COMMIT");
            (connection, outcome)
        });
        let outcome = self.restore(committed.await)?;
        outcome.map_err(|source| DatabaseError::Sqlite { action: "commit", source })
    }

    /// Runs statements, each for its parameters.
    pub(crate) async fn run_all(&mut self, steps: &[Batch<'_>]) -> Result<Results, DatabaseError> {
        match self.purpose {
            Purpose::Write => {
                let connection = self.connection()?;
                steps.iter().map(|(sql, sets)| query_many(connection, sql, sets)).collect()
            }
            Purpose::Read => self.read(steps).await,
        }
    }

    async fn read(&mut self, steps: &[Batch<'_>]) -> Result<Results, DatabaseError> {
        let owned: Vec<_> =
            steps.iter().map(|(sql, sets)| ((*sql).to_owned(), sets.to_vec())).collect();
        let connection = self.connection.take().ok_or(DatabaseError::Gone)?;
        let interrupt = connection.get_interrupt_handle();
        let mut reading: JoinHandle<_> = tokio::task::spawn_blocking(move || {
            let found: Result<Results, _> =
                owned.iter().map(|(sql, sets)| query_many(&connection, sql, sets)).collect();
            (connection, found)
        });
        let read = match tokio::time::timeout(READ_MAX, &mut reading).await {
            Ok(read) => read,
            Err(_elapsed) => {
                interrupt.interrupt();
                reading.await
            }
        };
        self.restore(read)?
    }

    /// Takes the connection back from a blocking thread.
    fn restore<T>(
        &mut self,
        joined: Result<(Connection, T), JoinError>,
    ) -> Result<T, DatabaseError> {
        let Ok((connection, outcome)) = joined else { return Err(DatabaseError::Gone) };
        self.connection = Some(connection);
        Ok(outcome)
    }
}

/// Creates the file when it is missing, and locks it against a second journal.
fn lock(path: &Path) -> Result<File, DatabaseError> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock = create(&PathBuf::from(lock_path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(DatabaseError::Taken),
        Err(TryLockError::Error(source)) => {
            return Err(DatabaseError::File { path: path.to_owned(), source });
        }
    }
    create(path)?;
    Ok(lock)
}

fn create(path: &Path) -> Result<File, DatabaseError> {
    let file = OpenOptions::new().create(true).append(true).mode(OWNER_ONLY).open(path);
    file.map_err(|source| DatabaseError::File { path: path.to_owned(), source })
}

fn query_many(
    connection: &Connection,
    sql: &str,
    sets: &[Parameters],
) -> Result<Vec<Vec<Row>>, DatabaseError> {
    if sets.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |source| DatabaseError::Sqlite { action: "query", source };
    let sql = sql.replace('$', "?");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let names: Arc<[String]> = statement.column_names().map(str::to_owned).collect();
    let mut results = Vec::with_capacity(sets.len());
    for set in sets {
        let mut rows = statement.query(params_from_iter(set)).map_err(failed)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let values = (0..names.len()).map(|it| row.get_ref(it).map(value));
            found.push(Row::new(&names, values.collect::<Result<_, _>>().map_err(failed)?));
        }
        results.push(found);
    }
    Ok(results)
}

fn value(of: ValueRef<'_>) -> Value {
    match of {
        ValueRef::Integer(number) => Value::Number(number),
        ValueRef::Text(text) => {
            std::str::from_utf8(text).map_or(Value::Foreign, |it| Value::Text(it.to_owned()))
        }
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Null => Value::Null,
        ValueRef::Real(_) => Value::Foreign,
    }
}
