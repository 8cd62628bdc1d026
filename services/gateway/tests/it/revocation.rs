//! A token that the registry takes back ends what it has open.

use std::time::Duration;

use bus::Body;
use proto::exchange::v1::*;
use proto::fault::v1::Fault;
use proto::registry::v1::Snapshot;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::environment::{Environment, code_of, into_result, request};
use crate::http_json::{get, open_session};
use crate::waiting::timed;

/// A change of the registry by which an application loses its right to call.
type Loss = fn(&mut Snapshot);

/// The ways to lose it, and the code of each.
fn losses() -> [(Loss, &'static str); 5] {
    [
        (|it| it.applications[0].token_sha256.clear(), "LT-GW-006"),
        (|it| drop(it.applications.remove(0)), "LT-GW-006"),
        (|it| it.applications[0].disabled = true, "LT-GW-007"),
        (|it| drop(it.organisations.remove(0)), "LT-GW-014"),
        (|it| it.organisations[0].valid_to = "2020-01-01".to_owned(), "LT-GW-014"),
    ]
}

async fn change(environment: &Environment, change: Loss) {
    environment.registry.send_modify(|it| {
        it.revision = "2".to_owned();
        change(it);
    });
}

/// Awaits a call during which the right is lost.
async fn lose_later<T>(environment: &Environment, lose: Loss, call: impl Future<Output = T>) -> T {
    let lost = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        change(environment, lose).await;
    };
    tokio::join!(call, lost).0
}

#[tokio::test]
async fn each_way_to_lose_the_right_to_call_ends_streams_polls_and_slow_bodies() {
    for (lose, code) in losses() {
        let mut environment = Environment::new().await;
        let at = environment.address.clone();
        let session = environment.open_session("one").await;
        let mut stream = environment.receive(&session, 0).await;
        let other = open_session(&at).await;
        let poll = format!("/v1/receive?session={other}&wait_ms=30000");
        let mut slow = TcpStream::connect(&at).await.unwrap();
        let head = "PUT /v1/parts/p?offset=0&size=100&sha256=00 HTTP/1.1\r\nhost: gateway\r\n\
                    authorization: Bearer token-a-app\r\ncontent-length: 100\r\n\r\nx";
        slow.write_all(head.as_bytes()).await.unwrap();
        let (_, ended) = timed(lose_later(&environment, lose, get(&at, &poll))).await;
        assert_eq!(ended["code"], serde_json::json!(code), "the poll");
        let status = timed(stream.message()).await.unwrap_err();
        assert_eq!(Fault::from_status(&status).unwrap().code, code, "the stream");
        let mut answer = String::new();
        timed(slow.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.contains(code), "the slow body: {answer}");
        let next = environment.client.clone().lookup(request(LookupRequest::default())).await;
        assert_eq!(code_of(into_result(next)), code);
    }
}

#[tokio::test]
async fn a_download_ends_with_the_token_of_its_call() {
    let mut environment = Environment::new().await;
    let at = environment.address.clone();
    let session = environment.open_session("one").await;
    let mut stream = environment.receive(&session, 0).await;
    let large = vec![7; 64 << 20];
    let id = environment.publish_delivery("m1", Body::Inline("x".into()), &[&large]).await;
    timed(stream.message()).await.unwrap().unwrap();
    let part = GetPartRequest {
        session: session.clone(),
        message_id: id.clone(),
        attachment: "0".to_owned(),
        offset: 0,
    };
    let mut chunks = environment.client.get_part(request(part)).await.unwrap().into_inner();
    let mut received = timed(chunks.message()).await.unwrap().unwrap().data.len();
    let mut socket = TcpStream::connect(&at).await.unwrap();
    let head = format!(
        "GET /v1/deliveries/{id}/parts/0?session={session} HTTP/1.1\r\nhost: gateway\r\n\
         authorization: Bearer token-a-app\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut over_http = vec![0; 100];
    timed(socket.read_exact(&mut over_http)).await.unwrap();
    assert!(over_http.starts_with(b"HTTP/1.1 200"));
    change(&environment, losses()[0].0).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let status = loop {
        match timed(chunks.message()).await {
            Ok(chunk) => received += chunk.unwrap().data.len(),
            Err(status) => break status,
        }
    };
    assert_eq!(Fault::from_status(&status).unwrap().code, "LT-GW-006");
    assert!(received < large.len(), "{received}");
    drop(timed(socket.read_to_end(&mut over_http)).await);
    assert!(over_http.len() < large.len(), "{}", over_http.len());
}
