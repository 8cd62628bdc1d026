//! The messaging gateway: vendors on one side, channels on the other.
//!
//! ```text
//! Submit ─▶ normalize (mapping) ─▶ store files (claims) ─▶ accept (journal) ─▶ intake
//! delivery.<application> ─▶ begin (journal) ─▶ session of an adapter ─▶ Settle ─▶ end (journal)
//! ```
//!
//! # Promises
//!
//! - A submit that returned a receipt is committed in the journal, and its files are on disk.
//! - A refused submit leaves nothing but its code.
//! - No body is read before the caller's token is authenticated.
//! - An adapter never has more deliveries in flight than it asked for. A delivery is acknowledged
//!   to the broker only after the journal has begun it.
//! - A change of one application's sessions wakes no other application, so the cost of a settle
//!   does not grow with the number of connected applications (`benches/settle.rs`).
//! - gRPC and HTTP/JSON are the same operations on the same port.
//!
//! # Not here
//!
//! Formats: bodies are passed to mapping as they came.

mod accept_message;
mod active_tokens;
mod admit;
mod attachments;
mod authenticate;
mod batch_call;
mod body;
mod check_item;
mod close;
mod config;
mod deliver;
mod failure_rate;
mod fault;
mod gateway;
mod get_part;
mod hello;
mod http_json;
mod json;
mod known_item;
mod lease_numbers;
mod limits;
mod lookup;
mod memory;
mod metrics;
mod names;
mod operate;
mod poll_response;
mod query;
#[cfg(test)]
#[path = "../../journal/src/random.rs"]
mod random;
mod read_body;
mod receive;
mod refusals;
mod request_body;
mod routes;
mod run;
mod server;
mod session;
mod sessions;
mod settle;
mod shared_bound;
mod submission;
mod submit;
mod submit_permits;
mod submit_records;
mod trace_context;
mod track;
mod uploads;
mod workers;

pub use config::{Config, DEFAULTS};
pub use gateway::GatewayDependencies;
pub use run::run;
pub use server::Service;
