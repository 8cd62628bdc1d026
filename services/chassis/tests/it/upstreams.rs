//! The same client over the network and directly on a service; only the right token comes in.

use axum::Router;
use chassis::Upstream;
use chassis::guard::Guard;
use chassis::secret::Secret;
use chassis::serve::{ServerLimits, serve};
use chassis::upstream::Network;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::service::interceptor::InterceptedService;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

async fn ask(upstream: Upstream) -> Result<ServingStatus, Code> {
    let answer = HealthClient::new(upstream).check(HealthCheckRequest::default()).await;
    answer.map(|it| it.into_inner().status()).map_err(|status| status.code())
}

#[tokio::test]
async fn a_service_is_reached_over_the_network_with_its_token_and_in_the_process_without() {
    let (_reporter, service) = tonic_health::server::health_reporter();
    let here = Upstream::local(service.clone());
    assert_eq!(ask(here).await, Ok(ServingStatus::Serving));

    let guarded = InterceptedService::new(service, Guard::new(&Secret::new("chia")));
    let app = Router::new().route_service("/grpc.health.v1.Health/{*call}", guarded);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let mut working = JoinSet::new();
    let stop = shutdown.clone();
    working
        .spawn(async move { serve(listener, app, ServerLimits::default(), stop).await.unwrap() });
    let there =
        |token: &str| Upstream::network(&Network::new(&uri).token(Secret::new(token))).unwrap();
    assert_eq!(ask(there("chia")).await, Ok(ServingStatus::Serving));
    assert_eq!(ask(there("chiA")).await, Err(Code::Unauthenticated));
    assert_eq!(ask(there("chia-")).await, Err(Code::Unauthenticated));
    let without = Upstream::network(&Network::new(&uri)).unwrap();
    assert_eq!(ask(without).await, Err(Code::Unauthenticated));
    shutdown.cancel();
    working.join_next().await.unwrap().unwrap();
    assert_eq!(ask(there("chia")).await, Err(Code::Unavailable), "nobody is there");
}

#[test]
fn an_address_that_is_none_is_named() {
    let error = Upstream::network(&Network::new("không phải địa chỉ")).unwrap_err();
    assert!(error.to_string().contains("không phải địa chỉ"), "{error}");
}
