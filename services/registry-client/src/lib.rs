//! Follows the registry and answers who is there, what they take, and who may send what to whom.
//!
//! ```text
//! registry ─ Watch ─▶ RegistryFollower ─▶ Directory (one immutable snapshot, indexed)
//! ```
//!
//! # Promises
//!
//! - Every service decides by the same rules: one function says whether a period of validity covers
//!   a day, and rights, organisations and codes all use it.
//! - While the registry cannot be reached, the last snapshot stays in force.
//! - Before the first snapshot nothing is allowed, and health says that the process is not ready.
//! - A token is only ever compared by its SHA-256, and is never printed.
//!
//! # Not here
//!
//! Reading and checking the registry's files (crate `registry`). Limits per application: the
//! gateway keeps its own beside the directory.

mod day;
mod directory;
mod follower;
mod token;

pub use day::day_in_vietnam;
pub use directory::{Caller, CodeOwner, Directory, ReceivingApplication};
pub use follower::RegistryFollower;
pub use token::TokenDigest;
