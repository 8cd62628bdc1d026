//! Every message and every fact about it; what waits, and is driven again.
//!
//! ```text
//! calls ─▶ keeper (one writer, one transaction a group) ─▶ database
//!             │ decides: accept, record, begin, end, sweep      │
//!             └─ committed ─▶ drive ─▶ channels                 └─▶ readers (find)
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
//! no locks and commit in groups. A second journal process on the same database waits for the
//! first one's end. It costs scaling the writer beyond one connection.
//!
//! *The writer remembers what it wrote.* The rows of messages on their way lie in its memory as they
//! are in the database, so a step reads nothing and writes one row. Whatever a failed group had in
//! hand is forgotten, and everything can be read again. It costs some megabytes, and that nobody
//! else may ever write these rows.
//!
//! *One row of facts a commit.* What a commit tells of all its messages is one row, and a message
//! knows the positions of its rows. So a step writes no row of facts of its own and no index of
//! them, and the rows lie in the order of what happened. Whoever reads one message's facts reads
//! those of others beside them, and passes over these.
//!
//! *The sweeper has a time of its own.* A step that would only move a message's deadline back leaves
//! the time at which the sweeper looks at it alone, and then the database writes no index. The
//! sweeper passes over what went its way meanwhile: one look a message, half a minute later.
//!
//! *Nobody waits for a journal that is not at work.* When the writer or a reader ends, however it
//! ends, whoever waits is told at once to come again, and so is whoever comes before the next
//! start. It costs callers a repeat; the other way costs everybody's standstill.
//!
//! *Every search by an index.* A test asks both databases how they would go about each statement
//! there is, and takes no scan of a table that grows.

mod accept;
mod database;
mod deliver;
mod desk;
mod drive;
mod ending;
mod facts;
mod find;
mod fold;
mod group;
mod hollow;
mod keeper;
mod memory;
mod metrics;
mod plan;
mod readers;
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
