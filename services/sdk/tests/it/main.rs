//! The SDK against a gateway that loses, cuts and refuses at will.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod gateway;
mod receiving;
mod sending;
