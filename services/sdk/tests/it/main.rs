//! The SDK against a gateway that loses uploads, breaks streams and refuses calls.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod fake_gateway;
mod receiving;
mod sending;
