//! What services ask of the journal: the typed client, the failure store of their receivers, and
//! the conversion between messages of the journal and of the bus.
//!
//! # Promises
//!
//! - Every call ends within the client's time limit.
//! - The same failure is recorded in the same way, whichever service's receiver reports it.
//! - A conversion that loses anything is an error ([`InvalidJournalMessage`]), never an empty value.
//!
//! # Not here
//!
//! Retries: the caller knows how long its own caller waits. The choice between several addresses of
//! the journal: [`chassis::Upstream`] follows the one that serves.
//!
//! The feature `bus` (on by default) holds everything that needs the bus; a service that only reads
//! the journal turns it off.

mod client;
#[cfg(feature = "bus")]
mod conversion;
#[cfg(feature = "bus")]
mod copy_digest;
mod failure;
#[cfg(feature = "bus")]
mod failure_store;
#[cfg(feature = "bus")]
mod stall_watch;

pub use client::{JournalClient, to_fault};
#[cfg(feature = "bus")]
pub use conversion::{
    InvalidJournalMessage, to_bus_claim, to_bus_message, to_journal_body, to_journal_claim,
    to_journal_message,
};
#[cfg(feature = "bus")]
pub use copy_digest::{CopyDigest, copy_digest};
pub use failure::failure;
#[cfg(feature = "bus")]
pub use failure_store::JournalFailureStore;
#[cfg(feature = "bus")]
pub use stall_watch::{StallWatch, StillStalled};
