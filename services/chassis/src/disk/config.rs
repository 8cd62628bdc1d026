//! The thresholds of free space, and the levels between them.

use serde::Deserialize;

/// Default values and descriptions of the configuration section `disk`.
pub const DEFAULTS: &str = include_str!("../../config/disk.toml");

/// The configuration section `disk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskConfig {
    /// Interval between two looks, milliseconds.
    pub poll_ms: u64,
    /// Free space below which an operator is warned: the smaller of bytes and percent counts.
    pub warning_bytes: u64,
    /// See `warning_bytes`.
    pub warning_percent: u64,
    /// Free space below which no new work is taken: the smaller of bytes and percent counts.
    pub critical_bytes: u64,
    /// See `critical_bytes`.
    pub critical_percent: u64,
    /// Free inodes below which an operator is warned, percent.
    pub warning_inodes_percent: u64,
    /// Free inodes below which no new work is taken, percent.
    pub critical_inodes_percent: u64,
}

/// How much space a folder has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskLevel {
    /// Enough.
    #[default]
    Enough,
    /// An operator should free some.
    Warning,
    /// No new work is taken; what is held goes on.
    Critical,
}
