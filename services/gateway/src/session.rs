//! One session of a connected adapter: its capacity and its deliveries in flight.

pub(crate) mod reservation;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use proto::exchange::v1::Delivery;
use proto::message::v1::{Attachment, Claim};
use proto::operate::v1 as operate;
use proto::registry::v1::Application;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use registry_client::{Caller, TokenDigest};

/// In whose name a lease is settled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LeaseOwner {
    pub(crate) application: String,
    pub(crate) session: String,
}

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

/// What an adapter said of itself in Hello, and where it called from.
#[derive(Clone, Debug, Default)]
pub(crate) struct AdapterInfo {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) address: String,
}

/// What changes while a session is open.
#[derive(Debug)]
struct State {
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
    /// What the adapter asks for now: something while a [`DeliveryStream`] exists.
    asking: Asking,
    /// Deliveries it was given, counted for its fair share: see [`Session::turn`].
    given: u64,
    /// When the stream broke, until another one is opened.
    broken_at_us: Option<i64>,
    /// When the adapter last made a call.
    last_call_us: i64,
}

/// How an adapter asks for deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// Neither a stream nor a poll is open: it gets nothing.
    Nothing,
    /// As many as it may have in flight.
    Stream,
    /// One response with at most this many.
    Poll(usize),
}

impl State {
    /// How many more deliveries the adapter accepts now.
    fn capacity(&self) -> usize {
        let free = self.in_flight_max.saturating_sub(self.load());
        match self.asking {
            Asking::Nothing => 0,
            Asking::Stream => free,
            Asking::Poll(count_max) => {
                free.min(count_max.saturating_sub(self.unsent.len() + self.reserved))
            }
        }
    }

    /// Deliveries in flight, and those that are being begun.
    fn load(&self) -> usize {
        self.in_flight.len() + self.reserved
    }

    /// Removes the deliveries that were not sent, and returns them.
    fn take_unsent(&mut self) -> Vec<Delivery> {
        let unsent = Vec::from(std::mem::take(&mut self.unsent));
        for it in &unsent {
            self.in_flight.remove(&it.message_id);
        }
        unsent
    }

    /// Deliveries that were sent to the adapter and are not settled.
    fn sent_count(&self) -> usize {
        self.in_flight.len().saturating_sub(self.unsent.len())
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

    /// Forgets leases that have ended by now; returns those of their deliveries that were not sent.
    fn expire_leases(&mut self, now_us: i64) -> Vec<Delivery> {
        let before = self.in_flight.len();
        self.in_flight.retain(|_, it| it.lease_until_us > now_us);
        if self.in_flight.len() == before { Vec::new() } else { self.take_without_lease() }
    }
}

/// One connected adapter.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) adapter: AdapterInfo,
    pub(crate) application: Arc<Application>,
    pub(crate) opened_at_us: i64,
    /// Digest of the token that opened it.
    pub(crate) token: TokenDigest,
    /// Cancelled when the session is replaced or closed.
    pub(crate) closed: CancellationToken,
    state: Mutex<State>,
    /// Notified when a delivery enters the queue.
    queued: Notify,
    /// Notified when the application's capacity may have changed; shared by all its sessions.
    capacity_changed: Arc<Notify>,
    /// The highest `given` of the application's sessions.
    turn: Arc<AtomicU64>,
}

/// How far a session that did not ask may lag behind the others: it gets at most so many deliveries
/// in a row when it asks again.
const LAG_MAX: u64 = 16;

/// The stream side of a session. At most one exists, because two readers would each see half of
/// the deliveries.
#[derive(Debug)]
pub(crate) struct DeliveryStream(Arc<Session>);

impl Drop for DeliveryStream {
    fn drop(&mut self) {
        self.0.state.lock().asking = Asking::Nothing;
    }
}

impl DeliveryStream {
    /// Closes it: nothing more is queued for it. Returns the deliveries that were not sent; the
    /// session has forgotten them.
    pub(crate) fn close(self) -> Vec<Delivery> {
        let mut state = self.0.state.lock();
        state.asking = Asking::Nothing;
        state.take_unsent()
    }

