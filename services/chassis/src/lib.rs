//! The base of every process: configuration, telemetry, health, serving, restart and shutdown.
//!
//! ```text
//! config ─▶ telemetry ─▶ supervise ─▶ run(config, dependencies, shutdown)
//!                            ▲                          │
//!                            └──── restart on error ────┘
//! ```
//!
//! # Guarantees
//!
//! - Environment variables and configuration files are read here and nowhere else.
//! - An unknown setting is an error at the start that suggests the nearest known one.
//! - Secrets and passwords in URLs are not printed; see [`secret`].
//! - [`supervise()`] is the only restart loop: a service that loses a dependency returns an error,
//!   and a restart takes the same path as the first start.
//! - The first signal starts the drain, the second ends the process at once.
//!
//! # Not here
//!
//! Messages, contracts, services.

pub mod clock;
pub mod config;
pub mod disk;
mod failover;
pub mod guard;
pub mod health;
mod instance;
pub mod metrics;
pub mod peer;
pub mod secret;
pub mod serve;
pub mod supervise;
pub mod telemetry;
pub mod terminal;
pub mod text_file;
pub mod trace;
pub mod upstream;
pub mod user;

pub use clock::Clock;
pub use instance::instance;
pub use supervise::{shutdown_signal, supervise};
pub use upstream::Upstream;
pub use user::account_name;
