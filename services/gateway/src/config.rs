//! Settings of the gateway, each a bound with its reason in the defaults.

use serde::Deserialize;

/// Defaults and words of the section `gateway`.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// The section `gateway`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Largest body, bytes.
    pub body_bytes_max: u64,
    /// Largest file, bytes.
    pub part_bytes_max: u64,
    /// Files of one item.
    pub attachments_max: usize,
    /// Bytes of unfinished and unused uploads of one application.
    pub spool_bytes_max: u64,
    /// Uploads of one application that are not used yet.
    pub parts_max: usize,
    /// How long an upload may lie unused, milliseconds.
    pub part_idle_ms_max: u64,
    /// Bytes of uploads of all applications together.
    pub spools_bytes_max: u64,
    /// Bytes of bodies that are in memory on their way through the door.
    pub bodies_bytes_max: u64,
    /// Submits of one application at a time; one more is asked to come again.
    pub submits_max: usize,
    /// Calls that wait to be gathered; one more is asked to come again.
    pub calls_max: usize,
    /// How long a session may be silent, milliseconds.
    pub session_idle_ms_max: u64,
    /// How long a broken stream may be taken up again, milliseconds.
    pub stream_gap_ms_max: u64,
    /// Sessions of one application at a time.
    pub sessions_max: usize,
    /// How long a stop waits for answers to what was handed over, milliseconds.
    pub drain_ms_max: u64,
    /// How long another service may take for a call, milliseconds.
    pub upstream_ms_max: u64,
}
