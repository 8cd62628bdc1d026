//! The one place that asks what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the time: the machine's, or one that a test holds still.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that moves only when [`Clock::advance`] moves it.
    Held(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at this time.
    pub fn held(at_us: i64) -> Self {
        Self::Held(Arc::new(AtomicI64::new(at_us)))
    }

    /// Microseconds since 1970, UTC.
    #[expect(clippy::disallowed_methods, reason = "this is the chassis' clock")]
    pub fn now_us(&self) -> i64 {
        match self {
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .ok()
                .and_then(|it| i64::try_from(it.as_micros()).ok())
                .unwrap_or_default(),
            Self::Held(at_us) => at_us.load(Ordering::SeqCst),
        }
    }

    /// Moves a held clock; the machine's goes on by itself.
    pub fn advance(&self, by: Duration) {
        if let Self::Held(at_us) = self {
            at_us.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }
}
