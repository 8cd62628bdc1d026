//! The section `mapping`.

use serde::Deserialize;

/// Defaults and words of the section.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// Bounds of the mapping service; each has its reason in the defaults.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Largest native body that is read.
    pub native_bytes_max: u64,
    /// Native bytes in memory for all callers together.
    pub reading_bytes_max: u64,
    /// How long an item waits for room.
    pub room_ms_max: u64,
    /// From this size on, work leaves the async threads.
    pub aside_bytes_min: u64,
    /// How many of those at once.
    pub aside_max: usize,
    /// Largest canonical body that is routed.
    pub canonical_bytes_max: u64,
    /// Messages translated at the same time.
    pub translating_max: usize,
    /// How long a call to the journal may take.
    pub journal_ms_max: u64,
}
