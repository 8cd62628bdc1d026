//! Capacity of a session that is set aside while the journal begins deliveries for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use proto::exchange::v1::Delivery;

use super::state::SessionState;
use crate::session::{InFlight, Session};

/// A part of a session's capacity, for deliveries that are being begun for it. It is given back
/// when it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(crate) session: Arc<Session>,
    pub(crate) count: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.release(|_| {});
    }
}

impl Reservation {
    /// Queues deliveries for the adapter, and ends the reservation. Those that it does not take any
    /// more, because the session was closed or the adapter stopped asking, are returned: the journal
    /// must take their leases back.
    pub(crate) fn enqueue(mut self, deliveries: Vec<(Delivery, InFlight)>) -> Vec<Delivery> {
        let mut rejected = Vec::new();
        let session = self.session.clone();
        self.release(|state| {
            for it in deliveries {
                rejected.extend(session.queue(state, it));
            }
        });
        rejected
    }

    fn release(&mut self, change: impl FnOnce(&mut SessionState)) {
        let count = std::mem::take(&mut self.count);
        if count == 0 {
            return;
        }
        {
            let mut state = self.session.state.lock();
            state.release(count);
            change(&mut state);
        }
        // Also when nothing was queued: a poll that ends waits for what is being begun.
        self.session.queued.notify_one();
        self.session.capacity_changed.notify_waiters();
    }
}

impl Session {
    /// Queues a delivery; returns it when the session cannot take it any more.
    fn queue(
        &self,
        state: &mut SessionState,
        (delivery, in_flight): (Delivery, InFlight),
    ) -> Option<Delivery> {
        match state.enqueue(delivery, in_flight) {
            Ok(given) => {
                self.turn.fetch_max(given, Ordering::Relaxed);
                None
            }
            Err(rejected) => Some(*rejected),
        }
    }

    /// Reserves at most `count` of its capacity; none when it has none.
    pub(crate) fn reserve(self: &Arc<Self>, count: usize) -> Option<Reservation> {
        let count = self.state.lock().reserve(count);
        (count > 0).then(|| Reservation { session: self.clone(), count })
    }
}
