//! SQLite: a file on this machine. The writer's statements take microseconds and run in place;
//! its commit, which waits for the disk, and whatever a reader asks go to a thread of their own.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};
use tokio::task::{JoinError, JoinHandle};

use super::{Batch, DatabaseError, Purpose, Row, Value};

/// A search that takes longer is asked too widely.
const READ_MAX: Duration = Duration::from_secs(10);

/// Whoever may read the file, reads every document.
const OWN: u32 = 0o600;

/// A connection. It is absent only while a thread of its own has it.
#[derive(Debug)]
pub(crate) struct Sqlite {
    connection: Option<Connection>,
    purpose: Purpose,
    /// Held by the journal that writes, so that a second one waits.
    _lock: Option<File>,
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Number(number) => ValueRef::Integer(*number),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Rows by statement and set.
type Answers = Vec<Vec<Vec<Row>>>;

impl Sqlite {
    pub(crate) fn open(path: &Path, purpose: Purpose) -> Result<Self, DatabaseError> {
        let failed = |source| DatabaseError::Sqlite { action: "open", source };
        let (lock, own) = match purpose {
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
        connection.execute_batch(own).map_err(failed)?;
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
        let outcome = self.back(committed.await)?;
        outcome.map_err(|source| DatabaseError::Sqlite { action: "commit", source })
    }

    /// Runs statements, each for its sets.
    pub(crate) async fn run_all(&mut self, steps: &[Batch<'_>]) -> Result<Answers, DatabaseError> {
        match self.purpose {
            Purpose::Write => {
                let connection = self.connection()?;
                steps.iter().map(|(sql, sets)| query_many(connection, sql, sets)).collect()
            }
            Purpose::Read => self.read(steps).await,
        }
    }

    async fn read(&mut self, steps: &[Batch<'_>]) -> Result<Answers, DatabaseError> {
        let own: Vec<_> =
            steps.iter().map(|(sql, sets)| ((*sql).to_owned(), sets.to_vec())).collect();
        let connection = self.connection.take().ok_or(DatabaseError::Gone)?;
        let stop = connection.get_interrupt_handle();
        let mut reading: JoinHandle<_> = tokio::task::spawn_blocking(move || {
            let found: Result<Answers, _> =
                own.iter().map(|(sql, sets)| query_many(&connection, sql, sets)).collect();
            (connection, found)
        });
        let read = match tokio::time::timeout(READ_MAX, &mut reading).await {
            Ok(read) => read,
            Err(_elapsed) => {
                stop.interrupt();
                reading.await
            }
        };
        self.back(read)?
    }

    /// Takes the connection back from a thread.
    fn back<T>(&mut self, joined: Result<(Connection, T), JoinError>) -> Result<T, DatabaseError> {
        let Ok((connection, outcome)) = joined else { return Err(DatabaseError::Gone) };
        self.connection = Some(connection);
        Ok(outcome)
    }
}

/// Makes the file when it is missing, and this journal the only one that writes it.
fn lock(path: &Path) -> Result<File, DatabaseError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let lock = make(&PathBuf::from(beside))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(DatabaseError::Taken),
        Err(TryLockError::Error(source)) => {
            return Err(DatabaseError::File { path: path.to_owned(), source });
        }
    }
    make(path)?;
    Ok(lock)
}

fn make(path: &Path) -> Result<File, DatabaseError> {
    let made = OpenOptions::new().create(true).append(true).mode(OWN).open(path);
    made.map_err(|source| DatabaseError::File { path: path.to_owned(), source })
}

fn query_many(
    connection: &Connection,
    sql: &str,
    sets: &[Vec<Value>],
) -> Result<Vec<Vec<Row>>, DatabaseError> {
    if sets.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |source| DatabaseError::Sqlite { action: "query", source };
    let sql = sql.replace('$', "?");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let columns = statement.column_count();
    let mut answers = Vec::with_capacity(sets.len());
    for set in sets {
        let mut rows = statement.query(params_from_iter(set)).map_err(failed)?;
        let mut answer = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let values = (0..columns).map(|it| row.get_ref(it).map(value));
            answer.push(Row::new(values.collect::<Result<_, _>>().map_err(failed)?));
        }
        answers.push(answer);
    }
    Ok(answers)
}

fn value(of: ValueRef<'_>) -> Value {
    match of {
        ValueRef::Integer(number) => Value::Number(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Null | ValueRef::Real(_) => Value::Number(0),
    }
}
