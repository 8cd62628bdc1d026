//! Collects calls that are ready at the same time into batches.
//!
//! ```text
//! call, enqueue ─▶ bounded queue ─▶ batch (items, bytes) ─▶ handler ─▶ one output per item
//!                                     └ at most `in_flight_max` handlers run at a time
//! ```
//!
//! A batch is closed as soon as the queue is empty, so no call waits for a batch to fill: with
//! little traffic a batch holds one item, and batches grow only while all handlers are busy.
//!
//! # Promises
//!
//! - A batch holds at most `items_max` items and `bytes_max` bytes. A single item larger than
//!   `bytes_max` is sent alone.
//! - Items enter batches in the order of their calls. With `in_flight_max` of 1 they are handled in
//!   that order as well.
//! - A full queue refuses ([`CallError::QueueFull`]) or delays the caller, as the method says. It
//!   never drops an item that it took.
//! - A handler that panics leaves its own batch unanswered and no other one.
//!
//! # Not here
//!
//! Retries, and the meaning of an answer: the handler knows the protocol of its call.
//!
//! # Decisions
//!
//! *The journal's writer does not use this crate.* It groups calls as well, but inside its own loop
//! and on a borrowed database connection: one group at a time, between the turns of its sweeper,
//! with calls of several types in one transaction, and with every reply held back until the commit.
//! A batch here owns its items, holds one type, and runs in a task of its own beside other batches.
//! One type for both would need a borrowed handler, a weight in messages and a hook for the
//! sweeper, and would share little more than `try_recv` in a loop.

mod batcher;

pub use batcher::{BatchLimits, CallBatcher, CallError};
