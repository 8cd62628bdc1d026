//! The format engine: compiles format descriptions, and converts native bytes to the canonical
//! model and back.
//!
//! A description is one format in both directions: each rule says which native node maps to which
//! canonical field, and how its text is converted. It cannot compute.
//!
//! ```text
//! YAML ─ grammar ─▶ plan ─▶ Format    native ─ scan ─▶ tree ─ read ─▶ model ─▶ canonical
//!                                     canonical ─▶ model ─ write ─▶ tree ─▶ native, and losses
//! ```
//!
//! # Promises
//!
//! - Every record of an input ends in a message, or in a coded refusal that names the sender's own
//!   field, whatever the other records are.
//! - The loss report comes from reading back what was written: applied to the message, it gives
//!   what the receiver will read.
//! - A secrecy mark in its field is reported before anything else of the item; the sink may refuse
//!   an item by its content before any file is decoded.
//! - A file has the same bytes on the other side, whatever its type and name.
//! - The same bytes and the same context give the same result.
//!
//! # Not here
//!
//! Files on disk, clocks, networks, expressions, look-ups.

mod absent;
mod canonical_json;
mod canonical_path;
pub mod cases;
mod constructs;
mod content;
mod convert;
mod detection;
mod diagnostic;
mod document_day;
mod draft;
mod file;
mod flat_rules;
mod format;
mod format_registry;
mod grammar;
mod grammar_check;
pub mod grammar_page;
mod grammar_schema;
mod inventory;
mod limits;
mod model;
mod path_map;
mod plan;
mod profile;
mod read;
mod registered_format;
mod report;
mod rule_check;
mod scan;
#[cfg(test)]
mod tests;
mod tree;
mod unmapped;
mod write;
mod yaml_tree;

pub use content::{
    BlobDigest, BlobSink, BlobSource, HEAD_BYTES, MemoryBlobs, NameMatch, match_file_name,
};
pub use convert::CodeListSet;
pub use diagnostic::{SourceMistake, SourcePosition, Wording, description_fault, nearest};
pub use draft::{Draft, draft_description};
pub use format::{DecodedMessage, DecodedRecord, EncodeContext, Format};
pub use format_registry::{DescriptionFile, DescriptionMistake, FormatRegistry};
pub use grammar_schema::grammar_schema;
pub use inventory::{Coverage, Inventory, KnownLoss, MappedCode, MappedPlace};
pub use profile::{ExpandedProfile, expand_profile};
pub use registered_format::FormatSource;

/// The text of bytes that no format could read, as well as it can be read, for a search in it: by
/// their byte order mark, the encoding that their XML declaration names, or both as UTF-8 and as
/// Latin-1. What is no letter becomes U+FFFD.
pub fn readable_text(native: &[u8]) -> std::borrow::Cow<'_, str> {
    scan::readable_text(native)
}
