//! What a session has: its capacity, and what becomes of the deliveries that the journal leased to it.
//! Pure: events and times go in, the deliveries to return come out.
//!
//! | delivery | begun | taken | settled, its lease | settled, another one | lease ended | reading ended |
//! |---|---|---|---|---|---|---|
//! | reserved | unsent, or returned where nobody reads | | | | | stays reserved |
//! | unsent | its new lease replaces it | sent | gone | stays | returned | returned |
//! | sent | its new lease replaces it | | gone | stays | gone | stays |

use std::collections::{HashMap, VecDeque};

use proto::exchange::v1::Delivery;
use proto::message::v1::{Attachment, Claim};

use super::phase::{Asking, Phase, PhaseEffect, Reading, SessionEvent};

/// A delivery under a lease: what `GetPart` may read of it, and when the lease ends.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    pub(crate) lease: u64,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) body: Option<Claim>,
    pub(crate) lease_until_us: i64,
    pub(crate) conversation: String,
    pub(crate) traceparent: String,
}

/// What changes while a session is open.
#[derive(Debug)]
pub(super) struct SessionState {
    phase: Phase,
    /// The number of the last reader.
    last_reader: u64,
    /// Every delivery under a lease, by message id.
    in_flight: HashMap<String, InFlight>,
    /// Those of them that were not sent to the adapter yet, oldest first.
    unsent: VecDeque<Delivery>,
    /// Leases the adapter accepts at a time.
    in_flight_max: usize,
    /// Deliveries that are being begun for it in the journal.
    reserved: usize,
    /// True from the first stream or poll on.
    has_received: bool,
    /// Deliveries it was given, counted for its fair share.
    given: u64,
    /// When the adapter last made a call.
    last_call_us: i64,
}

/// How far a session that did not ask may lag behind the others: it gets at most so many deliveries
/// in a row when it asks again.
const LAG_MAX: u64 = 16;

impl SessionState {
    pub(super) fn new(in_flight_max: usize, now_us: i64) -> Self {
        Self {
            phase: Phase::Open(Reading::Silent),
            last_reader: 0,
            in_flight: HashMap::new(),
            unsent: VecDeque::new(),
            in_flight_max,
            reserved: 0,
            has_received: false,
            given: 0,
            last_call_us: now_us,
        }
    }

    /// Applies an event to the phase; the deliveries that the session gives back by it.
    fn apply(&mut self, event: SessionEvent) -> Result<Vec<Delivery>, ReaderRefused> {
        let (phase, effect) = self.phase.after(event);
        self.phase = phase;
        match effect {
            PhaseEffect::Nothing => Ok(Vec::new()),
            PhaseEffect::Refused => Err(ReaderRefused),
            PhaseEffect::ReturnUnsent => Ok(self.take_unsent()),
        }
    }

    /// What the adapter asks for now.
    pub(super) fn asking(&self) -> Asking {
        match self.phase.reading() {
            Reading::Reads { asking, .. } => asking,
            Reading::Silent | Reading::Lost { .. } => Asking::Nothing,
        }
    }

    /// The number of a new reader; none while another one reads. `turn` is the highest count of
    /// deliveries given to a session of the application.
    pub(super) fn open_reader(&mut self, asking: Asking, turn: u64) -> Option<u64> {
        let reader = self.last_reader + 1;
        self.apply(SessionEvent::ReaderOpened { reader, asking }).ok()?;
        self.last_reader = reader;
        self.given = self.given.max(turn.saturating_sub(LAG_MAX));
        self.has_received = true;
        Some(reader)
    }

    /// Ends a reader, whose stream was lost at this time or which was answered; the deliveries that
    /// were not sent. Nothing happens where another reader has the session meanwhile.
    pub(super) fn close_reader(&mut self, reader: u64, lost_at_us: Option<i64>) -> Vec<Delivery> {
        let event = lost_at_us.map_or(SessionEvent::ReaderClosed { reader }, |at_us| {
            SessionEvent::StreamLost { reader, at_us }
        });
        self.apply(event).unwrap_or_default()
    }

    /// Stops deliveries; those that were not sent.
    pub(super) fn start_drain(&mut self) -> Vec<Delivery> {
        self.apply(SessionEvent::DrainStarted).unwrap_or_default()
    }

    /// Closes the session; the deliveries that were not sent.
    pub(super) fn close(&mut self) -> Vec<Delivery> {
        self.apply(SessionEvent::Closed).unwrap_or_default()
    }

    /// How many more deliveries the adapter accepts now.
    pub(super) fn capacity(&self) -> usize {
        let asking = match self.phase {
            Phase::Open(_) => self.asking(),
            Phase::Draining(_) | Phase::Closed => Asking::Nothing,
        };
        let free = self.in_flight_max.saturating_sub(self.load());
        match asking {
            Asking::Nothing => 0,
            Asking::Stream => free,
            Asking::Poll(count_max) => {
                free.min(count_max.saturating_sub(self.unsent.len() + self.reserved))
            }
        }
    }

    /// Deliveries in flight, and those that are being begun.
    pub(super) fn load(&self) -> usize {
        self.in_flight.len() + self.reserved
    }

