//! The response of a long poll. Its deliveries go back to the journal when it is not written.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use http_body::{Frame, SizeHint};
use proto::exchange::v1::Delivery;
use proto::journal::v1::Settlement;
use proto::journal::v1::settlement::Answer;

use crate::gateway::Gateway;
use crate::session::Session;

/// Bytes that are handed to the connection at a time: it takes the next ones once it has sent most
/// of those before, so that a response that was not sent as a whole is known as such.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// How much of a response was handed to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Nothing,
    Part,
    All,
}

/// The deliveries of a response until it is written.
#[derive(Debug)]
pub(crate) struct SentDeliveries {
    gateway: Arc<Gateway>,
    session: Arc<Session>,
    /// Message ids and leases.
    deliveries: Vec<(String, u64)>,
    written: Written,
}

impl SentDeliveries {
    pub(crate) fn new(
        gateway: &Arc<Gateway>,
        session: &Arc<Session>,
        deliveries: &[Delivery],
    ) -> Self {
        let deliveries = deliveries.iter().map(|it| (it.message_id.clone(), it.lease)).collect();
        let (gateway, session) = (gateway.clone(), session.clone());
        Self { gateway, session, deliveries, written: Written::Nothing }
    }
}

impl Drop for SentDeliveries {
    /// What was not handed to the connection never left. What was handed to it in part may have
    /// arrived, so the class of the receiver decides.
    fn drop(&mut self) {
        if self.written == Written::All
            || self.deliveries.is_empty()
            || tokio::runtime::Handle::try_current().is_err()
        {
            return;
        }
        let is_unsent = self.written == Written::Nothing;
        let settle = |(message_id, lease): (String, u64)| {
            self.session.forget(&message_id, lease);
            let answer = if is_unsent { Answer::Unsent(true) } else { Answer::Interrupted(true) };
            Settlement { message_id, lease, answer: Some(answer) }
        };
        let settlements = std::mem::take(&mut self.deliveries).into_iter().map(settle).collect();
        let (gateway, session) = (self.gateway.clone(), self.session.clone());
        let open_work = self.gateway.open_work.clone();
        open_work.spawn(async move { gateway.settle_unsent(&session, settlements).await });
    }
}

/// The response with this JSON text.
pub(crate) fn poll_response(json: Bytes, sent: SentDeliveries) -> Response {
    let body = Body::new(PollBody { json, sent });
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

struct PollBody {
    json: Bytes,
    sent: SentDeliveries,
}

impl HttpBody for PollBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.json.is_empty() {
            return Poll::Ready(None);
        }
        let count = self.json.len().min(PIECE_BYTES_MAX);
        let piece = self.json.split_to(count);
        self.sent.written = if self.json.is_empty() { Written::All } else { Written::Part };
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.json.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.json.len()).unwrap_or_default())
    }
}
