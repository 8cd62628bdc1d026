//! The endpoints of a load balancer, an orchestrator and Prometheus.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use chassis::Upstream;
use chassis::health::{self, Health};
use chassis::metrics::{Count, Seconds};
use chassis::secret::SecretUrl;
use chassis::telemetry::{Form, Settings, Telemetry};
use tokio::sync::OnceCell;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tower::ServiceExt as _;

async fn telemetry() -> Telemetry {
    static TELEMETRY: OnceCell<Telemetry> = OnceCell::const_new();
    let settings =
        Settings { level: "off".to_owned(), form: Form::Json, otlp_endpoint: SecretUrl::default() };
    let set_up = TELEMETRY
        .get_or_init(|| async move { chassis::telemetry::init("test", &settings).unwrap() });
    set_up.await.clone()
}

async fn page(pages: &Router, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = pages.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn ready_is_when_everything_is_well_and_nothing_drains() {
    let health = Health::new();
    let pages = health::routes(health.clone(), telemetry().await);
    health.unwell("broker", "không tới được");
    health.well("journal");
    let (status, text) = page(&pages, "/readyz").await;
    assert_eq!(
        (status, text.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "broker: không tới được\n")
    );
    assert_eq!(page(&pages, "/livez").await.0, StatusCode::OK, "it lives all the same");
    health.well("broker");
    assert_eq!(page(&pages, "/readyz").await, (StatusCode::OK, "ready\n".to_owned()));
    health.warn("registry", "một lỗi");
    let (status, text) = page(&pages, "/readyz").await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, "ready\nwarning: registry: một lỗi\n"));
    health.well("registry");
    health.drain();
    let (status, text) = page(&pages, "/readyz").await;
    assert_eq!((status, text.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "draining\n"));
}

#[tokio::test]
async fn what_is_counted_stands_on_the_metrics_page() {
    let telemetry = telemetry().await;
    let count = Count::new("lienthong.test.things", "things of a test");
    count.add(3, "outcome", "good");
    let seconds = Seconds::new("lienthong.test.duration", "how long a thing of a test takes");
    seconds.record(Duration::from_millis(3), "kind", "thing");
    let (status, text) = page(&health::routes(Health::new(), telemetry), "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    let line = text.lines().find(|it| it.starts_with("lienthong_test_things_total")).unwrap();
    assert!(line.contains("outcome=\"good\"") && line.ends_with(" 3"), "{line}");
    let bounds = text.lines().filter(|it| it.starts_with("lienthong_test_duration_seconds_bucket"));
    let within: Vec<_> = bounds.map(|it| it.ends_with(" 1")).collect();
    assert_eq!(within.len(), 14, "{text}");
    assert!(!within[1] && within[2], "three milliseconds lie between the second and the third");
}

/// Asks until the answer is this one.
async fn until(client: &mut HealthClient<Upstream>, expected: ServingStatus) {
    while client.check(HealthCheckRequest::default()).await.unwrap().into_inner().status()
        != expected
    {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn grpc_health_follows() {
    let health = Health::new();
    health.unwell("broker", "away");
    let (router, following) = health::grpc(Router::new(), health.clone());
    let mut client = HealthClient::new(Upstream::local(tonic::service::Routes::from(router)));
    let asking = async {
        until(&mut client, ServingStatus::NotServing).await;
        health.well("broker");
        until(&mut client, ServingStatus::Serving).await;
    };
    tokio::select! {
        () = following => panic!("health is no longer followed"),
        outcome = tokio::time::timeout(Duration::from_secs(20), asking) => outcome.unwrap(),
    }
}
