//! Starts, measures and stops the real binary, for system tests and the load program.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

pub mod guarded;
pub mod measure;
pub mod packet;
pub mod roles;
pub mod up;
pub mod vendor_client;
