//! Sessions: one connected adapter each, its free hands and what it has in hand.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use proto::exchange::v1::Delivery;
use proto::journal::v1::{Attachment, Claim};
use proto::registry::v1::Application;
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

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

/// One connected adapter.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) adapter: String,
    pub(crate) application: Arc<Application>,
    /// Ended when the session is replaced or closed.
    pub(crate) closed: CancellationToken,
    hands: Semaphore,
    in_hand: Mutex<HashMap<String, InHand>>,
    deliveries: mpsc::Sender<Delivery>,
    waiting: Arc<Mutex<mpsc::Receiver<Delivery>>>,
    is_receiving: AtomicBool,
    seen_us: AtomicI64,
    changed: Arc<Notify>,
}

impl Session {
    /// A session that nobody receives yet; `changed` hears when it may take more.
    pub(crate) fn new(
        (id, adapter): (String, String),
        application: Arc<Application>,
        now_us: i64,
        changed: Arc<Notify>,
    ) -> Self {
        let hands = usize::try_from(application.in_hand_max.max(1)).unwrap_or(1);
        let (deliveries, waiting) = mpsc::channel(hands);
        Self {
            id,
            adapter,
            application,
            closed: CancellationToken::new(),
            hands: Semaphore::new(hands),
            in_hand: Mutex::default(),
            deliveries,
            waiting: Arc::new(Mutex::new(waiting)),
            is_receiving: AtomicBool::new(false),
            seen_us: AtomicI64::new(now_us),
            changed,
        }
    }

    /// How many more deliveries it can take now.
    pub(crate) fn free_hands(&self) -> usize {
        let is_there = self.is_receiving.load(Ordering::SeqCst) && !self.closed.is_cancelled();
        if is_there { self.hands.available_permits() } else { 0 }
    }

    /// Hands one over; false: it could not be, and is still the journal's.
    pub(crate) async fn hand_over(&self, delivery: Delivery, held: InHand) -> bool {
        let Ok(hand) = self.hands.try_acquire() else { return false };
        hand.forget();
        let (id, lease) = (delivery.message_id.clone(), held.lease);
        let older = self.in_hand.lock().await.insert(id.clone(), held);
        if older.is_some() {
            // Its earlier lease is over, or the journal would not have given another.
            self.hands.add_permits(1);
        }
        if self.closed.is_cancelled() || self.deliveries.try_send(delivery).is_err() {
            self.let_go(&id, lease).await;
            return false;
        }
        true
    }

    /// It is out of hand: answered, or back with the journal.
    pub(crate) async fn let_go(&self, message_id: &str, lease: u64) {
        let mut in_hand = self.in_hand.lock().await;
        if in_hand.get(message_id).is_some_and(|it| it.lease == lease) {
            in_hand.remove(message_id);
            self.hands.add_permits(1);
            self.changed.notify_waiters();
        }
    }

    /// What it has in hand under this id.
    pub(crate) async fn held(&self, message_id: &str) -> Option<InHand> {
        self.in_hand.lock().await.get(message_id).cloned()
    }

    /// Lets go of what the journal has taken back by now.
    pub(crate) async fn expire(&self, now_us: i64) {
        let mut in_hand = self.in_hand.lock().await;
        let before = in_hand.len();
        in_hand.retain(|_, it| it.lease_until_us > now_us);
        self.hands.add_permits(before - in_hand.len());
        self.changed.notify_waiters();
    }

    /// The end where deliveries come out; only one at a time may have it.
    pub(crate) fn outlet(&self) -> Option<OwnedMutexGuard<mpsc::Receiver<Delivery>>> {
        let outlet = self.waiting.clone().try_lock_owned().ok()?;
        if !self.is_receiving.swap(true, Ordering::SeqCst) {
            self.changed.notify_waiters();
        }
        Some(outlet)
    }

    /// Takes at most so many at a time, instead of what the registry allows; before the first one.
    pub(crate) fn narrow(&self, in_hand_max: u32) {
        let most = usize::try_from(in_hand_max).unwrap_or(usize::MAX);
        if most > 0 && !self.is_receiving.load(Ordering::SeqCst) {
            self.hands.forget_permits(self.hands.available_permits().saturating_sub(most));
        }
    }

    /// Ends it, and gives out what had not left this house yet. Nothing more comes in.
    pub(crate) async fn drain(&self) -> Vec<Delivery> {
        self.closed.cancel();
        self.changed.notify_waiters();
        let mut waiting = self.waiting.lock().await;
        waiting.close();
        let mut unsent = Vec::new();
        while let Ok(delivery) = waiting.try_recv() {
            unsent.push(delivery);
        }
        unsent
    }

    /// Somebody called in its name.
    pub(crate) fn seen(&self, now_us: i64) {
        self.seen_us.store(now_us, Ordering::SeqCst);
    }

    /// True when nobody called since then and nobody receives.
    pub(crate) fn is_idle(&self, since_us: i64) -> bool {
        self.seen_us.load(Ordering::SeqCst) < since_us && self.waiting.try_lock().is_ok()
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

    fn session(in_hand_max: u32) -> Session {
        let application = Application { id: "a".to_owned(), in_hand_max, ..Application::default() };
        let names = ("s".to_owned(), "adapter".to_owned());
        Session::new(names, Arc::new(application), 0, Arc::default())
    }

    fn delivery(id: &str) -> (Delivery, InHand) {
        let held = InHand {
            lease: 7,
            attachments: Vec::new(),
            body: None,
            lease_until_us: 100,
            conversation: String::new(),
            traceparent: String::new(),
        };
        (Delivery { message_id: id.to_owned(), ..Delivery::default() }, held)
    }

    async fn hand_over(session: &Session, id: &str) -> bool {
        let (delivery, held) = delivery(id);
        session.hand_over(delivery, held).await
    }

    #[tokio::test]
    async fn hands_are_counted_until_the_answer_with_the_right_lease() {
        let session = session(2);
        assert_eq!(session.free_hands(), 0, "nobody receives yet");
        drop(session.outlet().unwrap());
        assert_eq!(session.free_hands(), 2);
        assert!(hand_over(&session, "m1").await && hand_over(&session, "m2").await);
        assert!(!hand_over(&session, "m3").await, "both hands are full");
        session.let_go("m1", 6).await;
        assert_eq!(session.free_hands(), 0, "a foreign lease frees nothing");
        session.let_go("m1", 7).await;
        assert_eq!(session.free_hands(), 1);
        session.expire(100).await;
        assert_eq!(session.free_hands(), 2);
    }

    #[tokio::test]
    async fn a_drained_session_gives_out_what_was_not_sent_and_takes_nothing() {
        let session = session(3);
        drop(session.outlet().unwrap());
        assert!(hand_over(&session, "m1").await && hand_over(&session, "m2").await);
        let unsent: Vec<_> = session.drain().await.into_iter().map(|it| it.message_id).collect();
        assert_eq!(unsent, ["m1", "m2"]);
        assert!(!hand_over(&session, "m3").await);
        assert_eq!(session.free_hands(), 0);
    }

    #[tokio::test]
    async fn a_narrowed_session_takes_no_more_than_it_asked_for() {
        let session = session(5);
        session.narrow(2);
        drop(session.outlet().unwrap());
        assert_eq!(session.free_hands(), 2);
    }
}
