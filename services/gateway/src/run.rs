//! Running a gateway: its workers, one receive loop an application, the expiry of what is unused,
//! and the stop.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use chassis::Upstream;
use chassis::health::Health;
use journal_client::StallWatch;
use proto::journal::v1::publish_again_request::To;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::deliver::receive_deliveries;
use crate::gateway::Gateway;
use crate::server::Service;
use crate::session::Session;

/// How long a stop waits for the journal to close a session.
const CLOSE_TIME_LIMIT: Duration = Duration::from_secs(1);
/// How often uploads, leases and sessions are checked for their time limits. The shortest limit is
/// several times as long.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(2);

/// How often the journal is told which sessions this gateway holds.
const RENEW_INTERVAL: Duration = Duration::from_secs(10);

/// Handles the calls of a service until `shutdown`. Then no more deliveries are sent, adapters may
/// settle the ones in flight for a while, and the rest is returned to the journal.
///
/// # Errors
///
/// The bus failed, or an application's channel. The caller starts a new service.
pub async fn run(
    service: Service,
    registry: Upstream,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let gateway = service.gateway;
    // Also on an error: nothing receives settlements then, so the listener must not wait for them.
    let _drained = gateway.drained.clone().drop_guard();
    health.unwell("gateway", "not ready yet");
    // Its token is never cancelled: with the stop's token it would end first, and with it the wait
    // for the receive loops.
    let following = gateway.registry.follow(registry, health.clone(), CancellationToken::new());
    health.well("gateway");
    let upstreams = (&gateway.mapping, &gateway.journal);
    // Dropped after the workers: a call that comes in the last moment of a stop is answered at once.
    let _closed = CloseWorkers(&gateway);
    let workers = async {
        tokio::join!(gateway.workers.run(upstreams, &gateway.claims), run_publishing(&gateway))
    };
    tokio::pin!(workers);
    let outcome = tokio::select! {
        () = following => Ok(()),
        _ = workers.as_mut() => Ok(()),
        outcome = run_receive_loops(&gateway, &shutdown) => outcome,
        () = run_expiry(&gateway) => Ok(()),
        outcome = run_renewal(&gateway, health.clone()) => outcome,
    };
    if shutdown.is_cancelled() {
        tokio::select! {
            _ = workers.as_mut() => {}
            () = drain(&gateway) => {}
        }
    }
    outcome
}

/// Ends the queues of the workers, however the run ends.
struct CloseWorkers<'a>(&'a Gateway);

impl Drop for CloseWorkers<'_> {
    fn drop(&mut self) {
        self.0.workers.close();
    }
}

/// Publishes accepted messages while there is a connection. What waits too long without one is
/// published by the journal. Never ends.
async fn run_publishing(gateway: &Arc<Gateway>) {
    let publishing = |bus: Bus| async move {
        let publisher = bus.publisher().await?;
        // What an earlier process or connection had taken to publish may be lost.
        if !gateway.bus.is_embedded()
            && let Err(status) = gateway.journal.publish_again(To::Intake).await
        {
            tracing::warn!(error = status.message(), "accepted messages wait for the sweeper");
        }
        tokio::select! {
            () = gateway.workers.run_publishing(publisher) => Ok(()),
            failed = bus.publisher_failed() => Err(anyhow::Error::new(failed)),
        }
    };
    let never = CancellationToken::new();
    gateway.bus.run("publishing", &never, publishing).await;
}

