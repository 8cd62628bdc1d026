//! The journal's promises, each on SQLite and on PostgreSQL.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod cluster;
mod deliveries;
mod intake;
#[path = "../../../../bus/tests/it/node.rs"]
#[expect(dead_code, reason = "the bus's own tests use more of it")]
mod node;
mod plans;
mod searches;
mod stage;
mod stranded;
mod troubles;

/// Makes a test of each function for each database.
macro_rules! on_both {
    ($($promise:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(crate::stage::Stage::new(crate::stage::Kind::Sqlite).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(crate::stage::Stage::new(crate::stage::Kind::Postgres).await).await;
            })*
        }
    };
}
pub(crate) use on_both;
