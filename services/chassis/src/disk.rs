//! The free space of the folders that a process writes to, and whether it takes new work there.
//!
//! A folder is watched by its free bytes and inodes, and by a small write, because a read-only file
//! system and a used-up quota show in neither number.

mod config;
mod reserve;
mod usage;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use rustix::fs::{Mode, OFlags};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::health::Health;

pub use self::config::{DEFAULTS, DiskConfig, DiskLevel};
pub use self::reserve::ReserveFile;
pub use self::usage::{DiskUsage, read_usage};

/// Bytes that are written as a probe while all is well.
const PROBE_BYTES: usize = 4 * 1024;

/// Bytes that are written as a probe after a write of the service failed: as much as an upload's
/// largest chunk.
const PROBE_BYTES_AFTER_FAILURE: usize = 1024 * 1024;

/// The space of one watched folder. Clones share it; the default is not watched and has enough.
#[derive(Clone, Debug, Default)]
pub struct DiskSpace {
    state: Arc<watch::Sender<(DiskLevel, String)>>,
    failed: Arc<Notify>,
    is_watched: Arc<AtomicBool>,
}

impl DiskSpace {
    /// Not watched yet: there is enough.
    pub fn new() -> Self {
        Self::default()
    }

    /// How much space there is.
    pub fn level(&self) -> DiskLevel {
        self.state.borrow().0
    }

    /// Why the level is what it is; empty while there is enough.
    pub fn reason(&self) -> String {
        self.state.borrow().1.clone()
    }

    /// Reports that a write failed for want of space or because the disk fails. No new work is taken
    /// from now on, until a write of the watch succeeds. Without a watch nothing could end that, so
    /// then the report has no effect.
    pub fn report_failure(&self, reason: &str) {
        if !self.is_watched.load(Ordering::Relaxed) {
            return;
        }
        if self.level() < DiskLevel::Critical {
            tracing::error!(reason, "disk takes no new work");
        }
        self.set(DiskLevel::Critical, format!("a write failed: {reason}"));
        self.failed.notify_one();
    }

    fn set(&self, level: DiskLevel, reason: String) {
        self.state.send_if_modified(|state| {
            let has_changed = state.0 != level;
            *state = (level, reason);
            has_changed
        });
    }

    /// Watches a folder until `shutdown`, and reports to health under `disk.<name>`.
    pub async fn watch(
        self,
        (name, folder): (&'static str, PathBuf),
        config: DiskConfig,
        health: Health,
        shutdown: CancellationToken,
    ) {
        self.is_watched.store(true, Ordering::Relaxed);
        let gauge = FreeBytes::new(name);
        let condition = format!("disk.{name}");
        let mut has_failed = false;
        loop {
            let probe = if has_failed { PROBE_BYTES_AFTER_FAILURE } else { PROBE_BYTES };
            let looked = folder.clone();
            let look = tokio::task::spawn_blocking(move || look(&looked, probe)).await;
            let found = look.unwrap_or_else(|aborted| Err(io::Error::other(aborted)));
            let (level, reason) = judge(&folder, &found, &config);
            if let Ok(usage) = &found {
                gauge.set(usage.free_bytes);
            }
            has_failed = found.is_err();
            self.report(name, (level, reason), (&condition, &health));
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.failed.notified() => has_failed = true,
                () = tokio::time::sleep(Duration::from_millis(config.poll_ms)) => {}
            }
            if has_failed {
                let reason = self.reason();
                health.unwell(&condition, reason);
                // The failure was a moment ago: whoever frees space needs longer.
                tokio::time::sleep(Duration::from_millis(config.poll_ms.min(500))).await;
            }
        }
    }

    fn report(
        &self,
        name: &'static str,
        (level, reason): (DiskLevel, String),
        (condition, health): (&str, &Health),
    ) {
        if level != self.level() {
            match level {
                DiskLevel::Enough => tracing::info!(disk = name, "disk has enough space"),
                DiskLevel::Warning => tracing::warn!(disk = name, reason, "disk is filling up"),
                DiskLevel::Critical => {
                    tracing::error!(disk = name, reason, "disk takes no new work");
                }
            }
        }
        match level {
            DiskLevel::Enough => health.well(condition),
            DiskLevel::Warning => health.warn(condition, reason.clone()),
            DiskLevel::Critical => health.unwell(condition, reason.clone()),
        }
        self.set(level, reason);
    }
}

/// The usage of a folder's disk, after a write that takes nothing for good.
fn look(folder: &Path, probe_bytes: usize) -> io::Result<DiskUsage> {
    let usage = read_usage(folder)?;
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => {
            let file = File::from(file);
            file.write_all_at(&vec![0; probe_bytes], 0)?;
            if probe_bytes > PROBE_BYTES {
                file.sync_data()?;
            }
        }
        // A file system without anonymous files is judged by its numbers alone.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(usage)
}

/// The level of a folder, and its reason in words.
fn judge(folder: &Path, found: &io::Result<DiskUsage>, config: &DiskConfig) -> (DiskLevel, String) {
    let folder = folder.display();
    let usage = match found {
        Ok(usage) => usage,
        Err(error) => return (DiskLevel::Critical, format!("{folder} cannot be written: {error}")),
    };
    let level = usage.level(config);
    if level == DiskLevel::Enough {
        return (level, String::new());
    }
    let rest = if level == DiskLevel::Critical { "; nothing new is taken" } else { "" };
    (level, format!("{folder} has {usage}{rest}"))
}

/// The gauge of a folder's free bytes.
struct FreeBytes(opentelemetry::metrics::Gauge<u64>, &'static str);

impl FreeBytes {
    fn new(name: &'static str) -> Self {
        let meter = crate::metrics::meter();
        let gauge = meter.u64_gauge("lienthong.disk.free").with_unit("By");
        Self(gauge.with_description("free bytes of a folder's disk, by folder").build(), name)
    }

    fn set(&self, bytes: u64) {
        self.0.record(bytes, &[KeyValue::new("folder", self.1)]);
    }
}

#[cfg(test)]
mod tests;