/// Starts a receive loop for each application when its first adapter connects.
async fn run_receive_loops(
    gateway: &Arc<Gateway>,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let mut loops: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let mut started: HashSet<String> = HashSet::new();
    loop {
        for sessions in gateway.sessions.applications() {
            if started.insert(sessions.application.clone()) {
                loops.spawn(receive_deliveries(gateway.clone(), sessions, shutdown.child_token()));
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(ended) = loops.join_next(), if !loops.is_empty() => ended??,
            () = gateway.sessions.application_added() => {}
        }
    }
    while loops.join_next().await.is_some() {}
    Ok(())
}

/// Ends uploads, leases and sessions whose time limit is over, and at once the sessions whose token
/// a new snapshot of the registry no longer accepts.
async fn run_expiry(gateway: &Arc<Gateway>) {
    let mut interval = tokio::time::interval(EXPIRY_INTERVAL);
    let mut snapshots = gateway.registry.subscribe();
    loop {
        tokio::select! {
            _ = interval.tick() => {
                let idle_since = time_before(gateway, gateway.config.part_idle_ms_max);
                let directory = gateway.registry.directory();
                gateway.uploads.expire(idle_since, |id| directory.has_application(id));
            }
            Ok(()) = snapshots.changed() => {}
        }
        expire_sessions(gateway);
    }
}

/// Tells the journal which sessions are held here, and ends those that it has closed: the adapter has
/// a newer session at another gateway, or an operator ended it there.
async fn run_renewal(gateway: &Arc<Gateway>, health: Health) -> anyhow::Result<()> {
    let mut stall = StallWatch::new(gateway.bus.clone(), health);
    let mut interval = tokio::time::interval(RENEW_INTERVAL);
    loop {
        interval.tick().await;
        let ids: Vec<String> = gateway.sessions.all().iter().map(|it| it.id.clone()).collect();
        if ids.is_empty() {
            continue;
        }
        match gateway.journal.renew(ids).await {
            Ok(answer) => {
                let is_mine = |it: &String| has_channel(gateway, it);
                let stalled: Vec<_> = answer.stalled_channels.into_iter().filter(is_mine).collect();
                stall.note(&stalled)?;
                for session in answer.unknown.iter().filter_map(|it| gateway.sessions.remove(it)) {
                    drop(session.close());
                }
            }
            Err(status) => tracing::debug!(error = status.message(), "sessions were not renewed"),
        }
    }
}

/// Whether a session here receives from a channel.
fn has_channel(gateway: &Gateway, channel: &str) -> bool {
    let application = channel.strip_prefix("delivery.");
    application.is_some_and(|it| gateway.sessions.all().iter().any(|of| of.application.id == it))
}

fn expire_sessions(gateway: &Arc<Gateway>) {
    let now = gateway.clock.now_us();
    let abandoned_since = time_before(gateway, gateway.config.stream_gap_ms_max);
    let idle_since = time_before(gateway, gateway.config.session_idle_ms_max);
    let directory = gateway.registry.directory();
    gateway
        .active_tokens
        .revoke_unless(|token, application| gateway.accepts_token(&directory, token, application));
    for session in gateway.sessions.all() {
        gateway.spawn_return_unsent(&session, session.expire_leases(now));
        let is_over = !gateway.accepts_token(&directory, &session.token, &session.application.id)
            || session.is_abandoned(abandoned_since)
            || session.is_idle(idle_since);
        if is_over {
            gateway.spawn_close_session(session.id.clone());
        }
    }
}

/// The time `ms` ago, microseconds.
fn time_before(gateway: &Gateway, ms: u64) -> i64 {
    let us = i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000);
    gateway.clock.now_us().saturating_sub(us)
}

/// Ends all sessions once their deliveries are settled, and waits for calls in progress.
async fn drain(gateway: &Arc<Gateway>) {
    gateway.draining.cancel();
    let time_limit = Duration::from_millis(gateway.config.drain_ms_max);
    let sessions = gateway.sessions.all();
    futures::future::join_all(sessions.iter().map(|session| async {
        gateway.spawn_return_unsent(session, session.start_drain());
        if tokio::time::timeout(time_limit, wait_settled(gateway, session)).await.is_err() {
            tracing::warn!(session = session.id, "session ends with deliveries in flight");
        }
        // The journal may have stopped already; its next start returns what its sessions had.
        let closed = gateway.close_session(&session.id);
        if tokio::time::timeout(CLOSE_TIME_LIMIT, closed).await.is_err() {
            tracing::warn!(session = session.id, "session was not closed in time");
        }
    }))
    .await;
    let recorded = gateway.workers.refusals.record_all(&gateway.journal);
    if tokio::time::timeout(CLOSE_TIME_LIMIT, recorded).await != Ok(true) {
        tracing::warn!("refusals were not recorded before the stop");
    }
    gateway.drained.cancel();
    gateway.open_work.close();
    if tokio::time::timeout(gateway.time_limit(), gateway.open_work.wait()).await.is_err() {
        tracing::warn!("calls in progress were aborted");
    }
}

/// Waits until every sent delivery of a session is settled, or its adapter is gone.
async fn wait_settled(gateway: &Gateway, session: &Session) {
    let is_settled = || {
        let is_over = session.closed.is_cancelled() || session.is_abandoned(i64::MAX);
        (is_over || session.sent_count() == 0).then_some(())
    };
    gateway.sessions.of_session(session).wait_until(is_settled).await;
}
