//! Responses that the peer does not read: a body that gave a piece is asked for the next one only
//! when the peer has made room for it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::connections::OpenRequest;

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

    fn add(&self) -> UnreadResponse {
        let mut state = self.0.lock();
        let id = state.next_id;
        state.next_id += 1;
        UnreadResponse { id, responses: self.clone() }
    }
}

/// One response of a connection.
#[derive(Debug)]
struct UnreadResponse {
    id: u64,
    responses: UnreadResponses,
}

impl UnreadResponse {
    fn set_waiting(&self, is_waiting: bool) {
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

/// The body of a response. Its request is in progress until it is dropped.
pub(super) struct TrackedBody {
    body: Body,
    /// None: the peer may read at leisure.
    unread: Option<UnreadResponse>,
    _request: OpenRequest,
}

impl TrackedBody {
    /// `responses`: where the body is noted while the peer leaves it unread.
    pub(super) fn new(
        body: Body,
        request: OpenRequest,
        responses: Option<&UnreadResponses>,
    ) -> Self {
        let unread = responses.map(UnreadResponses::add);
        if let Some(unread) = &unread {
            unread.set_waiting(true);
        }
        Self { body, unread, _request: request }
    }
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Some(unread) = &self.unread {
            unread.set_waiting(polled.is_ready());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
