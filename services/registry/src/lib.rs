//! The registry: organisations, applications, rights and code lists, read from a folder of YAML
//! files and served to every service that watches.
//!
//! ```text
//! folder ─▶ yaml_files ─▶ yaml_tree ─▶ parse ─▶ consistency ─▶ Snapshot ─▶ Watch ─▶ followers
//! ```
//!
//! # Promises
//!
//! - [`check`] reports every mistake at once, each with file and line.
//! - A folder with a mistake changes nothing: the last snapshot without one stays in force, over a
//!   restart of [`run`] as well, and [`Service::mistakes`] lists the mistakes.
//! - What no right allows is denied, so an empty folder allows nothing.
//!
//! # Not here
//!
//! Messages. The index that decides about a message is in crate `registry-client`.

mod check;
mod consistency;
mod lexical;
mod map_reader;
mod mistake;
mod parse;
mod server;
mod yaml_files;
mod yaml_tree;

pub use check::check;
pub use mistake::Mistake;
pub use server::{Config, DEFAULTS, Service, run};
