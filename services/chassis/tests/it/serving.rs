//! Graceful shutdown and limits of the server.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use chassis::serve::{ServerLimits, serve};
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

#[tokio::test]
async fn connections_without_a_request_are_closed_and_do_not_delay_the_shutdown() {
    let app = Router::new().route("/", get(|| async { "xong" }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let mut working = JoinSet::new();
    let stop = shutdown.clone();
    let limits =
        ServerLimits { connections_max: 2, first_request_ms_max: 300, ..ServerLimits::default() };
    working.spawn(async move { serve(listener, app, limits, stop).await.unwrap() });
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let answer = tokio::time::timeout(LIMIT, get_root(address)).await.unwrap().unwrap();
    assert!(answer.ends_with("xong"), "{answer}");
    for mut stream in silent {
        let ended = tokio::time::timeout(LIMIT, stream.read(&mut [0; 1])).await.unwrap();
        assert!(matches!(ended, Ok(0) | Err(_)), "it was closed: {ended:?}");
    }
    // The maximum of connections is reached, so the listener waits: the shutdown must not.
    let _connections =
        [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), working.join_next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
