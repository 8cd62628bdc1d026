//! The numbers of leases. The gateway names a lease before it asks the journal for it, so that it can
//! return the lease although the journal's answer is lost.

use parking_lot::Mutex;

/// Gives each Begin a number of its own. Session and number together name a lease, and a session
/// lives in one gateway process, so a late settlement never fits a newer lease.
#[derive(Debug, Default)]
pub(crate) struct LeaseNumbers {
    last: Mutex<u64>,
}

impl LeaseNumbers {
    /// The next number: the time in microseconds, or one above the last number where the clock stands
    /// still or was set back. It stays below 2^53, which JSON clients read exactly, until the year
    /// 2255.
    pub(crate) fn next(&self, now_us: i64) -> u64 {
        let now = u64::try_from(now_us).unwrap_or_default();
        let mut last = self.last.lock();
        *last = now.max(*last + 1);
        *last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_never_given_twice_though_the_clock_is_set_back() {
        let numbers = LeaseNumbers::default();
        let given = [1_000, 1_000, 400, -1, 2_000].map(|now_us| numbers.next(now_us));
        assert_eq!(given, [1_000, 1_001, 1_002, 1_003, 2_000]);
        assert_eq!(LeaseNumbers::default().next(0), 1, "the journal refuses 0");
    }
}
