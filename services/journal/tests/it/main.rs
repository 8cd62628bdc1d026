//! The journal's promises, each on SQLite and on PostgreSQL.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod altered_copies;
mod damaged_rows;
mod deliveries;
mod environment;
mod failures;
mod format_versions;
mod full_disk;
mod intake;
#[path = "../../../../bus/tests/it/node.rs"]
#[expect(dead_code, reason = "the bus's own tests use more of it")]
mod node;
mod operate;
mod postgres_cluster;
mod proxy;
mod query_plans;
mod refusals;
mod repeats;
mod reports;
mod resends;
mod searches;
#[path = "../../../../bus/tests/it/small_disk.rs"]
mod small_disk;
mod standby;
mod undeliverable;

/// Makes a test of each function for each database.
macro_rules! on_both {
    ($($promise:ident),* $(,)?) => {
        mod sqlite {
            use crate::environment::{Environment, Kind};

            $(#[tokio::test]
            async fn $promise() {
                super::$promise(Environment::new(Kind::Sqlite).await).await;
            })*
        }
        mod postgres {
            use crate::environment::{Environment, Kind};

            $(#[tokio::test]
            async fn $promise() {
                super::$promise(Environment::new(Kind::Postgres).await).await;
            })*
        }
    };
}
pub(crate) use on_both;
