//! Message normalizer, content-based router and message translator.
//!
//! ```text
//! on submit:    native ─▶ codec ─▶ secrecy ─▶ normalize ─▶ canonical, recipients, identities
//! after accept: intake ─▶ route ─▶ translate ─▶ record ─▶ publish ─▶ delivery.<application>
//! ```
//!
//! # Promises
//!
//! - A refused item leaves nothing: its extracted files are sent to the caller only after the
//!   decision.
//! - A secrecy mark is refused wherever a format can hold one.
//! - A copy's id is derived from its parent's id and its channel, so routing a message twice makes
//!   nothing new.
//! - A copy that would lose a field of [`CONSENT_FIELDS`](proto::loss::CONSENT_FIELDS) waits for an
//!   operator, unless its application accepts that loss.
//! - A copy that cannot be made holds back no other copy, and has a row that an operator can see.
//! - While the registry cannot be reached, its last snapshot stays in force.
//!
//! # Not here
//!
//! The formats themselves (crate `formats` and its descriptions), storage of accepted messages, and
//! retries.

#![expect(clippy::result_large_err, reason = "a refusal is rare, and is moved a few times only")]

mod attachments;
mod codec;
mod config;
mod copies;
mod document_number;
mod facts;
mod fault;
mod files;
mod formats_in_force;
mod identity;
mod item;
mod keep_formats;
mod loss_policy;
mod metrics;
mod normalize;
mod parties;
mod pauses;
mod pipeline;
mod record_calls;
mod report;
mod route;
mod run;
mod search_index;
mod secrecy;
mod server;
mod translate;

pub use config::{Config, DEFAULTS};
pub use run::{MappingDependencies, run};
pub use secrecy::{redact_decode_fault, secrecy_refusal};
pub use server::Service;
