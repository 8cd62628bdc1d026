//! What system tests and the load program stand on: the real binary, started and stopped.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

pub mod up;
