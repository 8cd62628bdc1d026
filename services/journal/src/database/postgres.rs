//! PostgreSQL: sets of parameters go out together and are awaited together, so a batch costs one
//! trip.

use std::collections::HashMap;
use std::error::Error;

use bytes::BytesMut;
use futures::future::try_join_all;
use tokio::task::JoinSet;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls, Statement};

use super::{DatabaseError, Row, Value};

/// Held by the journal that writes, so that a second one waits.
const LOCK: i64 = 0x4c54_4a4e_4c01;

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
    pub(crate) async fn connect(address: &str) -> Result<Self, DatabaseError> {
        let (client, connection) =
            tokio_postgres::connect(address, NoTls).await.map_err(failed("connect"))?;
        let mut running = JoinSet::new();
        running.spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "database connection ended");
            }
        });
        let set = "SET synchronous_commit = on; SET statement_timeout = '30s'";
        client.batch_execute(set).await.map_err(failed("settings"))?;
        Ok(Self { client, statements: HashMap::new(), _connection: running })
    }

    /// Makes this the only journal that writes.
    pub(crate) async fn lock(&mut self) -> Result<(), DatabaseError> {
        let sql = "SELECT CASE WHEN pg_try_advisory_lock($1) THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END";
        let mut answer = self.query_many(sql, &[vec![LOCK.into()]]).await?;
        let held = answer.pop().and_then(|mut it| it.pop()).is_some_and(|mut it| it.number() == 1);
        if held { Ok(()) } else { Err(DatabaseError::Taken) }
    }

    pub(crate) async fn batch(&self, sql: &str) -> Result<(), DatabaseError> {
        self.client.batch_execute(sql).await.map_err(failed("batch"))
    }

    pub(crate) async fn query_many(
        &mut self,
        sql: &str,
        sets: &[Vec<Value>],
    ) -> Result<Vec<Vec<Row>>, DatabaseError> {
        if !self.statements.contains_key(sql) {
            let statement = self.client.prepare(sql).await.map_err(failed("prepare"))?;
            // Searches are put together from parts, so their number is bounded but not tiny.
            if self.statements.len() > 200 {
                self.statements.clear();
            }
            self.statements.insert(sql.to_owned(), statement);
        }
        let Some(statement) = self.statements.get(sql) else { return Err(DatabaseError::Gone) };
        let client = &self.client;
        let asked = sets.iter().map(|set| async move {
            let values: Vec<&(dyn ToSql + Sync)> =
                set.iter().map(|it| it as &(dyn ToSql + Sync)).collect();
            client.query(statement, &values).await
        });
        let answers = try_join_all(asked).await.map_err(failed("query"))?;
        answers.into_iter().map(|rows| rows.iter().map(row).collect()).collect()
    }
}

fn row(from: &tokio_postgres::Row) -> Result<Row, DatabaseError> {
    let mut values = Vec::with_capacity(from.len());
    for (place, column) in from.columns().iter().enumerate() {
        let failed = failed("read");
        values.push(if *column.type_() == Type::BYTEA {
            Value::Bytes(from.try_get(place).map_err(failed)?)
        } else if *column.type_() == Type::INT8 {
            Value::Number(from.try_get::<_, Option<i64>>(place).map_err(failed)?.unwrap_or_default())
        } else {
            Value::Text(from.try_get(place).map_err(failed)?)
        });
    }
    Ok(Row::new(values))
}
