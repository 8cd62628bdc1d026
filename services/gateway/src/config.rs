//! Configuration of the gateway: bounds, whose reasons stand beside their defaults.

use serde::Deserialize;

/// Defaults of the section `gateway`, with their descriptions.
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
    /// Bytes of unused uploads of one application.
    pub spool_bytes_max: u64,
    /// Unused uploads of one application.
    pub parts_max: usize,
    /// Largest upload that is kept in memory instead of a file, bytes.
    pub small_part_bytes_max: u64,
    /// How long an upload may be unused, milliseconds.
    pub part_idle_ms_max: u64,
    /// Bytes of unused uploads of all applications together.
    pub spools_bytes_max: u64,
    /// Bytes of bodies in memory. A submit above it is refused and may be retried.
    pub bodies_bytes_max: u64,
    /// Of those, the bytes of one application.
    pub application_bodies_bytes_max: u64,
    /// How long the body of a call may stall, milliseconds.
    pub request_stall_ms_max: u64,
    /// How fast the body of a call must come after that, bytes per second.
    pub request_bytes_per_second_min: u64,
    /// Calls in progress. One more is refused and may be retried.
    pub open_calls_max: u64,
    /// Of those, the calls of one application.
    pub application_open_calls_max: u64,
    /// Refused calls of one application in a short time. Then each call is refused until one more
    /// is allowed.
    pub refusals_burst_max: u32,
    /// Refused calls of one application a second, in the long run.
    pub refusals_per_second_max: u32,
    /// Submits of one application in progress. One more is refused and may be retried.
    pub submits_max: usize,
    /// Of those, the ones that are worked on at a time; the others wait.
    pub submits_active_max: usize,
    /// Calls that may wait for a batch. One more is refused and may be retried.
    pub calls_max: usize,
    /// How long a session without deliveries in flight may make no call, milliseconds.
    pub session_idle_ms_max: u64,
    /// How long after its stream broke a session may open another one, milliseconds.
    pub stream_gap_ms_max: u64,
    /// Sessions of one application.
    pub sessions_max: usize,
    /// How long a stop waits for the settlement of deliveries in flight, milliseconds.
    pub drain_ms_max: u64,
    /// How long another service may take to answer a call, milliseconds.
    pub upstream_ms_max: u64,
}
