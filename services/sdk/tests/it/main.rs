//! The SDK against the real gateway and the real journal, behind a layer that loses uploads, breaks
//! streams and refuses calls.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod environment;
mod fault_layer;
mod journal;
mod mapping;
mod receiving;
mod registry;
mod sending;
mod waiting;
