//! PostgreSQL: many sets of parameters go out as one statement over arrays, or as one copy, so a
//! batch costs one trip and one execution.

use std::collections::HashMap;
use std::error::Error;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use futures::SinkExt as _;
use futures::future::try_join_all;
use tokio::task::JoinSet;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls, Statement};

use super::copy;
use super::widen::widen;
use super::{Batch, DatabaseError, Purpose, Row, Value};

/// Held by the journal that writes, so that a second one waits.
const LOCK: i64 = 0x4c54_4a4e_4c01;

/// Sets of one statement; more go out as several.
const SETS_MAX: usize = 512;

/// Bytes of one statement's parameters, so that a batch of large bodies stays bounded.
const BYTES_MAX: usize = 8 << 20;

/// Prepared statements that are kept. Searches are put together from parts, so their number is
/// bounded but not tiny.
const STATEMENTS_MAX: usize = 200;

/// The writer looks rows up by their keys, always. Its plans are made while tables are small and
/// kept while they grow, so they must not be those that suit small tables.
const WRITER: &str = "SET synchronous_commit = on; SET statement_timeout = '30s'; SET jit = off; \
     SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
     SET enable_hashjoin = off; SET enable_mergejoin = off";

/// A search that takes longer is asked too widely.
const READER: &str = "SET default_transaction_read_only = on; SET statement_timeout = '10s'; \
     SET jit = off; SET plan_cache_mode = force_custom_plan";

/// A connection.
#[derive(Debug)]
pub(crate) struct Postgres {
    client: Client,
    statements: HashMap<String, Statement>,
    _connection: JoinSet<()>,
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Text(text) => text.to_sql(kind, out),
            Self::Number(number) => number.to_sql(kind, out),
            Self::Bytes(bytes) => bytes.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        [Type::TEXT, Type::VARCHAR, Type::INT8, Type::BYTEA].contains(kind)
    }

    to_sql_checked!();
}

fn failed(action: &'static str) -> impl Fn(tokio_postgres::Error) -> DatabaseError {
    move |source| DatabaseError::Postgres { action, source }
}

