//! Sessions: one connected adapter each, its free hands and what it has in hand.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use proto::exchange::v1::Delivery;
use proto::journal::v1::{Attachment, Claim};
use proto::registry::v1::Application;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// A delivery in hand: what GetPart may read of it, and until when it is held.
#[derive(Clone, Debug)]
pub(crate) struct InHand {
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) body: Option<Claim>,
    pub(crate) lease_until_us: i64,
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
}

impl Session {
    pub(crate) fn new(
        id: String,
        adapter: String,
        application: Arc<Application>,
        now_us: i64,
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
        }
    }

    /// How many more deliveries it can take now.
    pub(crate) fn free_hands(&self) -> usize {
        let is_there = self.is_receiving.load(Ordering::SeqCst) && !self.closed.is_cancelled();
        if is_there { self.hands.available_permits() } else { 0 }
    }

    /// Waits until a hand may be free; asks again afterwards.
    pub(crate) async fn hand(&self) {
        drop(self.hands.acquire().await);
    }

    /// Hands one over; false: it could not be, and is still the journal's.
    pub(crate) async fn hand_over(&self, delivery: Delivery, held: InHand) -> bool {
        let Ok(hand) = self.hands.try_acquire() else { return false };
        hand.forget();
        let id = delivery.message_id.clone();
        self.in_hand.lock().await.insert(id.clone(), held);
        if self.closed.is_cancelled() || self.deliveries.try_send(delivery).is_err() {
            self.let_go(&id).await;
            return false;
        }
        true
    }

    /// It is out of hand: answered, or back with the journal.
    pub(crate) async fn let_go(&self, message_id: &str) {
        if self.in_hand.lock().await.remove(message_id).is_some() {
            self.hands.add_permits(1);
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
    }

    /// The end where deliveries come out; only one at a time may have it.
    pub(crate) fn outlet(&self) -> Option<tokio::sync::OwnedMutexGuard<mpsc::Receiver<Delivery>>> {
        let outlet = self.waiting.clone().try_lock_owned().ok()?;
        self.is_receiving.store(true, Ordering::SeqCst);
        Some(outlet)
    }

    /// Somebody called in its name.
    pub(crate) fn seen(&self, now_us: i64) {
        self.seen_us.store(now_us, Ordering::SeqCst);
    }

    /// True when nobody receives and nobody called since then.
    pub(crate) fn is_idle(&self, since_us: i64) -> bool {
        self.waiting.try_lock().is_ok() && self.seen_us.load(Ordering::SeqCst) < since_us
    }
}

/// All sessions of this gateway.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions(Arc<Mutex<HashMap<String, Arc<Session>>>>);

impl Sessions {
    /// Adds one; an older one of the same adapter is ended.
    pub(crate) async fn add(&self, session: Arc<Session>) {
        let mut sessions = self.0.lock().await;
        sessions.retain(|_, it| {
            let is_older =
                it.application.id == session.application.id && it.adapter == session.adapter;
            if is_older {
                it.closed.cancel();
            }
            !is_older
        });
        sessions.insert(session.id.clone(), session);
    }

    pub(crate) async fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.0.lock().await.get(id).cloned()
    }

    pub(crate) async fn remove(&self, id: &str) {
        if let Some(session) = self.0.lock().await.remove(id) {
            session.closed.cancel();
        }
    }

    pub(crate) async fn all(&self) -> Vec<Arc<Session>> {
        self.0.lock().await.values().cloned().collect()
    }

    /// Those of one application.
    pub(crate) async fn of(&self, application: &str) -> Vec<Arc<Session>> {
        let mut found = self.all().await;
        found.retain(|it| it.application.id == application);
        found
    }
}
