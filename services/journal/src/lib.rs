//! The message store: every message and its facts; what waits, and is published again when due.
//!
//! ```text
//! calls ─▶ writer (one task, one transaction per group) ─▶ database
//!             │ accept, record, begin, end, command, sweep     │
//!             └─ committed ─▶ publish due ─▶ channels          └─▶ readers (find, journey, get)
//! ```
//!
//! # Promises
//!
//! - A call that was answered is on disk.
//! - The same content again gets the first receipt; the same key with other content is a conflict.
//! - Messages of one conversation begin at one application in the order accepted; a held message is
//!   released in the commit that settles the one before.
//! - A message is with one adapter at a time: a lease fences off the answers of other ones.
//! - A message in the undeliverable channel is recorded, and published again.
//! - A message that is not settled is published again under the same ids until it is, or is a dead
//!   letter.
//! - A column that cannot be read is an error and never an empty value: its message becomes a dead
//!   letter (LT-JNL-009), and no other message waits for it.
//!
//! # Not here
//!
//! What a body means.
//!
//! # Decisions
//!
//! *One writer.* Order, repeats and leases are decided by one task on one connection, so they need
//! no locks and commit in groups. It costs scaling the writer beyond one connection.
//!
//! *A second journal on the same PostgreSQL database is a standby.* It waits for the advisory lock
//! and refuses every call at once, so that its callers go on to the address that serves. The lock
//! belongs to the session that also writes: a journal that lost it cannot write. The server ends
//! that session when the process is killed, when its host no longer answers, and when the process
//! is stopped or cut off and therefore silent; the standby then serves within 5 s, or within 11 s
//! when the silence began inside a transaction. It costs a statement every half second. On SQLite
//! there is no standby: the second process fails until the first ends.
//!
//! *One table of transitions.* Which event is allowed in which state stands in `transitions.rs`
//! alone; calls ask it, and so does the command line. It costs one look-up per step.
//!
//! *A write-through cache.* The writer keeps the rows of messages on their way as they are in the
//! database, so a step reads nothing and writes one row. Rows of a failed group are dropped from
//! the cache and read again. It costs some megabytes, and no other process may ever write these
//! rows.
//!
//! *One row of facts per commit.* The facts of all messages of a commit are one row, and a message
//! stores the positions of its rows. So a step inserts no row of facts of its own and no index
//! entry, and the rows lie in the order of what happened. Reading one message's facts reads those
//! of others in the same rows, and skips them.
//!
//! *The sweeper has a time of its own.* A step that would only move a message's deadline back
//! leaves `sweep_at` unchanged, and then the database writes no index. The sweeper skips messages
//! that made progress meanwhile: one look per message, half a minute later.
//!
//! *A damaged row stays as it is.* The row of a dead letter keeps its damaged column, and only the
//! state and the fault are written. So an operator can restore it from a backup and redrive the
//! message, and until then nothing decides on it. It costs two more statements, for such rows only.
//!
//! *A full disk refuses new messages and finishes the others.* A call that finds no space is refused
//! with a code of its own, and the writer goes on. Beside an SQLite file lies a reserve: given up at
//! the first write that fails, it lets settlements and records go on while nothing new is accepted.
//! It costs `reserve_bytes` of disk. The disk of a PostgreSQL server cannot be seen from here, so
//! there every message is tried.
//!
//! *No call waits for a journal that has ended.* When the writer or a reader ends, however it ends,
//! waiting calls are refused at once, and so are calls before the next start; callers repeat them.
//! It costs callers a repeat; the alternative is that everything stands still.
//!
//! *Every search by an index.* A test asks both databases for the plan of each statement there is,
//! and accepts no scan of a table that grows.

mod accept;
mod altered_copies;
mod begin;
mod between_calls;
mod call;
mod command;
mod config;
mod connect;
mod database;
mod delivery_report;
mod delivery_row;
mod facts;
mod family;
mod find;
mod format_rpc;
mod format_versions;
mod genuine_copy;
mod group;
mod last_progress;
mod lease;
mod link;
mod messaging;
mod metrics;
mod new_message;
mod operate;
mod pause_command;
mod pauses;
mod progress;
mod publish_again;
mod publish_due;
#[cfg(test)]
mod random;
mod readers;
mod record;
mod refusals;
mod reply;
mod resend;
mod retry_schedule;
mod row_cache;
mod rpc;
mod search_query;
mod server;
mod session;
mod settle;
mod split_calls;
mod stalled_channels;
mod steps;
mod storage;
mod sweep;
#[cfg(test)]
mod tests;
mod transitions;
mod undeliverable;
mod unit_of_work;
mod unrouted;
mod waiting;
mod writer;

pub use config::{Config, DEFAULTS};
pub use database::error::DatabaseError;
pub use server::{Service, run};

/// The certificate of an encrypted link to the database server; none for a file and for plain text.
///
/// # Errors
///
/// The server cannot be reached, does not encrypt, or its certificate is not valid.
pub async fn server_certificate(
    config: &Config,
) -> Result<Option<tls::Certificate>, DatabaseError> {
    database::certificate::server_certificate(&config.address()).await
}

/// Opens the database for reading and closes it: whether it can be reached and read.
///
/// # Errors
///
/// It cannot be reached, or does not grant access.
pub async fn reach(config: &Config) -> Result<(), DatabaseError> {
    database::Database::open(&config.address(), database::purpose::Purpose::Read).await.map(drop)
}