impl Postgres {
    pub(crate) async fn connect(address: &str, purpose: Purpose) -> Result<Self, DatabaseError> {
        let (client, connection) =
            tokio_postgres::connect(address, NoTls).await.map_err(failed("connect"))?;
        let mut running = JoinSet::new();
        running.spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "database connection ended");
            }
        });
        let set = match purpose {
            Purpose::Write => WRITER,
            Purpose::Read => READER,
        };
        client.batch_execute(set).await.map_err(failed("settings"))?;
        Ok(Self { client, statements: HashMap::new(), _connection: running })
    }

    /// Makes this the only journal that writes.
    pub(crate) async fn lock(&mut self) -> Result<(), DatabaseError> {
        let sql = "SELECT CASE WHEN pg_try_advisory_lock($1) THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END";
        let sets = [vec![LOCK.into()]];
        let answer = self.run_all(&[(sql, &sets)]).await?;
        let row = answer.into_iter().flatten().flatten().next();
        let held = row.is_some_and(|mut it| it.number() == 1);
        if held { Ok(()) } else { Err(DatabaseError::Taken) }
    }

    pub(crate) async fn batch(&self, sql: &str) -> Result<(), DatabaseError> {
        self.client.batch_execute(sql).await.map_err(failed("batch"))
    }

    /// Runs statements, each for its sets, in one trip, or in few: for each statement its sets'
    /// rows.
    pub(crate) async fn run_all(
        &mut self,
        steps: &[Batch<'_>],
    ) -> Result<Vec<Vec<Vec<Row>>>, DatabaseError> {
        let mut ready = Vec::with_capacity(steps.len());
        for (sql, sets) in steps {
            ready.push(self.ready(sql, sets).await?);
        }
        let client = &self.client;
        let mut found = Vec::with_capacity(ready.len());
        // A copy goes alone: the client library cannot begin one behind a statement that failed.
        for together in ready.chunk_by(|one, next| !one.is_copy() && !next.is_copy()) {
            // Each of them is sent when it is first looked at, which is in this order, and the
            // server works on them in this order.
            let asked = together.iter().map(|it| it.ask(client));
            found.extend(try_join_all(asked).await.map_err(failed("query"))?);
        }
        ready.iter().zip(found).map(|(it, rows)| it.answers(rows)).collect()
    }

    async fn ready<'a>(
        &mut self,
        sql: &str,
        sets: &'a [Vec<Value>],
    ) -> Result<Ready<'a>, DatabaseError> {
        if sets.len() >= copy::ROWS_MIN
            && let Some(copy) = copy::copy(sql)
        {
            return Ok(Ready::Copy { statement: self.statement(&copy).await?, sets });
        }
        let statement = self.statement(sql).await?;
        if sets.len() > 1
            && let Some(wide) = widen(sql, statement.params())
        {
            let statement = self.statement(&wide).await?;
            return Ok(Ready::Query { statement, is_wide: true, parts: parts(sets) });
        }
        Ok(Ready::Query { statement, is_wide: false, parts: sets.chunks(1).collect() })
    }

    async fn statement(&mut self, sql: &str) -> Result<Statement, DatabaseError> {
        if let Some(known) = self.statements.get(sql) {
            return Ok(known.clone());
        }
        let statement = self.client.prepare(sql).await.map_err(failed("prepare"))?;
        if self.statements.len() >= STATEMENTS_MAX {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

/// What is to be run, and for how many sets.
#[derive(Debug)]
enum Ready<'a> {
    /// A statement for parts of the sets; a wide one takes a whole part at once.
    Query { statement: Statement, is_wide: bool, parts: Vec<&'a [Vec<Value>]> },
    /// Rows that are only written.
    Copy { statement: Statement, sets: &'a [Vec<Value>] },
}

impl Ready<'_> {
    const fn is_copy(&self) -> bool {
        matches!(self, Self::Copy { .. })
    }

    async fn ask(
        &self,
        client: &Client,
    ) -> Result<Vec<Vec<tokio_postgres::Row>>, tokio_postgres::Error> {
        match self {
            Self::Query { statement, is_wide: true, parts } => {
                let asked = parts.iter().map(|part| async move {
                    let columns = columns(part);
                    let values: Vec<&(dyn ToSql + Sync)> =
                        columns.iter().map(|it| &**it as &(dyn ToSql + Sync)).collect();
                    client.query(statement, &values).await
                });
                try_join_all(asked).await
            }
            Self::Query { statement, is_wide: false, parts } => {
                let asked = parts.iter().map(|part| async move {
                    let values: Vec<&(dyn ToSql + Sync)> =
                        part.iter().flatten().map(|it| it as &(dyn ToSql + Sync)).collect();
                    client.query(statement, &values).await
                });
                try_join_all(asked).await
            }
            Self::Copy { statement, sets } => {
                let mut sink = pin!(client.copy_in::<_, Bytes>(statement).await?);
                for piece in copy::pieces(sets) {
                    sink.send(piece).await?;
                }
                sink.finish().await?;
                Ok(Vec::new())
            }
        }
    }

    /// Rows by set.
    fn answers(
        &self,
        found: Vec<Vec<tokio_postgres::Row>>,
    ) -> Result<Vec<Vec<Row>>, DatabaseError> {
        let (parts, is_wide) = match self {
            Self::Query { parts, is_wide, .. } => (parts, *is_wide),
            Self::Copy { sets, .. } => return Ok(vec![Vec::new(); sets.len()]),
        };
        let mut answers = Vec::new();
        for (part, rows) in parts.iter().zip(found) {
            let begin = answers.len();
            answers.resize_with(begin + part.len(), Vec::new);
            for it in &rows {
                let of = set(it, is_wide)?;
                let answer: &mut Vec<Row> =
                    answers.get_mut(begin + of).ok_or(DatabaseError::Gone)?;
                answer.push(row(it, usize::from(is_wide))?);
            }
        }
        Ok(answers)
    }
}

/// Which set a row belongs to; a wide statement says so first.
fn set(row: &tokio_postgres::Row, is_wide: bool) -> Result<usize, DatabaseError> {
    if !is_wide {
        return Ok(0);
    }
    let number: i64 = row.try_get(0).map_err(failed("read"))?;
    Ok(usize::try_from(number - 1).unwrap_or_default())
}

/// Sets in parts that are each bounded.
fn parts(sets: &[Vec<Value>]) -> Vec<&[Vec<Value>]> {
    let mut parts = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (place, set) in sets.iter().enumerate() {
        let size: usize = set.iter().map(Value::size).sum();
        if place > begin && (place - begin >= SETS_MAX || bytes + size > BYTES_MAX) {
            parts.push(&sets[begin..place]);
            (begin, bytes) = (place, 0);
        }
        bytes += size;
    }
    parts.push(&sets[begin..]);
    parts
}

/// The sets turned: one array a parameter.
fn columns(sets: &[Vec<Value>]) -> Vec<Box<dyn ToSql + Sync + Send + '_>> {
    let width = sets.first().map_or(0, Vec::len);
    (0..width)
        .map(|column| -> Box<dyn ToSql + Sync + Send + '_> {
            let of = sets.iter().filter_map(move |set| set.get(column));
            match sets.first().and_then(|set| set.get(column)) {
                Some(Value::Number(_)) => Box::new(of.map(Value::number).collect::<Vec<i64>>()),
                Some(Value::Bytes(_)) => Box::new(of.map(Value::bytes).collect::<Vec<&[u8]>>()),
                Some(Value::Text(_)) | None => Box::new(of.map(Value::text).collect::<Vec<&str>>()),
            }
        })
        .collect()
}

fn row(from: &tokio_postgres::Row, begin: usize) -> Result<Row, DatabaseError> {
    let mut values = Vec::with_capacity(from.len());
    for (place, column) in from.columns().iter().enumerate().skip(begin) {
        let failed = failed("read");
        values.push(if *column.type_() == Type::BYTEA {
            Value::Bytes(from.try_get(place).map_err(failed)?)
        } else if *column.type_() == Type::INT8 {
            Value::Number(
                from.try_get::<_, Option<i64>>(place).map_err(failed)?.unwrap_or_default(),
            )
        } else {
            Value::Text(from.try_get(place).map_err(failed)?)
        });
    }
    Ok(Row::new(values))
}
