//! The chassis with real files and sockets.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod configuration;
mod health;
mod secrets;
mod serving;
mod starting;
mod upstreams;
