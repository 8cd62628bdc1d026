//! What system tests and the load program stand on: the real binary, started, measured, stopped.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

pub mod guarded;
pub mod measure;
pub mod roles;
pub mod up;
