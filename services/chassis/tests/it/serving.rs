//! Graceful shutdown and limits of the server.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use chassis::serve::{ServedConnection, ServerLimits, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(20);

async fn get_root(address: std::net::SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn an_open_request_is_answered_after_the_shutdown() {
    let (entered, go_on) = (std::sync::Arc::new(Notify::new()), std::sync::Arc::new(Notify::new()));
    let (inside, wait) = (entered.clone(), go_on.clone());
    let app = Router::new().route(
        "/",
        get(move || async move {
            inside.notify_one();
            wait.notified().await;
            "xong"
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let mut working = JoinSet::new();
    let stop = shutdown.clone();
    working
        .spawn(async move { serve(listener, app, ServerLimits::default(), stop).await.unwrap() });
    let mut asking = JoinSet::new();
    asking.spawn(async move { get_root(address).await.unwrap() });
    tokio::time::timeout(LIMIT, entered.notified()).await.unwrap();
    shutdown.cancel();
    go_on.notify_one();
    let answer = tokio::time::timeout(LIMIT, asking.join_next()).await.unwrap().unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("xong"), "{answer}");
    tokio::time::timeout(LIMIT, working.join_next()).await.unwrap().unwrap().unwrap();
    assert!(get_root(address).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn an_open_request_is_aborted_at_the_time_limit() {
    let entered = std::sync::Arc::new(Notify::new());
    let inside = entered.clone();
    let app = Router::new().route(
        "/",
        get(move || async move {
            inside.notify_one();
            std::future::pending::<String>().await
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let (mut working, mut asking) = (JoinSet::new(), JoinSet::new());
    let stop = shutdown.clone();
    let limits = ServerLimits { drain_ms_max: 50, ..ServerLimits::default() };
    working.spawn(async move { serve(listener, app, limits, stop).await.unwrap() });
    asking.spawn(async move { get_root(address).await });
    tokio::time::timeout(LIMIT, entered.notified()).await.unwrap();
    shutdown.cancel();
    tokio::time::timeout(LIMIT, working.join_next()).await.unwrap().unwrap().unwrap();
}

/// A server of these limits on a free port; dropping the set ends it.
async fn serve_root(
    limits: ServerLimits,
) -> (std::net::SocketAddr, CancellationToken, JoinSet<()>) {
    let app = Router::new()
        .route("/", get(|| async { "xong" }))
        .route("/large", get(|| async { vec![7_u8; 64 << 20] }))
        .route(
            "/known",
            get(|connection: axum::Extension<ServedConnection>| async move {
                connection.authenticate("a").to_string()
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (shutdown, mut working) = (CancellationToken::new(), JoinSet::new());
    let stop = shutdown.clone();
    working.spawn(async move { serve(listener, app, limits, stop).await.unwrap() });
    (address, shutdown, working)
}

async fn read_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(LIMIT, stream.read_to_end(&mut rest)).await;
    ended.unwrap().unwrap_or_default();
}

#[tokio::test]
async fn connections_without_a_request_delay_neither_a_newcomer_nor_the_shutdown() {
    let limits = ServerLimits { unauthenticated_max: 50, ..ServerLimits::default() };
    let (address, shutdown, mut working) = serve_root(limits).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let started = std::time::Instant::now();
    let answer = tokio::time::timeout(LIMIT, get_root(address)).await.unwrap().unwrap();
    assert!(answer.ends_with("xong"), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(2), "it waited {:?}", started.elapsed());
    for stream in silent.iter_mut().take(150) {
        read_end(stream).await;
    }
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), working.join_next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn headers_that_come_slowly_and_responses_that_are_not_read_end_their_connection() {
    let limits =
        ServerLimits { first_request_ms_max: 400, unread_ms_max: 400, ..ServerLimits::default() };
    let (address, _shutdown, _working) = serve_root(limits).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost").await.unwrap();
    let mut unread = TcpStream::connect(address).await.unwrap();
    unread.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    for stream in [&mut silent, &mut slow, &mut idle] {
        read_end(stream).await;
    }
    let mut read = Vec::new();
    drop(tokio::time::timeout(LIMIT, unread.read_to_end(&mut read)).await.unwrap());
    assert!(read.len() < 64 << 20, "the rest was not kept for it");
}

#[tokio::test]
async fn an_authenticated_connection_has_another_time_limit() {
    let limits =
        ServerLimits { first_request_ms_max: 10_000, idle_ms_max: 300, ..ServerLimits::default() };
    let (address, _shutdown, _working) = serve_root(limits).await;
    let mut known = TcpStream::connect(address).await.unwrap();
    known.write_all(b"GET /known HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let read = known.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(5), read).await.unwrap().unwrap();
    assert!(answer.ends_with("true"), "{answer}");
}
