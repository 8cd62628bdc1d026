//! Sessions: one connected adapter each, its free hands and what it has in hand.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use proto::exchange::v1::Delivery;
use proto::message::v1::{Attachment, Claim};
use proto::registry::v1::Application;
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::directory::Caller;
use crate::gateway::Whose;

/// A delivery in hand: what GetPart may read of it, and until when it is held.
#[derive(Clone, Debug)]
pub(crate) struct InHand {
    pub(crate) lease: u64,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) body: Option<Claim>,
    pub(crate) lease_until_us: i64,
    pub(crate) conversation: String,
    pub(crate) traceparent: String,
}

/// What a session holds.
#[derive(Debug, Default)]
struct Hands {
    /// Everything under a lease, by message id.
    held: HashMap<String, InHand>,
    /// Those of them that have not left this house yet, oldest first.
    queue: VecDeque<Delivery>,
}

impl Hands {
    /// Drops from the queue what is no longer held, and gives it out.
    fn unheld(&mut self) -> Vec<Delivery> {
        let is_held = |it: &Delivery| {
            self.held.get(&it.message_id).is_some_and(|held| held.lease == it.lease)
        };
        let (kept, gone): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.queue).into_iter().partition(is_held);
        self.queue = kept;
        gone.into()
    }
}

/// One connected adapter. Nobody waits under its lock.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) adapter: String,
    pub(crate) application: Arc<Application>,
    /// Digest of the token that opened it.
    pub(crate) token: [u8; 32],
    /// Ended when the session is replaced or closed.
    pub(crate) closed: CancellationToken,
    places: Semaphore,
    hands: Mutex<Hands>,
    /// Hears that something came into the queue.
    arrived: Notify,
    /// Somebody has asked for deliveries.
    is_receiving: AtomicBool,
    /// Somebody is taking deliveries now.
    is_taken: AtomicBool,
    /// When its stream broke; 0: it has not.
    left_us: AtomicI64,
    seen_us: AtomicI64,
    changed: Arc<Notify>,
}

/// The end where deliveries come out; one at a time has it.
pub(crate) struct Outlet(Arc<Session>);

impl Drop for Outlet {
    fn drop(&mut self) {
        self.0.is_taken.store(false, Ordering::SeqCst);
    }
}

impl Outlet {
    /// Waits until there may be something to take.
    pub(crate) async fn arrived(&self) {
        self.0.arrived.notified().await;
    }

    /// Takes up to so many out of the queue. The second are those whose lease was over before
    /// they could leave; they are out of hand.
    pub(crate) async fn take(&self, most: usize, now_us: i64) -> (Vec<Delivery>, Vec<Delivery>) {
        let mut hands = self.0.hands.lock().await;
        let is_over = hands.queue.front().is_some_and(|it| it.lease_until_us <= now_us);
        let lapsed = if is_over { self.0.lapse(&mut hands, now_us) } else { Vec::new() };
        let count = most.min(hands.queue.len());
        (hands.queue.drain(..count).collect(), lapsed)
    }
}

impl Session {
    /// A session that nobody receives yet; `changed` hears when it may take more.
    pub(crate) fn new(
        (id, adapter): (String, String),
        caller: Caller,
        now_us: i64,
        changed: Arc<Notify>,
    ) -> Self {
        let places = usize::try_from(caller.application.in_hand_max.max(1)).unwrap_or(1);
        Self {
            id,
            adapter,
            application: caller.application,
            token: caller.token,
            closed: CancellationToken::new(),
            places: Semaphore::new(places),
            hands: Mutex::default(),
            arrived: Notify::new(),
            is_receiving: AtomicBool::new(false),
            is_taken: AtomicBool::new(false),
            left_us: AtomicI64::new(0),
            seen_us: AtomicI64::new(now_us),
            changed,
        }
    }

    /// In whose name its leases are closed.
    pub(crate) fn whose(&self) -> Whose {
        Whose { application: self.application.id.clone(), session: self.id.clone() }
    }

    /// How many more deliveries it can take now.
    pub(crate) fn free_hands(&self) -> usize {
        let is_there = self.is_receiving.load(Ordering::SeqCst)
            && self.left_us.load(Ordering::SeqCst) == 0
            && !self.closed.is_cancelled();
        if is_there { self.places.available_permits() } else { 0 }
    }

    /// Hands one over; false: it could not be, and is still the journal's.
    pub(crate) async fn hand_over(&self, delivery: Delivery, held: InHand) -> bool {
        let mut hands = self.hands.lock().await;
        if self.closed.is_cancelled() {
            return false;
        }
        let Ok(place) = self.places.try_acquire() else { return false };
        place.forget();
        if hands.held.insert(delivery.message_id.clone(), held).is_some() {
            // Its earlier lease is over, or the journal would not have given another.
            self.places.add_permits(1);
            hands.unheld();
        }
        hands.queue.push_back(delivery);
        self.arrived.notify_one();
        true
    }

