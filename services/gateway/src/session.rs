//! One session of a connected adapter: its capacity and its deliveries in flight.

mod phase;
pub(crate) mod reservation;
mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use proto::exchange::v1::Delivery;
use proto::operate::v1 as operate;
use proto::registry::v1::Application;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use registry_client::{Caller, TokenDigest};

pub(crate) use phase::Asking;
pub(crate) use state::InFlight;
use state::SessionState;

/// In whose name a lease is settled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LeaseOwner {
    pub(crate) application: String,
    pub(crate) session: String,
}

/// What an adapter said of itself in Hello, and where it called from.
#[derive(Clone, Debug, Default)]
pub(crate) struct AdapterInfo {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) address: String,
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
    state: Mutex<SessionState>,
    /// Notified when a delivery enters the queue.
    queued: Notify,
    /// Notified when the application's capacity may have changed; shared by all its sessions.
    capacity_changed: Arc<Notify>,
    /// The highest `given` of the application's sessions.
    turn: Arc<AtomicU64>,
}

/// The stream side of a session. At most one exists, because two readers would each see half of
/// the deliveries.
#[derive(Debug)]
pub(crate) struct DeliveryStream {
    session: Arc<Session>,
    /// Its number among the readers of the session.
    reader: u64,
}

impl Drop for DeliveryStream {
    /// Does nothing after [`DeliveryStream::close`].
    fn drop(&mut self) {
        drop(self.session.close_reader(self.reader, None));
    }
}

impl DeliveryStream {
    /// Closes it: nothing more is queued for it. `lost_at_us`: the stream broke then, and the adapter
    /// may open another one for a while. Returns the deliveries that were not sent; the session has
    /// forgotten them.
    pub(crate) fn close(self, lost_at_us: Option<i64>) -> Vec<Delivery> {
        self.session.close_reader(self.reader, lost_at_us)
    }

    /// True while deliveries are being begun for the session.
    pub(crate) fn has_reserved(&self) -> bool {
        self.session.state.lock().has_reserved()
    }

    /// Waits until the queue may hold a delivery.
    pub(crate) async fn queued(&self) {
        self.session.queued.notified().await;
    }