    /// True while deliveries are being begun for the session.
    pub(crate) fn has_reserved(&self) -> bool {
        self.0.state.lock().reserved > 0
    }

    /// Waits until the queue may hold a delivery.
    pub(crate) async fn queued(&self) {
        self.0.queued.notified().await;
    }

    /// Takes at most `count_max` deliveries to send. The second list has the deliveries whose lease
    /// ended before they could be sent; the session has forgotten them.
    pub(crate) fn take(&self, count_max: usize, now_us: i64) -> (Vec<Delivery>, Vec<Delivery>) {
        let (taken, expired) = {
            let mut state = self.0.state.lock();
            let is_over = state.unsent.front().is_some_and(|it| it.lease_until_us <= now_us);
            let expired = if is_over { state.expire_leases(now_us) } else { Vec::new() };
            let count = count_max.min(state.unsent.len());
            (state.unsent.drain(..count).collect(), expired)
        };
        if !expired.is_empty() {
            self.0.capacity_changed.notify_waiters();
        }
        (taken, expired)
    }
}

impl Session {
    /// A session without a stream. `capacity_changed` is notified whenever it can take more.
    pub(crate) fn new(
        (id, adapter): (String, AdapterInfo),
        caller: Caller,
        now_us: i64,
        (capacity_changed, turn): (Arc<Notify>, Arc<AtomicU64>),
    ) -> Self {
        let in_flight_max = usize::try_from(caller.application.in_hand_max.max(1)).unwrap_or(1);
        let state = State {
            in_flight: HashMap::new(),
            unsent: VecDeque::new(),
            in_flight_max,
            reserved: 0,
            has_received: false,
            asking: Asking::Nothing,
            given: 0,
            broken_at_us: None,
            last_call_us: now_us,
        };
        Self {
            id,
            adapter,
            application: caller.application,
            token: caller.token,
            closed: CancellationToken::new(),
            state: Mutex::new(state),
            queued: Notify::new(),
            capacity_changed,
            turn,
            opened_at_us: now_us,
        }
    }

    /// In whose name its leases are settled.
    pub(crate) fn lease_owner(&self) -> LeaseOwner {
        LeaseOwner { application: self.application.id.clone(), session: self.id.clone() }
    }

    /// How many more deliveries the adapter accepts now; none while it does not ask.
    pub(crate) fn capacity(&self) -> usize {
        if self.closed.is_cancelled() { 0 } else { self.state.lock().capacity() }
    }

    /// Its place among the sessions that ask: the one with the lowest turn gets the next delivery.
    /// Fewest in flight first, so that each gets as many as it can work on; then the one that was
    /// given fewest.
    pub(crate) fn turn(&self) -> (usize, u64) {
        let state = self.state.lock();
        (state.load(), state.given)
    }

    /// Removes a settled delivery. A settled delivery leaves no trace in the session.
    pub(crate) fn forget(&self, message_id: &str, lease: u64) {
        {
            let mut state = self.state.lock();
            if state.in_flight.get(message_id).is_none_or(|it| it.lease != lease) {
                return;
            }
            state.in_flight.remove(message_id);
            state.take_without_lease();
        }
        self.capacity_changed.notify_waiters();
    }

    /// The delivery under this id, while its lease lasts.
    pub(crate) fn in_flight(&self, message_id: &str) -> Option<InFlight> {
        self.state.lock().in_flight.get(message_id).cloned()
    }

    /// Deliveries that were sent to the adapter and are not settled.
    pub(crate) fn sent_count(&self) -> usize {
        self.state.lock().sent_count()
    }

    /// Forgets leases that the journal has ended by now; returns their deliveries that were not
    /// sent.
    pub(crate) fn expire_leases(&self, now_us: i64) -> Vec<Delivery> {
        let (expired, has_changed) = {
            let mut state = self.state.lock();
            let before = state.in_flight.len();
            (state.expire_leases(now_us), state.in_flight.len() < before)
        };
        if has_changed {
            self.capacity_changed.notify_waiters();
        }
        expired
    }