    /// It is out of hand: answered, or back with the journal.
    pub(crate) async fn let_go(&self, message_id: &str, lease: u64) {
        let mut hands = self.hands.lock().await;
        if hands.held.get(message_id).is_some_and(|it| it.lease == lease) {
            hands.held.remove(message_id);
            hands.unheld();
            self.places.add_permits(1);
            self.changed.notify_waiters();
        }
    }

    /// What it has in hand under this id.
    pub(crate) async fn held(&self, message_id: &str) -> Option<InHand> {
        self.hands.lock().await.held.get(message_id).cloned()
    }

    /// How many deliveries left this house and are not answered.
    pub(crate) async fn handed_out(&self) -> usize {
        let hands = self.hands.lock().await;
        hands.held.len().saturating_sub(hands.queue.len())
    }

    /// Lets go of what the journal has taken back by now; gives out what never left this house.
    pub(crate) async fn expire(&self, now_us: i64) -> Vec<Delivery> {
        self.lapse(&mut *self.hands.lock().await, now_us)
    }

    fn lapse(&self, hands: &mut Hands, now_us: i64) -> Vec<Delivery> {
        let before = hands.held.len();
        hands.held.retain(|_, it| it.lease_until_us > now_us);
        let freed = before - hands.held.len();
        if freed == 0 {
            return Vec::new();
        }
        self.places.add_permits(freed);
        self.changed.notify_waiters();
        hands.unheld()
    }

    /// The end where deliveries come out; none: somebody has it.
    pub(crate) fn outlet(self: &Arc<Self>) -> Option<Outlet> {
        let order = Ordering::SeqCst;
        self.is_taken.compare_exchange(false, true, order, order).ok()?;
        self.left_us.store(0, order);
        self.is_receiving.store(true, order);
        self.changed.notify_waiters();
        Some(Outlet(self.clone()))
    }

    /// Its stream broke; whoever had it may come back for a while.
    pub(crate) fn left(&self, now_us: i64) {
        self.left_us.store(now_us, Ordering::SeqCst);
    }

    /// True when its stream broke before then, and nobody came back.
    pub(crate) fn is_left(&self, since_us: i64) -> bool {
        (1..since_us).contains(&self.left_us.load(Ordering::SeqCst))
    }

    /// Takes at most so many at a time, instead of what the registry allows; before the first one.
    pub(crate) fn narrow(&self, in_hand_max: u32) {
        let most = usize::try_from(in_hand_max).unwrap_or(usize::MAX);
        if most > 0 && !self.is_receiving.load(Ordering::SeqCst) {
            self.places.forget_permits(self.places.available_permits().saturating_sub(most));
        }
    }

    /// Takes back what has not left this house yet.
    pub(crate) async fn unsent(&self) -> Vec<Delivery> {
        let mut hands = self.hands.lock().await;
        let unsent = Vec::from(std::mem::take(&mut hands.queue));
        for it in &unsent {
            hands.held.remove(&it.message_id);
        }
        self.places.add_permits(unsent.len());
        unsent
    }

    /// Ends it, and gives out what had not left this house yet. Nothing more comes in.
    pub(crate) async fn drain(&self) -> Vec<Delivery> {
        self.closed.cancel();
        self.changed.notify_waiters();
        self.unsent().await
    }

    /// Somebody called in its name.
    pub(crate) fn seen(&self, now_us: i64) {
        self.seen_us.store(now_us, Ordering::SeqCst);
    }

    /// True when nobody called since then, nobody receives, and nothing is being worked on.
    pub(crate) async fn is_idle(&self, since_us: i64) -> bool {
        self.seen_us.load(Ordering::SeqCst) < since_us
            && !self.is_taken.load(Ordering::SeqCst)
            && self.handed_out().await == 0
    }
}

/// All sessions of this gateway.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    open: Arc<Mutex<HashMap<String, Arc<Session>>>>,
    changed: Arc<Notify>,
}

impl Sessions {
    /// Hears when somebody may take more, or somebody came or went.
    pub(crate) fn changed(&self) -> Arc<Notify> {
        self.changed.clone()
    }

    /// Adds one.
    pub(crate) async fn add(&self, session: Arc<Session>) {
        self.open.lock().await.insert(session.id.clone(), session);
        self.changed.notify_waiters();
    }

