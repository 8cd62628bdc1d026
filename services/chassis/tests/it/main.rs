//! What every process stands on, tried over real files, sockets and clocks.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod configuration;
mod health;
mod secrets;
mod serving;
mod starting;
mod upstreams;
