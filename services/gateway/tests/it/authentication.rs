//! Authentication, and what happens when an adapter connects.

use std::sync::atomic::Ordering;

use gateway::{GatewayDependencies, Service};
use proto::exchange::v1::*;
use tower::ServiceExt as _;

use crate::environment::{Environment, code_of, hello_request, into_result, request, request_with};
use crate::waiting::wait_for;

#[tokio::test]
async fn a_call_without_a_valid_token_is_refused() {
    let environment = Environment::new().await;
    let mut client = environment.client.clone();
    let lookup = LookupRequest::default;
    let wrong = client.lookup(request_with("token-b-app", lookup())).await;
    assert_eq!(code_of(into_result(wrong)), "LT-GW-006");
    let none = client.lookup(tonic::Request::new(lookup())).await;
    assert_eq!(code_of(into_result(none)), "LT-GW-006");
    let disabled = client.lookup(request_with("token-c-app", lookup())).await;
    assert_eq!(code_of(into_result(disabled)), "LT-GW-007");
}

#[tokio::test]
async fn an_adapter_of_another_protocol_version_is_refused() {
    let mut environment = Environment::new().await;
    let hello = HelloRequest { protocol_versions: vec![9], ..hello_request("one") };
    let refused = environment.client.hello(request(hello)).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert_eq!(code_of(into_result::<HelloResponse>(Err(refused))), "LT-EX-001");
}

#[tokio::test]
async fn the_last_snapshot_stays_in_force_while_the_registry_is_unavailable() {
    let mut environment = Environment::new().await;
    environment.registry = tokio::sync::watch::channel(crate::registry::snapshot()).0;
    wait_for(async || (environment.watch_count.load(Ordering::SeqCst) > 1).then_some(())).await;
    environment.submit("k", b"hello").await.unwrap();
    environment.open_session("one").await;
}

#[tokio::test]
async fn a_restarted_gateway_authenticates_before_the_registry_answers() {
    let environment = Environment::new().await;
    let dependencies = GatewayDependencies {
        disk: chassis::disk::DiskSpace::new(),
        bus: bus::CurrentBus::fixed(environment.bus.clone()),
        claims: environment.claims.clone(),
        journal: environment.journal.upstream(),
        mapping: environment.journal.upstream(),
        registry: environment.follower.clone(),
    };
    let config = toml::from_str(gateway::DEFAULTS).unwrap();
    let restarted =
        Service::new(config, dependencies, environment.clock.clone(), "restarted".to_owned());
    let request = http::Request::get("/v1/lookup?text=a")
        .header("authorization", "Bearer token-a-app")
        .body(axum::body::Body::empty())
        .unwrap();
    assert_eq!(restarted.routes().oneshot(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn sessions_of_one_application_are_bounded() {
    let mut environment = Environment::with(|it| it.sessions_max = 1).await;
    environment.open_session("one").await;
    environment.open_session("one").await;
    let third = environment.client.hello(request(hello_request("two"))).await;
    assert_eq!(code_of(into_result(third)), "LT-GW-010");
}
