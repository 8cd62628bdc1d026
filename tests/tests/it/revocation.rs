//! A token that is taken out of the registry's folder ends what it has open within 8 s.

use std::time::{Duration, Instant};

use lienthong_tests::up::{Agency, Up, write_registry};
use proto::exchange::v1::exchange_client::ExchangeClient;
use proto::exchange::v1::{HelloRequest, LookupRequest, ReceiveRequest};
use proto::fault::v1::Fault;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Request;

const AGENCIES: [Agency; 3] = [
    Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" },
    Agency { key: "hai", code: "A99.2", takes: "ioffice.portal" },
    Agency { key: "ba", code: "A99.3", takes: "ioffice.portal" },
];
const LIMIT: Duration = Duration::from_secs(8);

fn with_token<T>(agency: &Agency, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let token = format!("Bearer {}-token", agency.key).parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    request
}

/// Begins a call over HTTP and leaves it open.
async fn begin(gateway: &str, head: &str) -> TcpStream {
    let address = gateway.trim_start_matches("http://");
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!("{head}\r\nhost: a\r\nauthorization: Bearer mot-token\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

async fn answer(socket: &mut TcpStream) -> String {
    let mut answer = String::new();
    let reading = socket.read_to_string(&mut answer);
    tokio::time::timeout(LIMIT, reading).await.unwrap().unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_taken_out_of_the_registry_ends_its_calls() {
    let folder = tempfile::tempdir().unwrap();
    let registry = folder.path().join("registry");
    write_registry(&registry, &AGENCIES);
    let up = Up::start(folder.path(), &[]);
    let mut client = ExchangeClient::connect(up.gateway()).await.unwrap();
    let mut sessions = Vec::new();
    for (agency, adapter) in
        [(&AGENCIES[0], "stream"), (&AGENCIES[0], "poll"), (&AGENCIES[1], "stream")]
    {
        let hello = HelloRequest { adapter: adapter.to_owned(), ..HelloRequest::default() };
        let opened = client.hello(with_token(agency, hello)).await.unwrap().into_inner();
        sessions.push(opened.session);
    }
    let receive = |index: usize| ReceiveRequest {
        session: sessions[index].clone(),
        ..ReceiveRequest::default()
    };
    let call = with_token(&AGENCIES[0], receive(0));
    let mut stream = client.receive(call).await.unwrap().into_inner();
    let call = with_token(&AGENCIES[1], receive(2));
    let mut other = client.receive(call).await.unwrap().into_inner();
    let gateway = up.gateway();
    let poll = format!(
        "GET /v1/receive?session={}&wait_ms=30000 HTTP/1.1\r\nconnection: close",
        sessions[1]
    );
    let mut poll = begin(&gateway, &poll).await;
    let mut upload =
        begin(&gateway, "PUT /v1/parts/p?offset=0&size=9&sha256=0 HTTP/1.1\r\ncontent-length: 9")
            .await;

    let file = registry.join("registry.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|it| it.contains("token_sha256")).unwrap().to_owned();
    let begun = Instant::now();
    std::fs::write(&file, text.replacen(&line, "    token_sha256: []", 1)).unwrap();
    let ended = tokio::time::timeout(LIMIT, stream.message()).await.unwrap().unwrap_err();
    assert_eq!(Fault::from_status(&ended).unwrap().code, "LT-GW-006");
    for socket in [&mut poll, &mut upload] {
        let answer = answer(socket).await;
        assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("LT-GW-006"), "{answer}");
    }
    assert!(begun.elapsed() < LIMIT, "it took {:?}", begun.elapsed());
    let refused = client.lookup(with_token(&AGENCIES[0], LookupRequest::default())).await;
    assert_eq!(refused.unwrap_err().code(), tonic::Code::Unauthenticated);
    client.lookup(with_token(&AGENCIES[1], LookupRequest::default())).await.unwrap();
    let still_open = tokio::time::timeout(Duration::from_millis(100), other.message()).await;
    assert!(still_open.is_err(), "the other application's stream goes on: {still_open:?}");
}
