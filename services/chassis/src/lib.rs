//! What every process stands on: configuration, telemetry, health, shutdown, starting again.
//!
//! ```text
//! config ─▶ telemetry ─▶ supervise ─▶ run(config, parts, shutdown)
//!                            ▲                     │
//!                            └── the only restart ─┘
//! ```
//!
//! # Promises
//!
//! - The environment and the configuration files are read here and nowhere else.
//! - A setting that nobody knows stops the start, and the nearest known one is named.
//! - [`supervise()`] is the only reconnect loop: a service whose surroundings go away returns its
//!   error, and every start is the same start.
//! - The first signal drains, the second ends the process at once.
//!
//! # Not here
//!
//! Messages, contracts, services.

pub mod clock;
pub mod config;
mod failover;
pub mod guard;
pub mod health;
pub mod metrics;
pub mod secret;
pub mod serve;
pub mod supervise;
pub mod telemetry;
pub mod trace;
pub mod upstream;
pub mod user;

pub use clock::Clock;
pub use supervise::{shutdown_signal, supervise};
pub use upstream::Upstream;
pub use user::user;
