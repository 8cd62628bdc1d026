//! The messaging gateway: vendors on one side, channels on the other.
//!
//! ```text
//! Submit ─▶ normalise (mapping) ─▶ files safe (claims) ─▶ accept (journal) ─▶ intake
//! delivery.<application> ─▶ begin (journal) ─▶ hands of an adapter ─▶ Settle ─▶ end (journal)
//! ```
//!
//! # Promises
//!
//! - A submit that returned a receipt is in the journal with its files on disk.
//! - A refusal leaves nothing but its code.
//! - Nobody's body is read before its token is known.
//! - An adapter never has more in hand than it said; the broker's delivery is settled once the
//!   journal has begun it.
//! - gRPC and HTTP/JSON are the same operations on the same port.
//!
//! # Not here
//!
//! Formats: bodies are passed on unopened.

mod admit;
mod batch;
mod body;
mod config;
mod context;
mod deliver;
mod directory;
mod fault;
mod files;
mod gateway;
mod gather;
mod hello;
mod http;
mod keep;
mod metrics;
mod normalize;
mod parts;
mod receive;
mod server;
mod session;
mod sessions;
mod settle;
mod submit;
mod track;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use chassis::health::Health;
use chassis::{Clock, Upstream};
use proto::exchange::v1::exchange_server::ExchangeServer;
use proto::fault::v1::Fault;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::ServiceExt as _;

pub use config::{Config, DEFAULTS};
pub use directory::Registered;
pub use gateway::Surroundings;
pub use server::Service;

/// How long a stop waits for the journal to close a session.
const CLOSING: Duration = Duration::from_secs(1);
/// Largest gRPC request: a chunk with room around it.
const REQUEST_BYTES_MAX: usize = 2 << 20;
/// Largest gRPC answer: what Track tells of many recipients.
const ANSWER_BYTES_MAX: usize = 8 << 20;

impl Service {
    /// A gateway; calls wait until [`run`] works on them.
    pub fn new(
        config: Config,
        surroundings: Surroundings,
        clock: Clock,
        component: String,
    ) -> Self {
        let gateway = gateway::Gateway::new(config, surroundings, clock, component);
        Self { gateway: Arc::new(gateway) }
    }

    /// gRPC and HTTP/JSON, to be served on one port.
    pub fn pages(&self) -> Router {
        let exchange = ExchangeServer::new(self.clone())
            .max_decoding_message_size(REQUEST_BYTES_MAX)
            .max_encoding_message_size(ANSWER_BYTES_MAX);
        // HTTP's own answer to an unknown path comes last, so gRPC is a layer above it.
        let exchange = exchange
            .map_request(|request: axum::extract::Request| request.map(Body::new))
            .map_response(coded);
        http::pages(self.clone())
            .route_service(&format!("{}{{*method}}", admit::GRPC), exchange)
            .layer(axum::middleware::from_fn_with_state(self.clone(), admit::admit))
    }

    /// Ends when the gateway no longer needs its door: after a stop, once all that was handed over
    /// was answered or waited for. Serve [`pages`](Self::pages) until then, not until the stop, or
    /// no answer can come in any more.
    pub fn left(&self) -> CancellationToken {
        self.gateway.left.clone()
    }
}

/// Gives a refusal of the gRPC layer itself its code, so that every refusal has one.
fn coded(response: ::http::Response<Body>) -> ::http::Response<Body> {
    let status = Status::from_header_map(response.headers());
    match status.filter(|it| it.code() != Code::Ok && Fault::from_status(it).is_none()) {
        Some(status) => Status::from(fault::of_layer(&status, REQUEST_BYTES_MAX)).into_http(),
        None => response,
    }
}

