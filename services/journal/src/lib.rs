//! Every message and every fact about it; what waits, and is driven again.
//!
//! ```text
//! calls ─▶ keeper (one writer, one transaction a group) ─▶ database
//!             │ decides: accept, record, begin, end, sweep      │
//!             └─ committed ─▶ drive ─▶ channels                 └─▶ find (reads)
//! ```
//!
//! # Promises
//!
//! - A call that was answered is on disk.
//! - The same content again gets the first receipt; the same key with other content is a conflict.
//! - Messages of one conversation begin at one application in the order accepted; who waits is
//!   let go in the commit that ends the one before.
//! - A message is with one adapter at a time: the lease's number is the fence.
//! - What lands in `stranded` is a fact, and is driven again.
//! - What is not through is driven again under the same names until it is, or is a dead letter.
//!
//! # Not here
//!
//! What a body means.
//!
//! # Decisions
//!
//! *One writer.* Order, repeats and leases are decided by one task on one connection, so they need
//! no locks and commit in groups. A second journal process on the same PostgreSQL database waits
//! for the first one's end. It costs scaling the writer beyond one connection.

mod accept;
mod database;
mod deliver;
mod desk;
mod drive;
mod ending;
mod find;
mod fold;
mod keeper;
mod metrics;
mod plan;
mod record;
mod server;
mod stored;
mod stranded;
mod sweep;

pub use database::DatabaseError;
pub use fold::number as folded_number;
pub use server::{Config, DEFAULTS, Service, run};

/// Opens the database for reading and lets go of it: whether it is there, and lets us in.
///
/// # Errors
///
/// It is not, or does not.
pub async fn reach(config: &Config) -> Result<(), DatabaseError> {
    database::Database::open(&config.database, database::Purpose::Read).await.map(drop)
}
