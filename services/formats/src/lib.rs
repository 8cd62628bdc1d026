//! The format engine: descriptions in, plans out; native bytes to the canonical model and back.
//!
//! One description is one format and both directions: each line says where a value lives in the
//! native form, which canonical field it is, and how its text is spelled. It cannot compute.
//!
//! ```text
//! YAML ─ grammar ─▶ plan ─▶ Format    native ─ scan ─▶ tree ─ read ─▶ record ─▶ canonical
//!                                     canonical ─▶ record ─ write ─▶ tree ─▶ native, and a report
//! ```
//!
//! # Promises
//!
//! - Every input ends in a message or in a coded refusal that names the sender's own field.
//! - The loss report is made by reading back what was written: applied to the message, it gives
//!   what the receiver will read.
//! - What bears a secrecy mark in its field is told before anything else of the item is looked at;
//!   the sink may refuse by what was read before any file is opened.
//! - A file is the same bytes on the other side, whatever it is and whatever it is called.
//! - The same bytes and the same context give the same result.
//!
//! # Not here
//!
//! Files, clocks, networks, expressions, look-ups.

mod canonical_json;
pub mod cases;
mod content;
mod convert;
mod format;
mod format_registry;
mod grammar;
#[cfg(test)]
mod laws;
mod leftovers;
mod limits;
mod mistake;
mod path;
mod plan;
mod read;
mod record;
mod report;
mod scan;
mod tree;
mod write;

pub use content::{BlobDigest, BlobSink, BlobSource};
pub use format::{DecodedMessage, EncodeContext, Format};
pub use format_registry::FormatRegistry;
