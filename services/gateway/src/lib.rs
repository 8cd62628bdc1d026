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
//! - An adapter never has more in hand than it said; the broker's delivery is settled once the
//!   journal has begun it.
//! - gRPC and HTTP/JSON are the same operations on the same port.
//!
//! # Not here
//!
//! Formats: bodies are passed on unopened.

mod config;
mod deliver;
mod directory;
mod fault;
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
mod settle;
mod submit;
mod track;

use std::collections::HashSet;
use std::time::Duration;

use axum::Router;
use chassis::health::Health;
use chassis::{Clock, Upstream};
use proto::exchange::v1::exchange_server::ExchangeServer;
use proto::fault::code;
use proto::fault::v1::Fault;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::ServiceExt as _;

pub use config::{Config, DEFAULTS};
pub use gateway::Surroundings;
pub use server::Service;

/// Largest gRPC message: a chunk with room around it.
const MESSAGE_BYTES_MAX: usize = 8 << 20;

impl Service {
    /// A gateway; calls wait until [`run`] works on them.
    pub fn new(
        config: Config,
        surroundings: Surroundings,
        clock: Clock,
        component: String,
    ) -> Self {
        Self { gateway: gateway::Gateway::new(config, surroundings, clock, component) }
    }

    /// gRPC and HTTP/JSON, to be served on one port.
    pub fn pages(&self) -> Router {
        let exchange = ExchangeServer::new(self.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        // HTTP's own answer to an unknown path comes last, so gRPC is a layer above it.
        let exchange = exchange
            .map_request(|request: axum::extract::Request| request.map(Body::new))
            .map_response(coded);
        http::pages(self.clone())
            .route_service("/lienthong.exchange.v1.Exchange/{*method}", exchange)
    }
}

/// Gives the one refusal that the gRPC layer makes itself, a message too long, its code.
fn coded(response: ::http::Response<Body>) -> ::http::Response<Body> {
    let status = Status::from_header_map(response.headers());
    let is_too_long =
        |it: &Status| it.code() == Code::OutOfRange && Fault::from_status(it).is_none();
    if !status.as_ref().is_some_and(is_too_long) {
        return response;
    }
    let most = MESSAGE_BYTES_MAX.to_string();
    let fault = Fault::new(&code::LT_GW_001).param("size", format!("> {most}"));
    Status::from(fault.param("most", most)).into_http()
}

/// Works behind the calls until `shutdown`; then sessions end and what is in hand goes back.
///
/// # Errors
///
/// The bus, the registry or the journal went away; start again.
pub async fn run(
    service: Service,
    registry: Upstream,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let gateway = service.gateway;
    health.unwell("gateway", "not ready yet");
    let publisher = gateway.bus.publisher().await?;
    health.well("gateway");
    let following = async {
        let parts = (registry, gateway.config.submits_max);
        gateway.registered.follow(parts, &health, &shutdown).await?;
        // It was told to stop; what goes on is for the others to finish.
        std::future::pending().await
    };
    let working = gateway.work(publisher);
    tokio::pin!(working);
    let outcome = tokio::select! {
        outcome = following => outcome,
        () = working.as_mut() => Ok(()),
        outcome = deliveries(&gateway, &shutdown) => outcome,
        () = tidy(&gateway) => Ok(()),
        failed = gateway.bus.failed() => Err(anyhow::Error::new(failed)),
    };
    if shutdown.is_cancelled() {
        tokio::select! {
            () = working.as_mut() => {}
            () = leave(&gateway) => {}
        }
    }
    outcome
}

/// Ends all sessions and lets calls that are being answered finish.
async fn leave(gateway: &gateway::Gateway) {
    gateway.stopping.cancel();
    let sessions = gateway.sessions.all().await;
    futures::future::join_all(sessions.iter().map(|it| gateway.close(&it.id))).await;
    gateway.busy.close();
    if tokio::time::timeout(gateway.limit(), gateway.busy.wait()).await.is_err() {
        tracing::warn!("calls were cut off");
    }
}

/// One receiver for each application that has an adapter here.
async fn deliveries(
    gateway: &gateway::Gateway,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let mut receivers: JoinSet<(String, anyhow::Result<()>)> = JoinSet::new();
    let mut running: HashSet<String> = HashSet::new();
    let mut look = tokio::time::interval(Duration::from_millis(50));
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(ended) = receivers.join_next(), if !receivers.is_empty() => {
                let (application, outcome) = ended?;
                running.remove(&application);
                outcome?;
            }
            _ = look.tick() => {
                for session in gateway.sessions.all().await {
                    let application = session.application.id.clone();
                    if running.insert(application.clone()) {
                        let (gateway, shutdown) = (gateway.clone(), shutdown.child_token());
                        receivers.spawn(async move {
                            let outcome =
                                deliver::receive(gateway, application.clone(), shutdown).await;
                            (application, outcome)
                        });
                    }
                }
            }
        }
    }
    while receivers.join_next().await.is_some() {}
    Ok(())
}

/// Lets go of uploads, sessions and deliveries that nobody comes back to.
async fn tidy(gateway: &gateway::Gateway) {
    let mut look = tokio::time::interval(Duration::from_secs(2));
    loop {
        look.tick().await;
        let now = gateway.clock.now_us();
        let before = |ms: u64| now - i64::try_from(ms).unwrap_or(i64::MAX / 2_000) * 1_000;
        gateway.parts.expire(before(gateway.config.part_idle_ms_max)).await;
        for session in gateway.sessions.all().await {
            session.expire(now).await;
            let is_shut_out = !gateway.registered.now().is_open(&session.application.id);
            if is_shut_out || session.is_idle(before(gateway.config.session_idle_ms_max)) {
                gateway.close(&session.id).await;
            }
        }
    }
}