    pub(crate) async fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.open.lock().await.get(id).cloned()
    }

    /// Takes one out; it is still to be drained.
    pub(crate) async fn remove(&self, id: &str) -> Option<Arc<Session>> {
        self.open.lock().await.remove(id)
    }

    /// Takes the sessions of one adapter out; they are still to be drained.
    pub(crate) async fn remove_adapter(
        &self,
        application: &str,
        adapter: &str,
    ) -> Vec<Arc<Session>> {
        let mut open = self.open.lock().await;
        open.extract_if(|_, it| it.application.id == application && it.adapter == adapter)
            .map(|(_, session)| session)
            .collect()
    }

    pub(crate) async fn all(&self) -> Vec<Arc<Session>> {
        self.open.lock().await.values().cloned().collect()
    }

    /// How many an application has.
    pub(crate) async fn count(&self, application: &str) -> usize {
        let open = self.open.lock().await;
        open.values().filter(|it| it.application.id == application).count()
    }

    /// The one of an application that has the most free hands.
    pub(crate) async fn freest(&self, application: &str) -> Option<Arc<Session>> {
        let open = self.open.lock().await;
        let found = open.values().filter(|it| it.application.id == application);
        found.max_by_key(|it| it.free_hands()).filter(|it| it.free_hands() > 0).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(in_hand_max: u32) -> Arc<Session> {
        let application = Application { id: "a".to_owned(), in_hand_max, ..Application::default() };
        let names = ("s".to_owned(), "adapter".to_owned());
        let caller = Caller { application: Arc::new(application), token: [0; 32] };
        Arc::new(Session::new(names, caller, 0, Arc::default()))
    }

    async fn hand_over(session: &Session, id: &str, lease_until_us: i64) -> bool {
        let held = InHand {
            lease: 7,
            attachments: Vec::new(),
            body: None,
            lease_until_us,
            conversation: String::new(),
            traceparent: String::new(),
        };
        let message_id = id.to_owned();
        let delivery = Delivery { message_id, lease: 7, lease_until_us, ..Delivery::default() };
        session.hand_over(delivery, held).await
    }

    fn ids(deliveries: &[Delivery]) -> Vec<&str> {
        deliveries.iter().map(|it| it.message_id.as_str()).collect()
    }

    #[tokio::test]
    async fn hands_are_counted_until_the_answer_with_the_right_lease() {
        let session = session(2);
        assert_eq!(session.free_hands(), 0, "nobody receives yet");
        drop(session.outlet().unwrap());
        assert_eq!(session.free_hands(), 2);
        assert!(hand_over(&session, "m1", 100).await && hand_over(&session, "m2", 100).await);
        assert!(!hand_over(&session, "m3", 100).await, "both hands are full");
        session.let_go("m1", 6).await;
        assert_eq!(session.free_hands(), 0, "a foreign lease frees nothing");
        session.let_go("m1", 7).await;
        assert_eq!(session.free_hands(), 1);
        assert_eq!(ids(&session.expire(100).await), ["m2"]);
        assert_eq!(session.free_hands(), 2);
    }

    #[tokio::test]
    async fn a_drained_session_gives_out_what_was_not_sent_though_its_outlet_is_held() {
        let session = session(3);
        let outlet = session.outlet().unwrap();
        assert!(session.outlet().is_none());
        for id in ["m1", "m2", "m3"] {
            assert!(hand_over(&session, id, 100).await);
        }
        assert_eq!(ids(&outlet.take(1, 0).await.0), ["m1"]);
        assert_eq!(ids(&session.drain().await), ["m2", "m3"]);
        assert!(!hand_over(&session, "m4", 100).await);
        assert_eq!((session.free_hands(), session.handed_out().await), (0, 1));
    }

    #[tokio::test]
    async fn nothing_goes_out_after_its_lease_and_its_hand_is_free_again() {
        let session = session(2);
        let outlet = session.outlet().unwrap();
        assert!(hand_over(&session, "m1", 100).await && hand_over(&session, "m2", 200).await);
        let (taken, lapsed) = outlet.take(10, 100).await;
        assert_eq!((ids(&taken), ids(&lapsed)), (vec!["m2"], vec!["m1"]));
        assert_eq!((session.free_hands(), session.handed_out().await), (1, 1));
    }

    #[tokio::test]
    async fn a_session_that_works_is_not_idle() {
        let session = session(2);
        let outlet = session.outlet().unwrap();
        assert!(hand_over(&session, "m1", 100).await);
        assert_eq!(outlet.take(1, 0).await.0.len(), 1);
        drop(outlet);
        assert!(!session.is_idle(50).await, "it has something in hand");
        session.let_go("m1", 7).await;
        assert!(session.is_idle(50).await);
    }

    #[tokio::test]
    async fn a_narrowed_session_takes_no_more_than_it_asked_for() {
        let session = session(5);
        session.narrow(2);
        drop(session.outlet().unwrap());
        assert_eq!(session.free_hands(), 2);
    }
}
