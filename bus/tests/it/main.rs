//! The promises of the bus over both transports, and of the claim store.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

mod broker;
mod claims;
mod current;
mod embedded;
mod encryption;
mod environment;
mod node;
mod ownership;
mod promises;
mod s3;
mod small_disk;
