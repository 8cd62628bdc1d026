//! Reads what a sender gave, decides whether it may go, and writes what each receiver takes.
//!
//! ```text
//! at the door:  native ─▶ codec ─▶ secrecy ─▶ normalize ─▶ canonical, recipients, names
//! on the road:  intake ─▶ route ─▶ translate ─▶ record ─▶ publish ─▶ delivery.<application>
//! ```
//!
//! # Promises
//!
//! - A refused item leaves nothing: what is found in it is given out after the decision.
//! - A secrecy mark refuses, wherever a format can hold one.
//! - A copy's name follows from its parent and its application, so handling twice makes nothing new.
//! - A copy that would lose what a document must keep waits for an operator, unless its receiver
//!   accepts that.
//! - One recipient's trouble keeps back that recipient's copy, and it is a row an operator can see.
//! - The registry may be away: the last copy of it stays in force.
//!
//! # Not here
//!
//! What a format looks like (that is `formats` and its descriptions), storing what was accepted,
//! waiting for a next try.

#![expect(clippy::result_large_err, reason = "a refusal is rare, and is moved a few times only")]

mod attachments;
mod batches;
mod blobs;
mod bounded;
mod codec;
mod config;
mod consent;
mod directory;
mod follow;
mod identity;
mod keep;
mod metrics;
mod normalize;
mod parties;
mod pipeline;
mod read;
mod route;
mod run;
mod secrecy;
mod server;
mod translate;

pub use config::{Config, DEFAULTS};
pub use directory::Directory;
pub use follow::{Registered, follow};
pub use run::{Parts, run};
pub use server::Service;
