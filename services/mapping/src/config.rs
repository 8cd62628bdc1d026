//! The configuration section `mapping`.

use serde::Deserialize;

/// Default values and descriptions of the section.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// Limits of the mapping service; the defaults file gives the reason for each.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Largest native body of an item.
    pub native_bytes_max: u64,
    /// Native bytes in memory for all calls together.
    pub reading_bytes_max: u64,
    /// How long an item waits for memory.
    pub room_ms_max: u64,
    /// From this size on, a body is processed on a blocking thread.
    pub aside_bytes_min: u64,
    /// Bodies processed on blocking threads at the same time.
    pub aside_max: usize,
    /// Largest canonical body that is routed.
    pub canonical_bytes_max: u64,
    /// Messages of a window translated at the same time.
    pub translating_max: usize,
    /// Time limit of a call to the journal.
    pub journal_ms_max: u64,
}