    /// Its place among the sessions that ask: fewest in flight first, so that each gets as many as
    /// it can work on; then the one that was given fewest.
    pub(super) fn turn(&self) -> (usize, u64) {
        (self.load(), self.given)
    }

    /// Sets at most `count` of the capacity aside; how much.
    pub(super) fn reserve(&mut self, count: usize) -> usize {
        let count = count.min(self.capacity());
        self.reserved += count;
        count
    }

    /// Gives back what was reserved.
    pub(super) fn release(&mut self, count: usize) {
        self.reserved = self.reserved.saturating_sub(count);
    }

    pub(super) fn has_reserved(&self) -> bool {
        self.reserved > 0
    }

    /// Queues a delivery, and returns how many the session was given by now; the delivery where the
    /// session cannot take it any more.
    pub(super) fn enqueue(
        &mut self,
        delivery: Delivery,
        in_flight: InFlight,
    ) -> Result<u64, Box<Delivery>> {
        if self.capacity() == 0 {
            return Err(Box::new(delivery));
        }
        if self.in_flight.insert(delivery.message_id.clone(), in_flight).is_some() {
            // The journal gives a second lease only after the first has ended, so an unsent copy
            // under the first must not be sent any more.
            self.take_without_lease();
        }
        self.unsent.push_back(delivery);
        self.given += 1;
        Ok(self.given)
    }

    /// Takes at most `count_max` deliveries to send. The second list has the deliveries whose lease
    /// ended before they could be sent; the session has forgotten them.
    pub(super) fn take(&mut self, count_max: usize, now_us: i64) -> (Vec<Delivery>, Vec<Delivery>) {
        let is_over = self.unsent.iter().take(count_max).any(|it| it.lease_until_us <= now_us);
        let expired = if is_over { self.expire_leases(now_us).1 } else { Vec::new() };
        let count = count_max.min(self.unsent.len());
        (self.unsent.drain(..count).collect(), expired)
    }

    /// Removes a delivery that was settled under this lease; false: it has no such delivery.
    pub(super) fn settle(&mut self, message_id: &str, lease: u64) -> bool {
        if self.in_flight.get(message_id).is_none_or(|it| it.lease != lease) {
            return false;
        }
        self.in_flight.remove(message_id);
        self.take_without_lease();
        true
    }

    /// Forgets leases that have ended by now: whether there were any, and those of their deliveries
    /// that were not sent.
    pub(super) fn expire_leases(&mut self, now_us: i64) -> (bool, Vec<Delivery>) {
        let before = self.in_flight.len();
        self.in_flight.retain(|_, it| it.lease_until_us > now_us);
        let has_ended = self.in_flight.len() < before;
        (has_ended, if has_ended { self.take_without_lease() } else { Vec::new() })
    }

    /// Removes the deliveries that were not sent, and returns them.
    fn take_unsent(&mut self) -> Vec<Delivery> {
        let unsent = Vec::from(std::mem::take(&mut self.unsent));
        for it in &unsent {
            self.in_flight.remove(&it.message_id);
        }
        unsent
    }

    /// Removes from the queue the deliveries whose lease is gone, and returns them.
    fn take_without_lease(&mut self) -> Vec<Delivery> {
        let has_lease = |it: &Delivery| {
            self.in_flight.get(&it.message_id).is_some_and(|found| found.lease == it.lease)
        };
        let (leased, gone): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.unsent).into_iter().partition(has_lease);
        self.unsent = leased;
        gone.into()
    }

    pub(super) fn in_flight(&self, message_id: &str) -> Option<&InFlight> {
        self.in_flight.get(message_id)
    }

    pub(super) fn in_flight_count(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn in_flight_max(&self) -> usize {
        self.in_flight_max
    }

    /// When the last of its leases ends; 0: it has none.
    pub(super) fn last_lease_until_us(&self) -> i64 {
        self.in_flight.values().map(|it| it.lease_until_us).max().unwrap_or(0)
    }

    /// Deliveries that were sent to the adapter and are not settled.
    pub(super) fn sent_count(&self) -> usize {
        self.in_flight.len().saturating_sub(self.unsent.len())
    }

    /// True when the stream broke before `since_us` and no other one was opened.
    pub(super) fn is_abandoned(&self, since_us: i64) -> bool {
        matches!(self.phase.reading(), Reading::Lost { at_us } if at_us < since_us)
    }

    /// True when the adapter made no call since then, reads no stream and has nothing to settle.
    pub(super) fn is_idle(&self, since_us: i64) -> bool {
        self.last_call_us < since_us && self.asking() == Asking::Nothing && self.sent_count() == 0
    }

    pub(super) fn last_call_us(&self) -> i64 {
        self.last_call_us
    }

    /// Notes that the adapter made a call.
    pub(super) fn touch(&mut self, now_us: i64) {
        self.last_call_us = now_us;
    }

    /// Lowers the bound of deliveries in flight; 0 leaves it. Without effect once deliveries were
    /// received, because leases above the new bound may exist then.
    pub(super) fn lower_in_flight_max(&mut self, in_flight_max: usize) {
        if in_flight_max > 0 && !self.has_received {
            self.in_flight_max = self.in_flight_max.min(in_flight_max);
        }
    }
}

/// Another reader has the session.
#[derive(Clone, Copy, Debug)]
struct ReaderRefused;

#[cfg(test)]
mod tests;
