//! The endpoints of a load balancer, an orchestrator and Prometheus.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use chassis::Upstream;
use chassis::health::{self, Health};
use chassis::metrics::{Count, Seconds};
use chassis::secret::SecretUrl;
use chassis::telemetry::{Form, Telemetry, TelemetrySettings};
use tokio::sync::OnceCell;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tower::ServiceExt as _;

async fn telemetry() -> Telemetry {
    static TELEMETRY: OnceCell<Telemetry> = OnceCell::const_new();
    let settings = TelemetrySettings {
        level: "off".to_owned(),
        form: Form::Json,
        otlp_endpoint: SecretUrl::default(),
        otlp_authorities_file: "".into(),
    };
    let initialized = TELEMETRY
        .get_or_init(|| async move { chassis::telemetry::init("test", &settings).unwrap() });
    initialized.await.clone()
}

async fn get(routes: &Router, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = routes.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn a_process_is_ready_when_all_conditions_are_well_and_it_does_not_drain() {
    let health = Health::new();
    let routes = health::routes(health.clone(), telemetry().await);
    health.unwell("broker", "không tới được");
    health.well("journal");
    let (status, text) = get(&routes, "/readyz").await;
    assert_eq!(
        (status, text.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "broker: không tới được\n")
    );
    assert_eq!(get(&routes, "/livez").await.0, StatusCode::OK, "an unready process is alive");
    health.well("broker");
    assert_eq!(get(&routes, "/readyz").await, (StatusCode::OK, "ready\n".to_owned()));
    health.warn("registry", "một lỗi");
    let (status, text) = get(&routes, "/readyz").await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, "ready\nwarning: registry: một lỗi\n"));
    health.well("registry");
    health.drain();
    let (status, text) = get(&routes, "/readyz").await;
    assert_eq!((status, text.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "draining\n"));
}

#[tokio::test]
async fn counters_and_histograms_are_exported_as_prometheus_text() {
    let telemetry = telemetry().await;
    let count = Count::new("lienthong.test.things", "test counter");
    count.add(3, "outcome", "good");
    let seconds = Seconds::new("lienthong.test.duration", "test histogram");
    seconds.record(Duration::from_millis(3), "kind", "thing");
    let (status, text) = get(&health::routes(Health::new(), telemetry), "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    let line = text.lines().find(|it| it.starts_with("lienthong_test_things_total")).unwrap();
    assert!(line.contains("outcome=\"good\"") && line.ends_with(" 3"), "{line}");
    let buckets =
        text.lines().filter(|it| it.starts_with("lienthong_test_duration_seconds_bucket"));
    let contains: Vec<_> = buckets.map(|it| it.ends_with(" 1")).collect();
    assert_eq!(contains.len(), 14, "{text}");
    assert!(!contains[1] && contains[2], "3 ms is between the second and the third boundary");
}

/// Calls the health check until it returns this status.
async fn wait_for_status(client: &mut HealthClient<Upstream>, expected: ServingStatus) {
    while client.check(HealthCheckRequest::default()).await.unwrap().into_inner().status()
        != expected
    {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn grpc_health_reports_changes_of_the_conditions() {
    let health = Health::new();
    health.unwell("broker", "away");
    let (router, reporting) = health::grpc(Router::new(), health.clone());
    let mut client = HealthClient::new(Upstream::local(tonic::service::Routes::from(router)));
    let checking = async {
        wait_for_status(&mut client, ServingStatus::NotServing).await;
        health.well("broker");
        wait_for_status(&mut client, ServingStatus::Serving).await;
    };
    tokio::select! {
        () = reporting => panic!("changes are no longer reported"),
        outcome = tokio::time::timeout(Duration::from_secs(20), checking) => outcome.unwrap(),
    }
}
