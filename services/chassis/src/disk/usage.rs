//! The usage of a disk, and the level that it means.

use std::fmt;
use std::io;
use std::path::Path;

use crate::disk::config::{DiskConfig, DiskLevel};

/// Free and total space of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskUsage {
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
    /// Files that may still be created.
    pub free_inodes: u64,
    /// Files in all; 0 on a file system that counts none.
    pub total_inodes: u64,
}

/// Reads the usage of the disk that a folder is on.
///
/// # Errors
///
/// The folder does not exist or its file system does not answer.
pub fn read_usage(folder: &Path) -> io::Result<DiskUsage> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(DiskUsage {
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
        free_inodes: found.f_favail,
        total_inodes: found.f_files,
    })
}

impl DiskUsage {
    /// The level by the thresholds. Of bytes and percent the smaller counts, so that neither a large
    /// disk warns with a terabyte free nor a small one is critical when it is half empty.
    pub fn level(&self, config: &DiskConfig) -> DiskLevel {
        let is_below = |bytes: u64, percent: u64, inodes_percent: u64| {
            let least = bytes.min(share(self.total_bytes, percent));
            self.free_bytes < least || self.free_inodes < share(self.total_inodes, inodes_percent)
        };
        let DiskConfig { critical_bytes, critical_percent, critical_inodes_percent, .. } = *config;
        let DiskConfig { warning_bytes, warning_percent, warning_inodes_percent, .. } = *config;
        if is_below(critical_bytes, critical_percent, critical_inodes_percent) {
            DiskLevel::Critical
        } else if is_below(warning_bytes, warning_percent, warning_inodes_percent) {
            DiskLevel::Warning
        } else {
            DiskLevel::Enough
        }
    }
}

fn share(total: u64, percent: u64) -> u64 {
    (total / 100).saturating_mul(percent.min(100))
}

impl fmt::Display for DiskUsage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes >> 20;
        write!(
            formatter,
            "{} MiB of {} MiB free and {} of {} inodes",
            mib(self.free_bytes),
            mib(self.total_bytes),
            self.free_inodes,
            self.total_inodes
        )
    }
}
