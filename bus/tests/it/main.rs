//! The promises of the bus, tried over both transports, and of the store of claims.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

mod broker;
mod claims;
mod memory;
mod node;
mod promises;
mod s3;
mod stage;
