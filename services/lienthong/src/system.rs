//! Starts roles: all of them in one process, or one of them beside the others.
//!
//! ```text
//! long-lived, from the first start to the shutdown: health, registry, internal listener,
//!                                                   copies of the registry
//! new at every start:                               broker, database, mapping, gateway, adapters
//! ```
//!
//! When a part of a start fails, the whole start fails and the chassis starts again with new
//! connections to broker and database. The long-lived services answer in the meantime: readiness,
//! the registry, and what the journal has stored.
//!
//! A shutdown stops processing first (gateway, mapping, adapters), then storage (the journal, which
//! records what processing reports while it stops), and health last.

pub(crate) mod context;
pub(crate) mod encryption;
pub(crate) mod infrastructure;
pub(crate) mod listeners;
pub(crate) mod run;

mod access;
mod channels;
mod current_gateway;
mod current_routes;
mod disks;
mod long_lived;
mod operate;
mod roles;
mod shutdown_order;
