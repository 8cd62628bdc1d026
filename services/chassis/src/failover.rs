//! Several addresses of one service, of which one serves: calls go to that one.
//!
//! A service with one writer runs as one process that serves and others that wait as standbys. This
//! transport sends every call to the address that served last. It moves on to the next address when
//! the connection fails, when a standby answers ([`STANDBY_HEADER`]), and when a caller gave a call
//! up after [`SILENCE`]. The failed call is not repeated, because it may have been carried out; its
//! caller gets a retryable error.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::transport::Channel;
use tower::{Service, ServiceExt};

use crate::secret::SecretUrl;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The header of an answer by which a standby says that another process serves. A service that is
/// overloaded answers without it, because its callers must not leave it.
pub const STANDBY_HEADER: &str = "lienthong-standby";

/// A call that its caller gave up after this time counts as a failed connection: a process whose
/// database hangs keeps its connections alive and answers nothing.
const SILENCE: Duration = Duration::from_secs(5);

/// For how long an address whose connection failed is passed over while another one answers. A
/// standby needs some seconds to take over; asking the failed address meanwhile would cost callers
/// the time until its connection fails once more.
const PASSED_OVER: Duration = Duration::from_secs(2);

/// Connections to all addresses of a service. Clones share which one serves.
#[derive(Clone)]
pub(crate) struct Failover {
    addresses: Arc<[Address]>,
    serving: Arc<AtomicUsize>,
    begun: Instant,
}

struct Address {
    url: SecretUrl,
    channel: Channel,
    /// When its connection failed last, in milliseconds since `begun`; 0 when it never did.
    failed_ms: AtomicU64,
}

/// How a call ended, for the choice of the next address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Answered,
    Standby,
    Failed,
}

impl Failover {
    /// Sends calls to the first of `addresses` until it fails. There is at least one.
    pub(crate) fn new(addresses: Vec<(SecretUrl, Channel)>) -> Self {
        let address = |(url, channel)| Address { url, channel, failed_ms: AtomicU64::default() };
        Self {
            addresses: addresses.into_iter().map(address).collect(),
            serving: Arc::default(),
            begun: Instant::now(),
        }
    }

    fn note(&self, index: usize, ended: Ended) {
        match ended {
            Ended::Answered => return self.addresses[index].failed_ms.store(0, Relaxed),
            Ended::Standby => self.addresses[index].failed_ms.store(0, Relaxed),
            Ended::Failed => {
                let since = self.begun.elapsed().as_millis();
                let failed_ms = u64::try_from(since).unwrap_or(u64::MAX).max(1);
                self.addresses[index].failed_ms.store(failed_ms, Relaxed);
            }
        }
        let count = self.addresses.len();
        let next = (1..count).map(|it| (index + it) % count).find(|it| !self.is_passed_over(*it));
        // A standby that answers is asked again; after a failure any other address is better.
        let next = match (next, ended) {
            (Some(next), _) => next,
            (None, Ended::Failed) => (index + 1) % count,
            (None, Ended::Standby | Ended::Answered) => return,
        };
        // Only the first of many failed calls moves on, so that calls that failed together do not
        // skip the address that serves.
        if self.serving.compare_exchange(index, next, Relaxed, Relaxed).is_ok() {
            let (left, next) = (&self.addresses[index].url, &self.addresses[next].url);
            tracing::warn!(%left, %next, reason = ?ended, "upstream does not serve, next address is used");
        }
    }

    fn is_passed_over(&self, index: usize) -> bool {
        let failed_ms = self.addresses[index].failed_ms.load(Relaxed);
        let failed = Duration::from_millis(failed_ms);
        failed_ms > 0 && self.begun.elapsed().saturating_sub(failed) < PASSED_OVER
    }
}

/// Counts a call as failed when it is dropped without an answer after [`SILENCE`].
struct AnswerGuard {
    failover: Failover,
    index: usize,
    begun: Instant,
    is_answered: bool,
}

impl Drop for AnswerGuard {
    fn drop(&mut self) {
        if !self.is_answered && self.begun.elapsed() >= SILENCE {
            self.failover.note(self.index, Ended::Failed);
        }
    }
}

impl Service<Request<Body>> for Failover {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // The connection of the call is chosen when the call is made, and is awaited there.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let index = self.serving.load(Relaxed);
        let failover = self.clone();
        let channel = self.addresses[index].channel.clone();
        let mut guard = AnswerGuard { failover, index, begun: Instant::now(), is_answered: false };
        Box::pin(async move {
            let answer = channel.oneshot(request).await.map_err(BoxError::from);
            guard.is_answered = true;
            let ended = match &answer {
                Err(_broken) => Ended::Failed,
                Ok(it) if it.headers().contains_key(STANDBY_HEADER) => Ended::Standby,
                Ok(_) => Ended::Answered,
            };
            guard.failover.note(index, ended);
            answer
        })
    }
}
