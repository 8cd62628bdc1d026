//! SQLite: a file on this machine. Statements take microseconds and run in place; only the commit,
//! which waits for the disk, goes to a thread of its own.

use std::path::Path;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::{DatabaseError, Row, Value};

/// A connection. It is absent only while a commit has it.
#[derive(Debug)]
pub(crate) struct Sqlite(Option<Connection>);

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Number(number) => ValueRef::Integer(*number),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl Sqlite {
    pub(crate) fn open(path: &Path) -> Result<Self, DatabaseError> {
        let failed = |source| DatabaseError::Sqlite { action: "open", source };
        let connection = Connection::open(path).map_err(failed)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000;
                 PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536;",
            )
            .map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(100);
        Ok(Self(Some(connection)))
    }

    fn connection(&self) -> Result<&Connection, DatabaseError> {
        self.0.as_ref().ok_or(DatabaseError::Gone)
    }

    pub(crate) fn batch(&self, sql: &str) -> Result<(), DatabaseError> {
        let failed = |source| DatabaseError::Sqlite { action: "batch", source };
        self.connection()?.execute_batch(sql).map_err(failed)
    }

    pub(crate) async fn commit(&mut self) -> Result<(), DatabaseError> {
        let connection = self.0.take().ok_or(DatabaseError::Gone)?;
        let committed = tokio::task::spawn_blocking(move || {
            let outcome = connection.execute_batch("COMMIT");
            (connection, outcome)
        });
        let Ok((connection, outcome)) = committed.await else { return Err(DatabaseError::Gone) };
        self.0 = Some(connection);
        outcome.map_err(|source| DatabaseError::Sqlite { action: "commit", source })
    }

    pub(crate) fn query_many(
        &self,
        sql: &str,
        sets: &[Vec<Value>],
    ) -> Result<Vec<Vec<Row>>, DatabaseError> {
        if sets.is_empty() {
            return Ok(Vec::new());
        }
        let failed = |source| DatabaseError::Sqlite { action: "query", source };
        let sql = sql.replace('$', "?");
        let mut statement = self.connection()?.prepare_cached(&sql).map_err(failed)?;
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
}

fn value(of: ValueRef<'_>) -> Value {
    match of {
        ValueRef::Integer(number) => Value::Number(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Null | ValueRef::Real(_) => Value::Number(0),
    }
}
