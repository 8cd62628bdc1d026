//! A client over the network and in the same process, and the token of internal calls.

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
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

async fn check(upstream: Upstream) -> Result<ServingStatus, Code> {
    let response = HealthClient::new(upstream).check(HealthCheckRequest::default()).await;
    response.map(|it| it.into_inner().status()).map_err(|status| status.code())
}

#[tokio::test]
async fn remote_calls_need_the_token_and_calls_in_the_process_do_not() {
    let (_reporter, service) = tonic_health::server::health_reporter();
    let local = Upstream::local(service.clone());
    assert_eq!(check(local).await, Ok(ServingStatus::Serving));

    let app = Router::new().route_service("/grpc.health.v1.Health/{*call}", service);
    let app = Guard::new(&Secret::new("chia")).protect(app);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let mut working = JoinSet::new();
    let stop = shutdown.clone();
    working
        .spawn(async move { serve(listener, app, ServerLimits::default(), stop).await.unwrap() });
    let remote =
        |token: &str| Upstream::network(&Network::new(&url).token(Secret::new(token))).unwrap();
    assert_eq!(check(remote("chia")).await, Ok(ServingStatus::Serving));
    assert_eq!(check(remote("chiA")).await, Err(Code::Unauthenticated));
    assert_eq!(check(remote("chia-")).await, Err(Code::Unauthenticated));
    let without = Upstream::network(&Network::new(&url)).unwrap();
    assert_eq!(check(without).await, Err(Code::Unauthenticated));
    shutdown.cancel();
    working.join_next().await.unwrap().unwrap();
    assert_eq!(check(remote("chia")).await, Err(Code::Unavailable), "the server has stopped");
}

#[test]
fn the_error_about_an_invalid_address_names_it() {
    let error = Upstream::network(&Network::new("không phải địa chỉ")).unwrap_err();
    assert!(error.to_string().contains("không phải địa chỉ"), "{error}");
}
