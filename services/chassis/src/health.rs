//! Health of a process: named conditions, `/livez` and `/readyz`, and `grpc.health.v1`.

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

use crate::telemetry::Telemetry;
use crate::upstream::Upstream;

/// State of one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Well,
    /// An operator should look at it; the process stays ready.
    Warning(String),
    Unwell(String),
}

/// Named conditions of one process. The process is ready when all of them are well. Clones share
/// the conditions.
#[derive(Clone, Debug)]
pub struct Health {
    conditions: watch::Sender<BTreeMap<String, Condition>>,
    draining: Arc<AtomicBool>,
}

impl Default for Health {
    fn default() -> Self {
        Self { conditions: watch::Sender::new(BTreeMap::new()), draining: Arc::default() }
    }
}

impl Health {
    /// Without conditions: the process is ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a condition to well.
    pub fn well(&self, name: &str) {
        self.set(name, Condition::Well);
    }

    /// Sets a condition to unwell, with the reason: the process is not ready.
    pub fn unwell(&self, name: &str, reason: impl Into<String>) {
        self.set(name, Condition::Unwell(reason.into()));
    }

    /// Sets a condition to a warning, with the reason: the process stays ready.
    pub fn warn(&self, name: &str, reason: impl Into<String>) {
        self.set(name, Condition::Warning(reason.into()));
    }

    fn set(&self, name: &str, condition: Condition) {
        self.conditions.send_if_modified(|conditions| {
            let is_changed = conditions.get(name) != Some(&condition);
            if is_changed {
                conditions.insert(name.to_owned(), condition);
            }
            is_changed
        });
    }

    /// Marks the process as draining: it is not ready until it ends.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        self.conditions.send_modify(|_| {});
    }

    /// The reasons why the process is not ready; empty when it is ready.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = self.select(|it| match it {
            Condition::Unwell(reason) => Some(reason),
            Condition::Well | Condition::Warning(_) => None,
        });
        if self.draining.load(Ordering::SeqCst) {
            failures.push("draining".to_owned());
        }
        failures
    }

    /// The conditions that are not well: name, reason, and whether it is a failure.
    pub fn conditions(&self) -> Vec<(String, String, bool)> {
        let conditions = self.conditions.borrow();
        let mut found = Vec::new();
        for (name, condition) in conditions.iter() {
            match condition {
                Condition::Well => {}
                Condition::Warning(reason) => found.push((name.clone(), reason.clone(), false)),
                Condition::Unwell(reason) => found.push((name.clone(), reason.clone(), true)),
            }
        }
        if self.draining.load(Ordering::SeqCst) {
            found.push(("draining".to_owned(), "draining".to_owned(), true));
        }
        found
    }

    /// The warnings.
    pub fn warnings(&self) -> Vec<String> {
        self.select(|it| match it {
            Condition::Warning(reason) => Some(reason),
            Condition::Well | Condition::Unwell(_) => None,
        })
    }

    /// The selected conditions as `name: reason`.
    fn select(&self, reason: impl Fn(&Condition) -> Option<&String>) -> Vec<String> {
        let conditions = self.conditions.borrow();
        conditions
            .iter()
            .filter_map(|(name, condition)| Some(format!("{name}: {}", reason(condition)?)))
            .collect()
    }

    /// True when the process accepts work.
    pub fn is_ready(&self) -> bool {
        self.failures().is_empty()
    }

    /// Reports changes to a `grpc.health.v1` service for as long as it is awaited.
    async fn report_changes(&self, reporter: tonic_health::server::HealthReporter) {
        let mut changes = self.conditions.subscribe();
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

/// Adds `grpc.health.v1` to a router. The returned future must be awaited: it updates the service
/// when `health` changes. The service needs no token, like `/readyz`.
pub fn grpc(router: Router, health: Health) -> (Router, impl Future<Output = ()> + Send) {
    let (reporter, service) = tonic_health::server::health_reporter();
    let router = router.route_service("/grpc.health.v1.Health/{*call}", service);
    (router, async move { health.report_changes(reporter).await })
}

/// Calls `grpc.health.v1` of a service; true when the service accepts work.
///
/// # Errors
///
/// The service is unreachable or does not serve `grpc.health.v1`.
pub async fn check_serving(service: Upstream) -> Result<bool, tonic::Status> {
    let response = HealthClient::new(service).check(HealthCheckRequest::default()).await?;
    Ok(response.into_inner().status() == ServingStatus::Serving)
}

/// Routes for orchestrators: `/livez` (the process responds), `/readyz` (all conditions are well)
/// and `/metrics` (Prometheus text format).
pub fn routes(health: Health, telemetry: Telemetry) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(health)
        .route(
            "/metrics",
            get(|State(telemetry): State<Telemetry>| async move {
                ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], telemetry.prometheus())
            })
            .with_state(telemetry),
        )
}

async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    let (failures, warnings) = (health.failures(), health.warnings());
    let status = if failures.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut lines = if failures.is_empty() { vec!["ready".to_owned()] } else { failures };
    lines.extend(warnings.into_iter().map(|it| format!("warning: {it}")));
    (status, lines.join("\n") + "\n")
}
