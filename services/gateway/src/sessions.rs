//! All sessions of this gateway, by application: what one application does wakes no other.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use registry_client::Caller;
use tokio::sync::Notify;

use crate::session::reservation::Reservation;
use crate::session::{AdapterInfo, Session};

/// The open sessions of one application.
#[derive(Debug)]
pub(crate) struct ApplicationSessions {
    pub(crate) application: String,
    open: Mutex<Vec<Arc<Session>>>,
    /// Sessions that the journal is asked for.
    opening_count: AtomicUsize,
    capacity_changed: Arc<Notify>,
    /// The highest number of deliveries that one of its sessions was given.
    turn: Arc<AtomicU64>,
}

/// A session that is being opened; it counts as one of its application until it is dropped.
#[derive(Debug)]
pub(crate) struct OpeningSession(Arc<ApplicationSessions>);

impl Drop for OpeningSession {
    fn drop(&mut self) {
        self.0.opening_count.fetch_sub(1, Ordering::SeqCst);
    }
}

impl ApplicationSessions {
    fn new(application: &str) -> Self {
        Self {
            application: application.to_owned(),
            open: Mutex::default(),
            opening_count: AtomicUsize::new(0),
            capacity_changed: Arc::default(),
            turn: Arc::default(),
        }
    }

    /// Waits until sessions of this application accept deliveries, and returns how many.
    pub(crate) async fn capacity(&self) -> usize {
        self.wait_until(|| {
            let capacity = self.open.lock().iter().map(|it| it.capacity()).sum();
            (capacity > 0).then_some(capacity)
        })
        .await
    }

    /// Reserves capacity for at most `count` deliveries, shared by the sessions that ask: each
    /// delivery is for the one whose turn it is. None: no session asks now.
    pub(crate) fn reserve(&self, count: usize) -> Option<Vec<Reservation>> {
        let mut asking: Vec<_> = {
            let open = self.open.lock();
            open.iter()
                .map(|it| (it.clone(), it.capacity(), it.turn(), 0))
                .filter(|(_, capacity, ..)| *capacity > 0)
                .collect()
        };
        for _ in 0..count {
            let free = asking.iter_mut().filter(|(_, capacity, ..)| *capacity > 0);
            let Some((_, capacity, turn, share)) = free.min_by_key(|(_, _, turn, _)| *turn) else {
                break;
            };
            *capacity -= 1;
            *share += 1;
            *turn = (turn.0 + 1, turn.1 + 1);
        }
        let reserved: Vec<_> = asking
            .into_iter()
            .filter_map(|(session, _, _, share)| session.reserve(share))
            .collect();
        (!reserved.is_empty()).then_some(reserved)
    }

    /// Waits until sessions ask, and reserves as [`reserve`](Self::reserve) does.
    pub(crate) async fn wait_and_reserve(&self, count: usize) -> Vec<Reservation> {
        self.wait_until(|| self.reserve(count)).await
    }

    /// Waits until `find` returns a value. It is called again after each change of this
    /// application's sessions.
    pub(crate) async fn wait_until<T>(&self, find: impl Fn() -> Option<T>) -> T {
        loop {
            let changed = self.capacity_changed.notified();
            tokio::pin!(changed);
            // Registered before the call, so that a change in between is not missed.
            changed.as_mut().enable();
            if let Some(found) = find() {
                return found;
            }
            changed.await;
        }
    }
}

/// All open sessions. An application stays listed after its last session has ended, so that its
/// receive loop keeps waiting on the same notification; the registry bounds how many there are.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_id: Mutex<HashMap<String, Arc<Session>>>,
    by_application: Mutex<HashMap<String, Arc<ApplicationSessions>>>,
    application_added: Notify,
}

impl Sessions {
    /// Adds a session of the caller's application.
    pub(crate) fn open(&self, names: (String, AdapterInfo), caller: Caller, now_us: i64) {
        let sessions = self.of_application(&caller.application.id);
        let changed = (sessions.capacity_changed.clone(), sessions.turn.clone());
        let session = Arc::new(Session::new(names, caller, now_us, changed));
        self.by_id.lock().insert(session.id.clone(), session.clone());
        sessions.open.lock().push(session);
    }

    /// Counts one more session of an application before the journal is asked for it, so that calls
    /// at the same time cannot open more than `sessions_max` together. None: there are as many.
    pub(crate) fn start_opening(
        &self,
        application: &str,
        sessions_max: usize,
    ) -> Option<OpeningSession> {
        let sessions = self.of_application(application);
        let open = sessions.open.lock();
        let opening = sessions.opening_count.fetch_add(1, Ordering::SeqCst);
        let (count, opening) = (open.len() + opening, OpeningSession(sessions.clone()));
        (count < sessions_max).then_some(opening)
    }

    /// The sessions of one application; the first call lists it.
    fn of_application(&self, application: &str) -> Arc<ApplicationSessions> {
        let mut by_application = self.by_application.lock();
        if let Some(sessions) = by_application.get(application) {
            return sessions.clone();
        }
        let sessions = Arc::new(ApplicationSessions::new(application));
        by_application.insert(application.to_owned(), sessions.clone());
        self.application_added.notify_one();
        sessions
    }

