//! Health: what must be well before work is sent here, and the pages that say so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::sync::watch;

use crate::telemetry::Telemetry;

/// Named conditions of one process; clones share them.
#[derive(Clone, Debug)]
pub struct Health {
    checks: watch::Sender<BTreeMap<String, Result<(), String>>>,
    draining: Arc<AtomicBool>,
}

impl Default for Health {
    fn default() -> Self {
        Self { checks: watch::Sender::new(BTreeMap::new()), draining: Arc::default() }
    }
}

impl Health {
    /// Nothing has to be well yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that this is well.
    pub fn well(&self, name: &str) {
        self.set(name, Ok(()));
    }

    /// Says that this is not well, and why.
    pub fn unwell(&self, name: &str, why: impl Into<String>) {
        self.set(name, Err(why.into()));
    }

    fn set(&self, name: &str, state: Result<(), String>) {
        self.checks.send_if_modified(|checks| {
            let changes = checks.get(name) != Some(&state);
            if changes {
                checks.insert(name.to_owned(), state);
            }
            changes
        });
    }

    /// No new work should come: the process is about to stop.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        self.checks.send_modify(|_| {});
    }

    /// Everything that is not well; empty: ready.
    pub fn complaints(&self) -> Vec<String> {
        let mut found: Vec<String> = self
            .checks
            .borrow()
            .iter()
            .filter_map(|(name, state)| state.as_ref().err().map(|why| format!("{name}: {why}")))
            .collect();
        if self.draining.load(Ordering::SeqCst) {
            found.push("draining".to_owned());
        }
        found
    }

    /// True when work may be sent here.
    pub fn is_ready(&self) -> bool {
        self.complaints().is_empty()
    }

    /// Keeps a `grpc.health.v1` service in step with this.
    async fn follow(&self, reporter: tonic_health::server::HealthReporter) {
        let mut changes = self.checks.subscribe();
        loop {
            let status = if self.is_ready() {
                tonic_health::ServingStatus::Serving
            } else {
                tonic_health::ServingStatus::NotServing
            };
            reporter.set_service_status("", status).await;
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Adds `grpc.health.v1` to a server's routes; the second value keeps it in step with `health`
/// for as long as it is awaited. It answers without a token, as `/readyz` does.
pub fn grpc(router: Router, health: Health) -> (Router, impl Future<Output = ()> + Send) {
    let (reporter, service) = tonic_health::server::health_reporter();
    let router = router.route_service("/grpc.health.v1.Health/{*call}", service);
    (router, async move { health.follow(reporter).await })
}

/// `/livez` (the process answers), `/readyz` (everything is well), `/metrics` (Prometheus text).
pub fn pages(health: Health, telemetry: Telemetry) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(health)
        .route(
            "/metrics",
            get(|State(telemetry): State<Telemetry>| async move {
                ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], telemetry.prometheus())
            })
            .with_state(telemetry),
        )
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    let complaints = health.complaints();
    if complaints.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, complaints.join("\n") + "\n")
}
