//! Who is there, what they speak, who may send what to whom: read from a folder, watched, served.
//!
//! ```text
//! folder of YAML ─▶ node ─▶ read ─▶ check ─▶ Snapshot ─▶ Watch ─▶ every other service's copy
//! ```
//!
//! # Promises
//!
//! - [`check`] tells every mistake at once, with file and line.
//! - A folder that has a mistake keeps the last good state in force, over a new start of [`run`] as
//!   well; it is warned of, and [`Service::mistakes`] tells what it is.
//! - What no right allows is not allowed; an empty folder allows nothing.
//!
//! # Not here
//!
//! Messages. Looking things up for a message: each service indexes its copy for its own questions.

mod check;
mod code;
mod folder;
mod mistake;
mod node;
mod read;
mod server;

pub use check::check;
pub use mistake::Mistake;
pub use server::{Config, DEFAULTS, Service, run};
