//! What one application holds, stalls or repeats leaves the others alone.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt as _;
use proto::exchange::v1::*;
use proto::fault::v1::Fault;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::body::Body;
use tonic::transport::Channel;
use tower::{Service as _, ServiceExt as _};

use crate::environment::{Environment, code_of, hello_request, into_result, request, request_with};
use crate::waiting::timed;

/// Begins a submit over HTTP whose body does not come.
async fn stall(address: &str, token: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/submit HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {token}\r\n\
         content-length: 1000000\r\n\r\n{{"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

async fn read_all(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    timed(socket.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_thousand_slow_bodies_of_one_application_leave_the_others_alone() {
    let environment = Environment::new().await;
    let mut slow = Vec::new();
    for number in 0..1_005 {
        slow.push(stall(&environment.address, "token-d-app").await);
        if number % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let started = Instant::now();
    let url = format!("http://{}", environment.address);
    for number in 0..5 {
        let mut client = exchange_client::ExchangeClient::connect(url.clone()).await.unwrap();
        client.lookup(request(LookupRequest::default())).await.unwrap();
        environment.submit(&number.to_string(), b"hello").await.unwrap();
        for socket in slow.iter_mut().skip(number).step_by(5) {
            // A refused one is closed by then.
            drop(socket.write_all(b" ").await);
        }
    }
    assert!(started.elapsed() < Duration::from_secs(5), "it took {:?}", started.elapsed());
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up_with_a_code_over_http() {
    let environment = Environment::with(|it| it.request_stall_ms_max = 200).await;
    let mut slow = stall(&environment.address, "token-a-app").await;
    let started = Instant::now();
    for _ in 0..3 {
        slow.write_all(b" ").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let answer = read_all(&mut slow).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("LT-GW-011"), "{answer}");
    assert!(answer.contains("\"retry\":\"automatic\""), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up_with_a_code_over_grpc() {
    let environment = Environment::with(|it| it.request_stall_ms_max = 200).await;
    let url = format!("http://{}", environment.address);
    let mut channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    let first = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(&[0, 0, 1, 0]))]);
    let body = axum::body::Body::from_stream(first.chain(futures::stream::pending()));
    let call = http::Request::post("/lienthong.exchange.v1.Exchange/Submit")
        .header("content-type", "application/grpc")
        .header("authorization", "Bearer token-a-app")
        .body(Body::new(body))
        .unwrap();
    let response = timed(channel.ready().await.unwrap().call(call)).await.unwrap();
    let status = tonic::Status::from_header_map(response.headers()).unwrap();
    assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
    assert_eq!(Fault::from_status(&status).unwrap().code, "LT-GW-011");
}

#[tokio::test]
async fn calls_of_one_application_have_a_share_of_those_in_progress() {
    let environment = Environment::with(|it| it.application_open_calls_max = 2).await;
    let stalled = [
        stall(&environment.address, "token-d-app").await,
        stall(&environment.address, "token-d-app").await,
    ];
    let mut client = environment.client.clone();
    let refused = crate::waiting::wait_for(async || {
        let refused = client.lookup(request_with("token-d-app", LookupRequest::default())).await;
        into_result(refused).err()
    });
    let refused = refused.await;
    assert_eq!(refused.code, "LT-GW-012");
    assert!(refused.is_retryable() && refused.retry_after_ms > 0);
    environment.client.clone().lookup(request(LookupRequest::default())).await.unwrap();
    drop(stalled);
    crate::waiting::wait_for(async || {
        let mut client = environment.client.clone();
        client.lookup(request_with("token-d-app", LookupRequest::default())).await.ok()
    })
    .await;
}

#[tokio::test]
async fn bodies_of_one_application_have_a_share_of_the_memory() {
    let environment = Environment::with(|it| it.application_bodies_bytes_max = 10_000).await;
    assert_eq!(code_of(environment.submit("", &[b'x'; 10_000]).await), "LT-GW-012");
    environment.submit("", &[b'x'; 9_000]).await.unwrap();
}

#[tokio::test]
async fn a_loop_of_refused_calls_is_slowed_down_and_the_others_are_not() {
    let environment = Environment::with(|it| {
        it.refusals_burst_max = 5;
        it.refusals_per_second_max = 1;
    })
    .await;
    let settle = || SettleRequest { message_id: "none".to_owned(), ..SettleRequest::default() };
    let mut codes = Vec::new();
    for _ in 0..7 {
        let refused = environment.client.clone().settle(request(settle())).await;
        codes.push(code_of(into_result(refused)));
    }
    assert_eq!(codes[..5], ["LT-EX-011"; 5]);
    assert_eq!(codes[6], "LT-GW-013");
    let mut other = environment.client.clone();
    other.lookup(request_with("token-d-app", LookupRequest::default())).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    environment.submit("", b"hello").await.unwrap();
}

#[tokio::test]
async fn hellos_at_the_same_time_open_no_more_sessions_than_allowed() {
    let environment = Environment::with(|it| it.sessions_max = 3).await;
    let hellos = (0..20).map(|number| {
        let mut client = environment.client.clone();
        async move { client.hello(request(hello_request(&format!("adapter-{number}")))).await }
    });
    let outcomes = futures::future::join_all(hellos).await;
    let refused = outcomes.into_iter().filter_map(|it| into_result(it).err());
    let codes: Vec<_> = refused.map(|it| it.code).collect();
    assert_eq!(codes, ["LT-GW-010"; 17]);
}