    /// Opens the stream side; none while another reader has it.
    pub(crate) fn open_stream(self: &Arc<Self>, asking: Asking) -> Option<DeliveryStream> {
        {
            let mut state = self.state.lock();
            if state.asking != Asking::Nothing {
                return None;
            }
            let turn = self.turn.load(Ordering::Relaxed);
            state.given = state.given.max(turn.saturating_sub(LAG_MAX));
            state.asking = asking;
            state.has_received = true;
            state.broken_at_us = None;
        }
        self.capacity_changed.notify_waiters();
        Some(DeliveryStream(self.clone()))
    }

    /// Notes that the stream broke. The adapter may open another one for a while.
    pub(crate) fn mark_broken(&self, now_us: i64) {
        self.state.lock().broken_at_us = Some(now_us);
        // A stop waits for settlements only while an adapter is there to send them.
        self.capacity_changed.notify_waiters();
    }

    /// True when the stream broke before `since_us` and no other one was opened.
    pub(crate) fn is_abandoned(&self, since_us: i64) -> bool {
        self.state.lock().broken_at_us.is_some_and(|it| it < since_us)
    }

    /// Lowers the registry's bound of deliveries in flight; 0 leaves it. Without effect once
    /// deliveries were received, because leases above the new bound may exist then.
    pub(crate) fn lower_in_flight_max(&self, in_flight_max: u32) {
        let in_flight_max = usize::try_from(in_flight_max).unwrap_or(usize::MAX);
        let mut state = self.state.lock();
        if in_flight_max > 0 && !state.has_received {
            state.in_flight_max = state.in_flight_max.min(in_flight_max);
        }
    }

    /// Takes back the deliveries that were not sent.
    pub(crate) fn take_unsent(&self) -> Vec<Delivery> {
        self.state.lock().take_unsent()
    }

    /// Closes the session for new deliveries and takes back those that were not sent.
    pub(crate) fn close(&self) -> Vec<Delivery> {
        self.closed.cancel();
        let unsent = self.take_unsent();
        self.capacity_changed.notify_waiters();
        unsent
    }

    /// Notes that the adapter made a call.
    pub(crate) fn touch(&self, now_us: i64) {
        self.state.lock().last_call_us = now_us;
    }

    /// True when the adapter made no call since then, reads no stream and has nothing to settle.
    pub(crate) fn is_idle(&self, since_us: i64) -> bool {
        let state = self.state.lock();
        let is_asking = state.asking != Asking::Nothing;
        state.last_call_us < since_us && !is_asking && state.sent_count() == 0
    }