    /// Takes at most `count_max` deliveries to send. The second list has the deliveries whose lease
    /// ended before they could be sent; the session has forgotten them.
    pub(crate) fn take(&self, count_max: usize, now_us: i64) -> (Vec<Delivery>, Vec<Delivery>) {
        let (taken, expired) = self.session.state.lock().take(count_max, now_us);
        if !expired.is_empty() {
            self.session.capacity_changed.notify_waiters();
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
        Self {
            id,
            adapter,
            application: caller.application,
            token: caller.token,
            closed: CancellationToken::new(),
            state: Mutex::new(SessionState::new(in_flight_max, now_us)),
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
        self.state.lock().capacity()
    }

    /// Its place among the sessions that ask: the one with the lowest turn gets the next delivery.
    pub(crate) fn turn(&self) -> (usize, u64) {
        self.state.lock().turn()
    }

    /// Removes a settled delivery. A settled delivery leaves no trace in the session.
    pub(crate) fn forget(&self, message_id: &str, lease: u64) {
        if self.state.lock().settle(message_id, lease) {
            self.capacity_changed.notify_waiters();
        }
    }

    /// The delivery under this id, while its lease lasts.
    pub(crate) fn in_flight(&self, message_id: &str) -> Option<InFlight> {
        self.state.lock().in_flight(message_id).cloned()
    }

    /// Deliveries that were sent to the adapter and are not settled.
    pub(crate) fn sent_count(&self) -> usize {
        self.state.lock().sent_count()
    }

    /// Forgets leases that the journal has ended by now; returns their deliveries that were not
    /// sent.
    pub(crate) fn expire_leases(&self, now_us: i64) -> Vec<Delivery> {
        let (has_ended, expired) = self.state.lock().expire_leases(now_us);
        if has_ended {
            self.capacity_changed.notify_waiters();
        }
        expired
    }

    /// Opens the stream side; none while another reader has it.
    pub(crate) fn open_stream(self: &Arc<Self>, asking: Asking) -> Option<DeliveryStream> {
        let turn = self.turn.load(Ordering::Relaxed);
        let reader = self.state.lock().open_reader(asking, turn)?;
        self.capacity_changed.notify_waiters();
        Some(DeliveryStream { session: self.clone(), reader })
    }

    fn close_reader(&self, reader: u64, lost_at_us: Option<i64>) -> Vec<Delivery> {
        let unsent = self.state.lock().close_reader(reader, lost_at_us);
        if lost_at_us.is_some() {
            // A stop waits for settlements only while an adapter is there to send them.
            self.capacity_changed.notify_waiters();
        }
        unsent
    }

    /// True when the stream broke before `since_us` and no other one was opened.
    pub(crate) fn is_abandoned(&self, since_us: i64) -> bool {
        self.state.lock().is_abandoned(since_us)
    }

    /// Lowers the registry's bound of deliveries in flight; 0 leaves it. Without effect once
    /// deliveries were received.
    pub(crate) fn lower_in_flight_max(&self, in_flight_max: u32) {
        let in_flight_max = usize::try_from(in_flight_max).unwrap_or(usize::MAX);
        self.state.lock().lower_in_flight_max(in_flight_max);
    }

    /// Stops deliveries because the gateway stops, and takes back those that were not sent.
    pub(crate) fn start_drain(&self) -> Vec<Delivery> {
        self.state.lock().start_drain()
    }

    /// Closes the session for new deliveries and takes back those that were not sent.
    pub(crate) fn close(&self) -> Vec<Delivery> {
        let unsent = self.state.lock().close();
        self.closed.cancel();
        self.capacity_changed.notify_waiters();
        unsent
    }

    /// Notes that the adapter made a call.
    pub(crate) fn touch(&self, now_us: i64) {
        self.state.lock().touch(now_us);
    }

    /// True when the adapter made no call since then, reads no stream and has nothing to settle.
    pub(crate) fn is_idle(&self, since_us: i64) -> bool {
        self.state.lock().is_idle(since_us)
    }

    /// What operators are told about it.
    pub(crate) fn describe(&self, gateway: &str) -> operate::Session {
        let state = self.state.lock();
        let asking = match state.asking() {
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
            last_call_us: state.last_call_us(),
            in_flight: count(state.in_flight_count()),
            in_flight_max: count(state.in_flight_max()),
            asking: asking.into(),
            gateway: gateway.to_owned(),
            stored: false,
            lease_until_us: state.last_lease_until_us(),
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
        assert_eq!(ids(&poll.close(None)), ["m1"], "it was not sent");
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

    #[test]
    fn the_end_of_a_stream_does_not_reach_the_one_that_was_opened_after_it() {
        let session = session(2);
        let first = session.open_stream(Asking::Stream).unwrap();
        let first_reader = first.reader;
        assert!(first.close(Some(10)).is_empty());
        assert!(session.is_abandoned(50), "its stream broke");
        let _second = session.open_stream(Asking::Stream).unwrap();
        assert!(enqueue(&session, "m1", 100));
        for lost_at_us in [None, Some(20)] {
            assert!(session.close_reader(first_reader, lost_at_us).is_empty());
        }
        assert!(!session.is_abandoned(50), "another stream was opened");
        assert_eq!((session.capacity(), session.in_flight("m1").is_some()), (1, true));
    }

    #[test]
    fn a_session_of_a_gateway_that_stops_takes_nothing_and_keeps_what_was_sent() {
        let session = session(2);
        let stream = session.open_stream(Asking::Stream).unwrap();
        assert!(enqueue(&session, "m1", 100) && enqueue(&session, "m2", 100));
        assert_eq!(ids(&stream.take(1, 0).0), ["m1"]);
        assert_eq!(ids(&session.start_drain()), ["m2"]);
        assert!(!enqueue(&session, "m3", 100));
        assert_eq!((session.sent_count(), session.is_abandoned(50)), (1, false));
        assert!(stream.close(Some(10)).is_empty());
        assert!(session.is_abandoned(50), "nobody is there to settle");
    }
}