/// Works behind the calls until `shutdown`; then nothing more is handed over, what was handed over
/// may still be answered for a while, and what is left goes back.
///
/// # Errors
///
/// The bus or the journal went away; start again.
pub async fn run(
    service: Service,
    registry: Upstream,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let gateway = service.gateway;
    // However this ends, nobody waits at the door for it.
    let _left = gateway.left.clone().drop_guard();
    health.unwell("gateway", "not ready yet");
    let publisher = gateway.bus.publisher().await?;
    health.well("gateway");
    let following = gateway.registered.follow(registry, gateway.config.submits_max, &health);
    let working = gateway.work(publisher);
    tokio::pin!(working);
    let outcome = tokio::select! {
        () = following => Ok(()),
        () = working.as_mut() => Ok(()),
        outcome = deliveries(&gateway, &shutdown) => outcome,
        () = tidy(&gateway) => Ok(()),
        failed = gateway.bus.publisher_failed() => Err(anyhow::Error::new(failed)),
    };
    if shutdown.is_cancelled() {
        tokio::select! {
            () = working.as_mut() => {}
            () = leave(&gateway) => {}
        }
    }
    outcome
}

/// Ends all sessions once their hands are empty, and lets calls that are being answered finish.
async fn leave(gateway: &Arc<gateway::Gateway>) {
    gateway.draining.cancel();
    let limit = Duration::from_millis(gateway.config.drain_ms_max);
    let sessions = gateway.sessions.all();
    futures::future::join_all(sessions.iter().map(|session| async {
        gateway.leave_unsent(session, session.take_unsent());
        if tokio::time::timeout(limit, emptied(gateway, session)).await.is_err() {
            tracing::warn!(session = session.id, "session ends with deliveries in hand");
        }
        // The journal may have stopped before us; it gives back what its sessions had.
        if tokio::time::timeout(CLOSING, gateway.close(&session.id)).await.is_err() {
            tracing::warn!(session = session.id, "session was not closed in time");
        }
    }))
    .await;
    gateway.left.cancel();
    gateway.busy.close();
    if tokio::time::timeout(gateway.limit(), gateway.busy.wait()).await.is_err() {
        tracing::warn!("calls were cut off");
    }
}

/// Waits until a session has answered for all it was handed, or nobody is there to answer.
async fn emptied(gateway: &gateway::Gateway, session: &session::Session) {
    let is_settled = || {
        let is_over = session.closed.is_cancelled() || session.is_abandoned(i64::MAX);
        (is_over || session.sent_count() == 0).then_some(())
    };
    gateway.sessions.of_session(session).wait_until(is_settled).await;
}

/// One receiver for each application that has an adapter here.
async fn deliveries(
    gateway: &Arc<gateway::Gateway>,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let mut receivers: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let mut running: HashSet<String> = HashSet::new();
    loop {
        for sessions in gateway.sessions.applications() {
            if running.insert(sessions.application.clone()) {
                let (gateway, shutdown) = (gateway.clone(), shutdown.child_token());
                receivers.spawn(deliver::receive(gateway, sessions, shutdown));
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(ended) = receivers.join_next(), if !receivers.is_empty() => ended??,
            () = gateway.sessions.application_added() => {}
        }
    }
    while receivers.join_next().await.is_some() {}
    Ok(())
}

/// Lets go of uploads, sessions and deliveries that nobody comes back to.
async fn tidy(gateway: &Arc<gateway::Gateway>) {
    let mut look = tokio::time::interval(Duration::from_secs(2));
    loop {
        look.tick().await;
        let now = gateway.clock.now_us();
        let before = |ms: u64| now - i64::try_from(ms).unwrap_or(i64::MAX / 2_000) * 1_000;
        gateway.parts.expire(before(gateway.config.part_idle_ms_max)).await;
        for session in gateway.sessions.all() {
            let lapsed = session.expire_leases(now);
            gateway.leave_unsent(&session, lapsed);
            let is_over = !gateway.registered.now().is_open(&session.token)
                || session.is_abandoned(before(gateway.config.stream_gap_ms_max))
                || session.is_idle(before(gateway.config.session_idle_ms_max));
            if is_over {
                gateway.leave_closed(session.id.clone());
            }
        }
    }
}
