//! The gateway's promises, over real sockets, with a journal, a mapping and a registry in memory.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod deliveries;
mod door;
mod journal;
mod mapping;
mod stage;
mod uploads;
mod web;
