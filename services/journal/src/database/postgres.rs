//! PostgreSQL: many executions of a statement go out as one statement over arrays, or as one copy,
//! so a batch costs one round trip and one execution.

use std::collections::HashMap;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures::future::try_join_all;
use tokio::task::JoinSet;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls, Statement};

use super::address::{DatabaseAddress, ServerAddress};
use super::error::DatabaseError;
use super::purpose::Purpose;
use super::row::{Batch, Parameters, Row, Value};
use super::widen::{copy_statement, widen};

/// Key of the advisory lock that the writing journal holds. The session of the lock is also the one
/// that writes, so a journal that lost the lock cannot write any more.
const LOCK: i64 = 0x4c54_4a4e_4c01;

/// Has the server end the writer's session, and with it the lock, when its client is gone without
/// having closed the connection: TCP keepalives are not acknowledged for 3 s, or the session is
/// silent for 3.5 s although the writer pings every 0.5 s. The latter also holds when a proxy keeps
/// the connection open, and when the process is stopped. Inside a transaction silence may last 10 s,
/// because a large group is worked on without asking the server. PostgreSQL 13 has only keepalives.
const LOCK_SESSION_SETTINGS: &str = "SELECT set_config(wanted.name, wanted.value, false) \
     FROM (VALUES ('tcp_keepalives_idle', '1'), ('tcp_keepalives_interval', '1'), \
     ('tcp_keepalives_count', '2'), ('tcp_user_timeout', '3000'), \
     ('client_connection_check_interval', '1000'), ('idle_session_timeout', '3500'), \
     ('idle_in_transaction_session_timeout', '10000')) AS wanted (name, value) \
     JOIN pg_settings USING (name)";

/// The longest a connection may take to open.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Executions that one wide statement stands for; more go out as several statements.
const SETS_MAX: usize = 512;

/// Bytes of one statement's parameters, so that a batch of large bodies stays bounded.
const BYTES_MAX: usize = 8 << 20;

/// Rows from which on an insert becomes a `COPY`. A copy costs one more round trip, so few rows are
/// inserted.
const COPY_ROWS_MIN: usize = 16;

/// Prepared statements that are cached. Searches are composed of parts, so their number is bounded
/// but not tiny.
const STATEMENTS_MAX: usize = 200;

/// The writer looks rows up by their keys only. Its plans are made while tables are small and kept
/// while they grow, so plans that suit small tables are forbidden.
const WRITER_SETTINGS: &str = "SET synchronous_commit = on; SET statement_timeout = '30s'; SET jit = off; \
     SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
     SET enable_hashjoin = off; SET enable_mergejoin = off";

/// A search that takes longer than the timeout is too wide.
const READER_SETTINGS: &str = "SET default_transaction_read_only = on; SET statement_timeout = '10s'; \
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
            Self::Null | Self::Foreign => Ok(IsNull::Yes),
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

/// Runs a connection, and logs its end.
async fn report_end(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        tracing::warn!(%error, "database connection ended");
    }
}

impl Postgres {
    pub(crate) async fn connect(
        address: &DatabaseAddress,
        purpose: Purpose,
    ) -> Result<Self, DatabaseError> {
        let ServerAddress { mut config, is_encrypted } = address.server()?;
        // Without these a server whose host is gone would be waited for until TCP gives up, hours.
        config
            .connect_timeout(CONNECT_MAX)
            .keepalives_idle(Duration::from_secs(1))
            .keepalives_interval(Duration::from_secs(1))
            .keepalives_retries(2)
            .tcp_user_timeout(Duration::from_secs(4));
        let mut running = JoinSet::new();
        let client = if is_encrypted {
            let connected = config.connect(address.encryption()?).await;
            let (client, connection) = connected.map_err(failed("connect"))?;
            running.spawn(report_end(connection));
            client
        } else {
            let (client, connection) = config.connect(NoTls).await.map_err(failed("connect"))?;
            running.spawn(report_end(connection));
            client
        };
        let settings = match purpose {
            Purpose::Write => WRITER_SETTINGS,
            Purpose::Read => READER_SETTINGS,
        };
        client.batch_execute(settings).await.map_err(failed("settings"))?;
        Ok(Self { client, statements: HashMap::new(), _connection: running })
    }

