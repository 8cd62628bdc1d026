//! A value that is made from files, and made again when they change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use crate::error::TlsError;

/// How long the files are not looked at again.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What tells a changed file: length and time of modification.
type Stamp = Option<(u64, SystemTime)>;

/// A value made from files.
pub(crate) struct Reloaded<T> {
    paths: Vec<PathBuf>,
    make: Box<dyn Fn() -> Result<T, TlsError> + Send + Sync>,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    stamps: Vec<Stamp>,
    looked: Instant,
}

impl<T> Reloaded<T> {
    /// Makes the value for the first time.
    pub(crate) fn new(
        paths: Vec<PathBuf>,
        make: impl Fn() -> Result<T, TlsError> + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        let stamps = stamps(&paths);
        let value = Arc::new(make()?);
        let state = State { value, stamps, looked: Instant::now() };
        Ok(Self { paths, make: Box::new(make), state: Mutex::new(state) })
    }

    /// The value of the files as they are now; the last good one when they cannot be used.
    pub(crate) fn current(&self) -> Arc<T> {
        let mut state = self.state.lock();
        if state.looked.elapsed() < LOOK_INTERVAL {
            return state.value.clone();
        }
        state.looked = Instant::now();
        let stamps = stamps(&self.paths);
        if stamps != state.stamps {
            match (self.make)() {
                Ok(value) => {
                    state.value = Arc::new(value);
                    state.stamps = stamps;
                    tracing::info!(files = ?self.paths, "certificates were read again");
                }
                // A certificate may have been replaced and its key not yet: the files are looked at
                // again with the next connection.
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, "changed certificates cannot be used");
                }
            }
        }
        state.value.clone()
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    };
    paths.iter().map(stamp).collect()
}
