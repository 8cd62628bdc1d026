//! Journeys through the whole system, on the real binary, and the rules of the house.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "../../../services/journal/tests/it/postgres_cluster.rs"]
#[expect(clippy::expect_used, reason = "a test stops at the first surprise")]
mod cluster;
#[path = "../../../bus/tests/it/node.rs"]
#[expect(dead_code, reason = "the bus's own tests and the fault rig use more of it")]
mod node;

mod altered_messages;
mod commands;
mod compose;
mod crash;
mod doctor;
mod encryption;
mod faults;
mod folder;
mod format_files;
mod formats;
mod fuzz;
mod house;
mod http_door;
mod journey;
mod load;
mod operators_page;
mod outage;
mod records;
mod refusals;
mod repeats;
mod reports;
mod revocation;
mod sample;
mod secrecy;
mod secrets;
mod sessions;
mod stalled;
mod standby;
mod stop;
mod telemetry;
mod vendor;
mod words;
