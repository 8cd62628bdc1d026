//! The body of a response, which is asked for its next piece only when the peer has made room for it.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};

use super::connections::OpenRequest;
use super::unread::{UnreadResponse, UnreadResponses};

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
