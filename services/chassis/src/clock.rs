//! The clock of a process, which a test can set.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The system clock, or a clock that a test sets.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system clock.
    #[default]
    System,
    /// A clock that only [`Clock::advance`] changes.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that is fixed at this time, microseconds since 1970 UTC.
    pub fn fixed(at_us: i64) -> Self {
        Self::Fixed(Arc::new(AtomicI64::new(at_us)))
    }

    /// Microseconds since 1970, UTC.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    pub fn now_us(&self) -> i64 {
        match self {
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .ok()
                .and_then(|it| i64::try_from(it.as_micros()).ok())
                .unwrap_or_default(),
            Self::Fixed(at_us) => at_us.load(Ordering::SeqCst),
        }
    }

    /// Advances a fixed clock; has no effect on the system clock.
    pub fn advance(&self, by: Duration) {
        if let Self::Fixed(at_us) = self {
            at_us.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }
}