    /// What operators are told about it.
    pub(crate) fn describe(&self, gateway: &str) -> operate::Session {
        let state = self.state.lock();
        let asking = match state.asking {
            Asking::Nothing => operate::Asking::NotAsking,
            Asking::Stream => operate::Asking::Stream,
            Asking::Poll(_) => operate::Asking::Poll,
        };
        let count = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        operate::Session {
            id: self.id.clone(),
            application: self.application.id.clone(),
            adapter: self.adapter.name.clone(),
            adapter_version: self.adapter.version.clone(),
            address: self.adapter.address.clone(),
            opened_at_us: self.opened_at_us,
            last_call_us: state.last_call_us,
            in_flight: count(state.in_flight.len()),
            in_flight_max: count(state.in_flight_max),
            asking: asking.into(),
            gateway: gateway.to_owned(),
            stored: false,
            lease_until_us: state.in_flight.values().map(|it| it.lease_until_us).max().unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(in_hand_max: u32) -> Arc<Session> {
        let application = Application { id: "a".to_owned(), in_hand_max, ..Application::default() };
        let names = ("s".to_owned(), AdapterInfo::default());
        let caller =
            Caller { application: Arc::new(application), token: TokenDigest::of_token("") };
        Arc::new(Session::new(names, caller, 0, Default::default()))
    }

    fn enqueue(session: &Arc<Session>, id: &str, lease_until_us: i64) -> bool {
        let in_flight = InFlight {
            lease: 7,
            attachments: Vec::new(),
            body: None,
            lease_until_us,
            conversation: String::new(),
            traceparent: String::new(),
        };
        let message_id = id.to_owned();
        let delivery = Delivery { message_id, lease: 7, lease_until_us, ..Delivery::default() };
        let Some(reservation) = session.reserve(1) else { return false };
        reservation.enqueue(vec![(delivery, in_flight)]).is_empty()
    }

    fn ids(deliveries: &[Delivery]) -> Vec<&str> {
        deliveries.iter().map(|it| it.message_id.as_str()).collect()
    }

    #[test]
    fn a_delivery_uses_capacity_until_it_is_settled_under_its_own_lease() {
        let session = session(2);
        assert_eq!(session.capacity(), 0, "no stream was opened yet");
        let stream = session.open_stream(Asking::Stream).unwrap();
        assert_eq!(session.capacity(), 2);
        assert!(enqueue(&session, "m1", 100) && enqueue(&session, "m2", 100));
        assert!(!enqueue(&session, "m3", 100), "two are in flight");
        session.forget("m1", 6);
        assert_eq!(session.capacity(), 0, "another lease frees nothing");
        session.forget("m1", 7);
        assert_eq!(session.capacity(), 1);
        assert_eq!(ids(&session.expire_leases(100)), ["m2"]);
        assert_eq!(session.capacity(), 2);
        drop(stream);
        assert_eq!(session.capacity(), 0, "nobody reads");
    }

    #[test]
    fn a_poll_gets_no_more_than_it_asked_for_and_nothing_once_it_is_closed() {
        let session = session(5);
        let poll = session.open_stream(Asking::Poll(2)).unwrap();
        assert!(enqueue(&session, "m1", 100));
        let reservation = session.reserve(9).unwrap();
        assert_eq!((reservation.count, session.capacity()), (1, 0));
        assert!(poll.has_reserved());
        assert_eq!(ids(&poll.close()), ["m1"], "it was not sent");
        let in_flight = session.in_flight("m1");
        assert!(in_flight.is_none() && session.reserve(1).is_none());
        let delivery = Delivery { message_id: "m2".to_owned(), ..Delivery::default() };
        let begun = InFlight {
            lease: 7,
            attachments: Vec::new(),
            body: None,
            lease_until_us: 100,
            conversation: String::new(),
            traceparent: String::new(),
        };
        assert_eq!(ids(&reservation.enqueue(vec![(delivery, begun)])), ["m2"]);
        assert_eq!(session.sent_count(), 0);
    }

    #[test]
    fn a_closed_session_returns_unsent_deliveries_though_its_stream_is_open() {
        let session = session(3);
        let stream = session.open_stream(Asking::Stream).unwrap();
        assert!(session.open_stream(Asking::Stream).is_none());
        for id in ["m1", "m2", "m3"] {
            assert!(enqueue(&session, id, 100));
        }
        assert_eq!(ids(&stream.take(1, 0).0), ["m1"]);
        assert_eq!(ids(&session.close()), ["m2", "m3"]);
        assert!(!enqueue(&session, "m4", 100));
        assert_eq!((session.capacity(), session.sent_count()), (0, 1));
    }

    #[test]
    fn a_delivery_whose_lease_has_ended_is_not_sent_and_frees_capacity() {
        let session = session(2);
        let stream = session.open_stream(Asking::Stream).unwrap();
        assert!(enqueue(&session, "m1", 100) && enqueue(&session, "m2", 200));
        let (taken, expired) = stream.take(10, 100);
        assert_eq!((ids(&taken), ids(&expired)), (vec!["m2"], vec!["m1"]));
        assert_eq!((session.capacity(), session.sent_count()), (1, 1));
    }

    #[test]
    fn a_session_with_an_unsettled_delivery_is_not_idle() {
        let session = session(2);
        let stream = session.open_stream(Asking::Stream).unwrap();
        assert!(enqueue(&session, "m1", 100));
        assert_eq!(stream.take(1, 0).0.len(), 1);
        drop(stream);
        assert!(!session.is_idle(50), "a delivery is in flight");
        session.forget("m1", 7);
        assert!(session.is_idle(50));
    }

    #[test]
    fn an_adapter_may_lower_the_bound_of_deliveries_in_flight() {
        let session = session(5);
        session.lower_in_flight_max(2);
        let _stream = session.open_stream(Asking::Stream).unwrap();
        assert_eq!(session.capacity(), 2);
    }
}