    /// Makes this the only journal that writes; false while another session holds the lock.
    pub(crate) async fn try_lock(&mut self) -> Result<bool, DatabaseError> {
        let sql = "SELECT pg_try_advisory_lock($1) AS is_locked";
        let row = self.client.query_one(sql, &[&LOCK]).await.map_err(failed("lock"))?;
        row.try_get("is_locked").map_err(failed("lock"))
    }

    /// Applies [`LOCK_SESSION_SETTINGS`]. From now on this session must not be silent for long.
    pub(crate) async fn expire_lock(&self) -> Result<(), DatabaseError> {
        self.batch(LOCK_SESSION_SETTINGS).await
    }

    pub(crate) async fn batch(&self, sql: &str) -> Result<(), DatabaseError> {
        self.client.batch_execute(sql).await.map_err(failed("batch"))
    }

    /// Runs statements, each for its parameters, in one round trip, or in few: the rows of each
    /// statement, by execution.
    pub(crate) async fn run_all(
        &mut self,
        steps: &[Batch<'_>],
    ) -> Result<Vec<Vec<Vec<Row>>>, DatabaseError> {
        let mut prepared = Vec::with_capacity(steps.len());
        for (sql, sets) in steps {
            prepared.push(self.prepare(sql, sets).await?);
        }
        let client = &self.client;
        let mut found = Vec::with_capacity(prepared.len());
        // A copy goes alone. When the server refuses to begin one, tokio-postgres 0.7 has already
        // sent the Sync of the statement and sends a second one, so the answers of whatever was
        // pipelined behind it would be matched with the wrong statements.
        for pipelined in prepared.chunk_by(|one, next| !one.is_copy() && !next.is_copy()) {
            // A statement is sent when its future is first polled, which is in this order, and the
            // server runs them in this order.
            let running = pipelined.iter().map(|it| it.run(client));
            found.extend(try_join_all(running).await?);
        }
        prepared.iter().zip(found).map(|(it, rows)| it.results(&rows)).collect()
    }

    async fn prepare<'a>(
        &mut self,
        sql: &str,
        sets: &'a [Parameters],
    ) -> Result<Prepared<'a>, DatabaseError> {
        if sets.len() >= COPY_ROWS_MIN
            && let Some(copy) = copy_statement(sql)
        {
            return Ok(Prepared::Copy { statement: self.statement(&copy).await?, sets });
        }
        let statement = self.statement(sql).await?;
        if sets.len() > 1
            && let Some(wide) = widen(sql, statement.params())
        {
            let statement = self.statement(&wide).await?;
            return Ok(Prepared::Query { statement, is_wide: true, parts: parts(sets) });
        }
        Ok(Prepared::Query { statement, is_wide: false, parts: sets.chunks(1).collect() })
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

/// A prepared statement and the parameters of its executions.
#[derive(Debug)]
enum Prepared<'a> {
    /// A statement for parts of the sets; a wide one takes a whole part at once.
    Query { statement: Statement, is_wide: bool, parts: Vec<&'a [Parameters]> },
    /// Rows that are only inserted.
    Copy { statement: Statement, sets: &'a [Parameters] },
}

impl Prepared<'_> {
    const fn is_copy(&self) -> bool {
        matches!(self, Self::Copy { .. })
    }

    async fn run(&self, client: &Client) -> Result<Vec<Vec<tokio_postgres::Row>>, DatabaseError> {
        match self {
            Self::Query { statement, is_wide: true, parts } => {
                let running = parts.iter().map(|part| async move {
                    let columns = columns(part);
                    let values: Vec<&(dyn ToSql + Sync)> =
                        columns.iter().map(|it| &**it as &(dyn ToSql + Sync)).collect();
                    client.query(statement, &values).await
                });
                try_join_all(running).await.map_err(failed("query"))
            }
            Self::Query { statement, is_wide: false, parts } => {
                let running = parts.iter().map(|part| async move {
                    let values: Vec<&(dyn ToSql + Sync)> =
                        part.iter().flatten().map(|it| it as &(dyn ToSql + Sync)).collect();
                    client.query(statement, &values).await
                });
                try_join_all(running).await.map_err(failed("query"))
            }
            Self::Copy { statement, sets } => {
                copy(client, statement, sets).await.map_err(failed("copy"))?;
                Ok(Vec::new())
            }
        }
    }

    /// Rows by execution.
    fn results(&self, found: &[Vec<tokio_postgres::Row>]) -> Result<Vec<Vec<Row>>, DatabaseError> {
        let (statement, parts, is_wide) = match self {
            Self::Query { statement, parts, is_wide } => (statement, parts, *is_wide),
            Self::Copy { sets, .. } => return Ok(vec![Vec::new(); sets.len()]),
        };
        let skipped = usize::from(is_wide);
        let names = statement.columns().iter().skip(skipped).map(|it| it.name().to_owned());
        let names: Arc<[String]> = names.collect();
        let mut results = Vec::new();
        for (part, rows) in parts.iter().zip(found) {
            let begin = results.len();
            results.resize_with(begin + part.len(), Vec::new);
            for it in rows {
                let set = begin + set_of(it, is_wide)?;
                let found: &mut Vec<Row> = results.get_mut(set).ok_or(DatabaseError::Gone)?;
                found.push(Row::new(&names, values(it, skipped)?));
            }
        }
        Ok(results)
    }
}

/// Inserts rows by `COPY` in its binary format: the server stores each row as it comes, where an
/// insert of arrays builds all of them first.
async fn copy(
    client: &Client,
    statement: &Statement,
    sets: &[Parameters],
) -> Result<(), tokio_postgres::Error> {
    let types: Vec<Type> = sets.first().into_iter().flatten().map(type_of).collect();
    let sink = client.copy_in(statement).await?;
    let mut rows = pin!(BinaryCopyInWriter::new(sink, &types));
    for set in sets {
        rows.as_mut().write_raw(set).await?;
    }
    rows.finish().await.map(drop)
}

fn type_of(value: &Value) -> Type {
    match value {
        Value::Number(_) => Type::INT8,
        Value::Bytes(_) => Type::BYTEA,
        Value::Text(_) | Value::Null | Value::Foreign => Type::TEXT,
    }
}

/// The execution that a row belongs to; a wide statement returns it as its first column.
fn set_of(row: &tokio_postgres::Row, is_wide: bool) -> Result<usize, DatabaseError> {
    if !is_wide {
        return Ok(0);
    }
    let number: i64 = row.try_get(0).map_err(failed("read"))?;
    usize::try_from(number - 1).map_err(|_negative| DatabaseError::Gone)
}

/// Sets in parts, each bounded by count and bytes.
fn parts(sets: &[Parameters]) -> Vec<&[Parameters]> {
    let mut parts = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (index, set) in sets.iter().enumerate() {
        let size: usize = set.iter().map(Value::size).sum();
        if index > begin && (index - begin >= SETS_MAX || bytes + size > BYTES_MAX) {
            parts.push(&sets[begin..index]);
            (begin, bytes) = (index, 0);
        }
        bytes += size;
    }
    parts.push(&sets[begin..]);
    parts
}

/// The sets transposed: one array for each parameter.
fn columns(sets: &[Parameters]) -> Vec<Box<dyn ToSql + Sync + Send + '_>> {
    let width = sets.first().map_or(0, Vec::len);
    (0..width)
        .map(|column| -> Box<dyn ToSql + Sync + Send + '_> {
            let of = sets.iter().filter_map(move |set| set.get(column));
            match sets.first().and_then(|set| set.get(column)) {
                Some(Value::Number(_)) => Box::new(of.map(Value::as_number).collect::<Vec<i64>>()),
                Some(Value::Bytes(_)) => Box::new(of.map(Value::as_bytes).collect::<Vec<&[u8]>>()),
                Some(Value::Text(_) | Value::Null | Value::Foreign) | None => {
                    Box::new(of.map(Value::as_text).collect::<Vec<&str>>())
                }
            }
        })
        .collect()
}

fn values(row: &tokio_postgres::Row, skipped: usize) -> Result<Vec<Value>, DatabaseError> {
    let columns = row.columns().iter().enumerate().skip(skipped);
    let value = |(index, column): (usize, &tokio_postgres::Column)| {
        Ok(if *column.type_() == Type::BYTEA {
            row.try_get::<_, Option<Vec<u8>>>(index)?.map(Value::Bytes)
        } else if *column.type_() == Type::INT8 {
            row.try_get::<_, Option<i64>>(index)?.map(Value::Number)
        } else {
            row.try_get::<_, Option<String>>(index)?.map(Value::Text)
        }
        .unwrap_or(Value::Null))
    };
    columns.map(value).collect::<Result<_, _>>().map_err(failed("read"))
}
