//! The registry: organisations, applications, rights and code lists, read from a folder of YAML
//! files, and format descriptions, read from another one; served to every service that watches.
//!
//! ```text
//! folder ─▶ yaml_files ─▶ yaml_tree ─▶ parse ─▶ consistency ─▶ in_force ─▶ Watch ─▶ followers
//!                                                    waits ◀─ losses ─┘
//! formats ─▶ format_folder ─▶ engine ─▶ loaded_formats ─▶ journal ─▶ in_force
//! ```
//!
//! # Promises
//!
//! - [`check`] reports every mistake at once, each with file and line.
//! - A folder with a mistake changes nothing: the last snapshot without one stays in force, over a
//!   restart of the process as well, and [`Service::mistakes`] lists the mistakes.
//! - A change counts when two looks have seen it. One that loses all or more than half of the
//!   organisations or applications, all rights, or all that a file held, waits for an operator.
//! - A format comes into force once the journal keeps it. A description with a mistake changes nothing:
//!   its last version stays in force, and so does that of a format whose file is gone while an
//!   application names it.
//! - What no right allows is denied, so an empty folder allows nothing.
//!
//! # Not here
//!
//! Messages. The index that decides about a message is in crate `registry-client`.

mod check;
mod consistency;
mod folder_watch;
mod follow;
mod format_engine;
mod format_folder;
mod format_follower;
mod format_store;
mod in_force;
mod lexical;
mod loaded_formats;
mod losses;
mod map_reader;
mod mistake;
mod parse;
mod record;
mod server;
mod stored;
mod yaml_files;
mod yaml_tree;

pub use check::check;
pub use follow::run;
pub use format_engine::{FormatEngine, FormatFile, KnownFormats};
pub use format_folder::{FORMATS_DEFAULTS, FormatsConfig};
pub use format_follower::FormatSources;
pub use in_force::find_waiting_losses;
pub use loaded_formats::{CheckedFormats, check_formats};
pub use mistake::Mistake;
pub use server::{Config, DEFAULTS, Service};
