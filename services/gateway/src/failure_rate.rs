//! How often calls of one application may be refused: a program that repeats a refused call in a
//! loop costs reading and checking it every time.

use std::collections::HashMap;

use parking_lot::Mutex;
use proto::fault::v1::Fault;
use tokio::time::Instant;

use crate::fault::too_many_refusals;

/// One token bucket for each application: a refusal takes a token, and an application without
/// tokens is answered before its body is read.
#[derive(Debug)]
pub(crate) struct FailureRate {
    burst_max: f64,
    per_second_max: f64,
    by_application: Mutex<HashMap<String, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

impl FailureRate {
    /// At most `burst_max` refusals at once, and `per_second_max` in the long run.
    pub(crate) fn new(burst_max: u32, per_second_max: u32) -> Self {
        Self {
            burst_max: f64::from(burst_max.max(1)),
            per_second_max: f64::from(per_second_max.max(1)),
            by_application: Mutex::default(),
        }
    }

    /// Passes a call of an application whose calls were not refused too often.
    ///
    /// # Errors
    ///
    /// They were.
    pub(crate) fn check(&self, application: &str) -> Result<(), Fault> {
        let mut by_application = self.by_application.lock();
        let Some(bucket) = by_application.get_mut(application) else { return Ok(()) };
        self.fill(bucket);
        if bucket.tokens >= self.burst_max {
            by_application.remove(application);
            return Ok(());
        }
        if bucket.tokens >= 1.0 { Ok(()) } else { Err(too_many_refusals()) }
    }

    /// Notes refusals of an application.
    pub(crate) fn note(&self, application: &str, count: usize) {
        if count == 0 {
            return;
        }
        let mut by_application = self.by_application.lock();
        let full = Bucket { tokens: self.burst_max, filled_at: Instant::now() };
        let bucket = by_application.entry(application.to_owned()).or_insert(full);
        self.fill(bucket);
        let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        bucket.tokens = (bucket.tokens - count).max(0.0);
    }

    fn fill(&self, bucket: &mut Bucket) {
        let now = Instant::now();
        let more = (now - bucket.filled_at).as_secs_f64() * self.per_second_max;
        *bucket = Bucket { tokens: (bucket.tokens + more).min(self.burst_max), filled_at: now };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_of_refused_calls_is_slowed_down_and_others_are_not() {
        let rate = FailureRate::new(100, 10);
        for _ in 0..100 {
            rate.check("a").unwrap();
            rate.note("a", 1);
        }
        assert_eq!(rate.check("a").unwrap_err().code, "LT-GW-013");
        rate.check("b").unwrap();
        tokio::time::advance(Duration::from_millis(100)).await;
        rate.check("a").unwrap();
        rate.note("a", 256);
        tokio::time::advance(Duration::from_millis(99)).await;
        rate.check("a").unwrap_err();
        tokio::time::advance(Duration::from_secs(60)).await;
        rate.check("a").unwrap();
        assert!(rate.by_application.lock().is_empty(), "it is forgotten");
    }
}
