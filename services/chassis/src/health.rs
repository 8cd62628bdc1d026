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
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::Upstream;
use crate::telemetry::Telemetry;

/// How one thing is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Well,
    /// Somebody should look, and work goes on.
    Warning(String),
    Unwell(String),
}

/// Named conditions of one process; clones share them.
#[derive(Clone, Debug)]
pub struct Health {
    checks: watch::Sender<BTreeMap<String, Condition>>,
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
        self.set(name, Condition::Well);
    }

    /// Says that this is not well, and why.
    pub fn unwell(&self, name: &str, why: impl Into<String>) {
        self.set(name, Condition::Unwell(why.into()));
    }

    /// Says that somebody should look at this, and why. It does not keep work away.
    pub fn warn(&self, name: &str, why: impl Into<String>) {
        self.set(name, Condition::Warning(why.into()));
    }

    fn set(&self, name: &str, condition: Condition) {
        self.checks.send_if_modified(|checks| {
            let changes = checks.get(name) != Some(&condition);
            if changes {
                checks.insert(name.to_owned(), condition);
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
        let mut found = self.found(|it| match it {
            Condition::Unwell(why) => Some(why),
            Condition::Well | Condition::Warning(_) => None,
        });
        if self.draining.load(Ordering::SeqCst) {
            found.push("draining".to_owned());
        }
        found
    }

    /// Everything that somebody should look at.
    pub fn warnings(&self) -> Vec<String> {
        self.found(|it| match it {
            Condition::Warning(why) => Some(why),
            Condition::Well | Condition::Unwell(_) => None,
        })
    }

    fn found(&self, pick: impl Fn(&Condition) -> Option<&String>) -> Vec<String> {
        let checks = self.checks.borrow();
        checks
            .iter()
            .filter_map(|(name, condition)| Some(format!("{name}: {}", pick(condition)?)))
            .collect()
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

/// Asks a service's `grpc.health.v1` whether work may be sent to it.
///
/// # Errors
///
/// It is not there, or has no such page.
pub async fn ask(service: Upstream) -> Result<bool, tonic::Status> {
    let answer = HealthClient::new(service).check(HealthCheckRequest::default()).await?;
    Ok(answer.into_inner().status() == ServingStatus::Serving)
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
    let (complaints, warnings) = (health.complaints(), health.warnings());
    let status =
        if complaints.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut lines = if complaints.is_empty() { vec!["ready".to_owned()] } else { complaints };
    lines.extend(warnings.into_iter().map(|it| format!("warning: {it}")));
    (status, lines.join("\n") + "\n")
}
