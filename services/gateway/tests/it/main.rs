//! The gateway's promises over real sockets, with the real journal on SQLite, and a simulated mapping
//! service and registry.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod authentication;
mod bounds;
mod deliveries;
mod environment;
mod full_disk;
mod http_forms;
mod http_json;
mod journal;
mod limits;
mod lost_answers;
mod mapping;
mod records;
mod registry;
mod repeats;
mod revocation;
#[path = "../../../../bus/tests/it/small_disk.rs"]
mod small_disk;
mod submits;
mod uploads;
mod waiting;
