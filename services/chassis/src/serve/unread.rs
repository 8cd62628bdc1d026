//! Responses that the peer does not read.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

/// A mark among the extensions of a response that the peer may read as slowly as it works.
#[derive(Clone, Copy, Debug)]
pub struct ReadAtLeisure;

/// Since when each response of a connection has been waiting for its peer. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct UnreadResponses(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    waiting: BTreeMap<u64, Instant>,
}

impl UnreadResponses {
    /// The earliest time since which a response has been unread.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.0.lock().waiting.values().min().copied()
    }

    pub(super) fn add(&self) -> UnreadResponse {
        let mut state = self.0.lock();
        let id = state.next_id;
        state.next_id += 1;
        UnreadResponse { id, responses: self.clone() }
    }
}

/// One response of a connection.
#[derive(Debug)]
pub(super) struct UnreadResponse {
    id: u64,
    responses: UnreadResponses,
}

impl UnreadResponse {
    pub(super) fn set_waiting(&self, is_waiting: bool) {
        let mut state = self.responses.0.lock();
        if is_waiting {
            state.waiting.insert(self.id, Instant::now());
        } else {
            state.waiting.remove(&self.id);
        }
    }
}

impl Drop for UnreadResponse {
    fn drop(&mut self) {
        self.set_waiting(false);
    }
}