    fn find_application(&self, application: &str) -> Option<Arc<ApplicationSessions>> {
        self.by_application.lock().get(application).cloned()
    }

    /// The sessions of the application that this session belongs to.
    pub(crate) fn of_session(&self, session: &Session) -> Arc<ApplicationSessions> {
        self.of_application(&session.application.id)
    }

    /// Every application that has had a session here.
    pub(crate) fn applications(&self) -> Vec<Arc<ApplicationSessions>> {
        self.by_application.lock().values().cloned().collect()
    }

    /// Waits until an application has its first session. One task at a time may wait.
    pub(crate) async fn application_added(&self) {
        self.application_added.notified().await;
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.by_id.lock().get(id).cloned()
    }

    /// Removes a session. The caller closes it and returns its unsent deliveries.
    pub(crate) fn remove(&self, id: &str) -> Option<Arc<Session>> {
        let session = self.by_id.lock().remove(id)?;
        if let Some(sessions) = self.find_application(&session.application.id) {
            sessions.open.lock().retain(|it| it.id != id);
        }
        Some(session)
    }

    /// Removes the sessions of one adapter. The caller closes them.
    pub(crate) fn remove_adapter(&self, application: &str, adapter: &str) -> Vec<Arc<Session>> {
        let Some(sessions) = self.find_application(application) else { return Vec::new() };
        let removed: Vec<_> =
            sessions.open.lock().extract_if(.., |it| it.adapter.name == adapter).collect();
        let mut by_id = self.by_id.lock();
        for session in &removed {
            by_id.remove(&session.id);
        }
        removed
    }

    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        self.by_id.lock().values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt as _;
    use proto::registry::v1::Application;
    use registry_client::TokenDigest;

    use super::*;
    use crate::session::Asking;

    fn open(sessions: &Sessions, application: &str, adapter: &str) {
        let application =
            Application { id: application.to_owned(), in_hand_max: 1, ..Application::default() };
        let info = AdapterInfo { name: adapter.to_owned(), ..AdapterInfo::default() };
        let names = (format!("{}-{adapter}", application.id), info);
        let caller =
            Caller { application: Arc::new(application), token: TokenDigest::of_token("") };
        sessions.open(names, caller, 0);
    }

    #[tokio::test]
    async fn a_change_wakes_only_waiters_of_its_application() {
        let sessions = Sessions::default();
        open(&sessions, "a", "one");
        open(&sessions, "b", "one");
        let (a, b) = (sessions.of_application("a"), sessions.of_application("b"));
        let calls = std::cell::Cell::new(0);
        let waiting = b.wait_until(|| {
            calls.set(calls.get() + 1);
            None::<()>
        });
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        let _stream = sessions.get("a-one").unwrap().open_stream(Asking::Stream).unwrap();
        assert_eq!(a.capacity().await, 1);
        assert!(waiting.as_mut().now_or_never().is_none());
        assert_eq!(calls.get(), 1, "nothing changed for b");
        let _stream = sessions.get("b-one").unwrap().open_stream(Asking::Stream).unwrap();
        assert!(waiting.as_mut().now_or_never().is_none());
        assert_eq!(calls.get(), 2);
    }

    #[test]
    fn deliveries_are_shared_among_the_sessions_that_ask() {
        let sessions = Sessions::default();
        for adapter in ["one", "two", "silent"] {
            let application = Application { in_hand_max: 10, ..Application::default() };
            let info = AdapterInfo::default();
            let token = TokenDigest::of_token("");
            let caller = Caller { application: Arc::new(application), token };
            sessions.open((adapter.to_owned(), info), caller, 0);
        }
        let all = sessions.of_application("");
        assert!(all.reserve(4).is_none(), "none asks");
        let session = |id| sessions.get(id).unwrap();
        let _stream = session("one").open_stream(Asking::Stream).unwrap();
        let _poll = session("two").open_stream(Asking::Poll(3)).unwrap();
        let shares = |count| {
            let mut reserved = all.reserve(count).unwrap_or_default();
            reserved.sort_by(|a, b| a.session.id.cmp(&b.session.id));
            let shares: Vec<_> = reserved.iter().map(|it| it.count).collect();
            (shares, reserved)
        };
        let (first, first_reserved) = shares(4);
        assert_eq!(first, [2, 2]);
        assert_eq!(shares(9).0, [8, 1], "the poll takes one more, the stream the rest");
        drop(first_reserved);
        assert_eq!(shares(30).0, [10, 3], "no more than each asked for");
    }

    #[tokio::test]
    async fn an_adapter_is_replaced_in_its_own_application_only() {
        let sessions = Sessions::default();
        for application in ["a", "b"] {
            open(&sessions, application, "one");
            open(&sessions, application, "two");
        }
        let removed = sessions.remove_adapter("a", "one");
        assert_eq!(removed.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["a-one"]);
        assert!(sessions.get("a-one").is_none() && sessions.get("b-one").is_some());
        assert!(sessions.remove("a-two").is_some());
        let count = |application| sessions.of_application(application).open.lock().len();
        assert_eq!((count("a"), count("b")), (0, 2));
        sessions.application_added().await;
        assert_eq!(sessions.applications().len(), 2);
    }
}
