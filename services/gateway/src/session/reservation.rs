//! Capacity of a session that is set aside while the journal begins deliveries for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use proto::exchange::v1::Delivery;

use crate::session::{InFlight, Session, State};

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

    fn release(&mut self, change: impl FnOnce(&mut State)) {
        let count = std::mem::take(&mut self.count);
        if count == 0 {
            return;
        }
        {
            let mut state = self.session.state.lock();
            state.reserved = state.reserved.saturating_sub(count);
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
        state: &mut State,
        (delivery, in_flight): (Delivery, InFlight),
    ) -> Option<Delivery> {
        if self.closed.is_cancelled() || state.capacity() == 0 {
            return Some(delivery);
        }
        if state.in_flight.insert(delivery.message_id.clone(), in_flight).is_some() {
            // The journal gives a second lease only after the first has ended, so an unsent copy
            // under the first must not be sent any more.
            state.take_without_lease();
        }
        state.unsent.push_back(delivery);
        state.given += 1;
        self.turn.fetch_max(state.given, Ordering::Relaxed);
        None
    }

    /// Reserves at most `count` of its capacity; none when it has none.
    pub(crate) fn reserve(self: &Arc<Self>, count: usize) -> Option<Reservation> {
        let mut state = self.state.lock();
        let count = if self.closed.is_cancelled() { 0 } else { count.min(state.capacity()) };
        state.reserved += count;
        (count > 0).then(|| Reservation { session: self.clone(), count })
    }
}
