//! One session of a connected adapter: its capacity and its deliveries in flight.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use proto::exchange::v1::Delivery;
use proto::message::v1::{Attachment, Claim};
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
    /// True from the first stream or poll on. Before it no delivery can be sent to the adapter.
    has_received: bool,
    /// True while a [`DeliveryStream`] exists.
    is_streaming: bool,
    /// When the stream broke, until another one is opened.
    broken_at_us: Option<i64>,
    /// When the adapter last made a call.
    last_call_us: i64,
}

impl State {
    fn capacity(&self) -> usize {
        self.in_flight_max.saturating_sub(self.in_flight.len())
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
    /// Digest of the token that opened it.
    pub(crate) token: TokenDigest,
    /// Cancelled when the session is replaced or closed.
    pub(crate) closed: CancellationToken,
    state: Mutex<State>,
    /// Notified when a delivery enters the queue.
    queued: Notify,
    /// Notified when the application's capacity may have changed; shared by all its sessions.
    capacity_changed: Arc<Notify>,
}

/// The stream side of a session. At most one exists, because two readers would each see half of
/// the deliveries.
#[derive(Debug)]
pub(crate) struct DeliveryStream(Arc<Session>);

impl Drop for DeliveryStream {
    fn drop(&mut self) {
        self.0.state.lock().is_streaming = false;
    }
}

impl DeliveryStream {
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
        capacity_changed: Arc<Notify>,
    ) -> Self {
        let in_flight_max = usize::try_from(caller.application.in_hand_max.max(1)).unwrap_or(1);
        let state = State {
            in_flight: HashMap::new(),
            unsent: VecDeque::new(),
            in_flight_max,
            has_received: false,
            is_streaming: false,
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
        }
    }

    /// In whose name its leases are settled.
    pub(crate) fn lease_owner(&self) -> LeaseOwner {
        LeaseOwner { application: self.application.id.clone(), session: self.id.clone() }
    }

    /// How many more deliveries the adapter accepts now; none without an adapter to send them to.
    pub(crate) fn capacity(&self) -> usize {
        let state = self.state.lock();
        let is_connected =
            state.has_received && state.broken_at_us.is_none() && !self.closed.is_cancelled();
        if is_connected { state.capacity() } else { 0 }
    }

    /// Queues a delivery for the adapter. False: the session is closed or full, and the journal
    /// must take the lease back.
    pub(crate) fn enqueue(&self, delivery: Delivery, in_flight: InFlight) -> bool {
        let mut state = self.state.lock();
        if self.closed.is_cancelled() || state.capacity() == 0 {
            return false;
        }
        if state.in_flight.insert(delivery.message_id.clone(), in_flight).is_some() {
            // The journal gives a second lease only after the first has ended, so an unsent copy
            // under the first must not be sent any more.
            state.take_without_lease();
        }
        state.unsent.push_back(delivery);
        self.queued.notify_one();
        true
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
    pub(crate) fn open_stream(self: &Arc<Self>) -> Option<DeliveryStream> {
        {
            let mut state = self.state.lock();
            if state.is_streaming {
                return None;
            }
            state.is_streaming = true;
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
        let mut state = self.state.lock();
        let unsent = Vec::from(std::mem::take(&mut state.unsent));
        for it in &unsent {
            state.in_flight.remove(&it.message_id);
        }
        unsent
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
        state.last_call_us < since_us && !state.is_streaming && state.sent_count() == 0
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
        Arc::new(Session::new(names, caller, 0, Arc::default()))
    }

    fn enqueue(session: &Session, id: &str, lease_until_us: i64) -> bool {
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
        session.enqueue(delivery, in_flight)
    }

    fn ids(deliveries: &[Delivery]) -> Vec<&str> {
        deliveries.iter().map(|it| it.message_id.as_str()).collect()
    }

    #[test]
    fn a_delivery_uses_capacity_until_it_is_settled_under_its_own_lease() {
        let session = session(2);
        assert_eq!(session.capacity(), 0, "no stream was opened yet");
        drop(session.open_stream().unwrap());
        assert_eq!(session.capacity(), 2);
        assert!(enqueue(&session, "m1", 100) && enqueue(&session, "m2", 100));
        assert!(!enqueue(&session, "m3", 100), "two are in flight");
        session.forget("m1", 6);
        assert_eq!(session.capacity(), 0, "another lease frees nothing");
        session.forget("m1", 7);
        assert_eq!(session.capacity(), 1);
        assert_eq!(ids(&session.expire_leases(100)), ["m2"]);
        assert_eq!(session.capacity(), 2);
    }

    #[test]
    fn a_closed_session_returns_unsent_deliveries_though_its_stream_is_open() {
        let session = session(3);
        let stream = session.open_stream().unwrap();
        assert!(session.open_stream().is_none());
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
        let stream = session.open_stream().unwrap();
        assert!(enqueue(&session, "m1", 100) && enqueue(&session, "m2", 200));
        let (taken, expired) = stream.take(10, 100);
        assert_eq!((ids(&taken), ids(&expired)), (vec!["m2"], vec!["m1"]));
        assert_eq!((session.capacity(), session.sent_count()), (1, 1));
    }

    #[test]
    fn a_session_with_an_unsettled_delivery_is_not_idle() {
        let session = session(2);
        let stream = session.open_stream().unwrap();
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
        drop(session.open_stream().unwrap());
        assert_eq!(session.capacity(), 2);
    }
}
