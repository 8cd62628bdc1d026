//! A stop takes seconds under load, and the health pages answer before, during and without a start.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use adapter_sample::SampleApplication;
use lienthong_tests::guarded::Guarded;
use lienthong_tests::up::{
    Agency, Up, http_get, program, unused_port, wait_for_port, write_registry,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::crash::{UNLIMITED, connect, gated_application, item};

const AGENCIES: [Agency; 2] = [
    Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" },
    Agency { key: "hai", code: "A99.2", takes: "ioffice.portal" },
];

/// Waits until the condition holds, at most `limit`.
async fn until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + limit;
    while !is_so() {
        assert!(Instant::now() < limit, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_traffic_takes_seconds_and_exits_with_0() {
    let folder = tempfile::tempdir().unwrap();
    write_registry(&folder.path().join("registry"), &AGENCIES);
    let mut up = Up::start(folder.path(), &[]);
    let (mut working, stop) = (JoinSet::new(), CancellationToken::new());
    let (sender, receiver) = (SampleApplication::new(), SampleApplication::new());
    connect(
        (up.gateway(), "mot"),
        &gated_application("mot", &sender, UNLIMITED),
        (&mut working, &stop),
    );
    connect(
        (up.gateway(), "hai"),
        &gated_application("hai", &receiver, UNLIMITED),
        (&mut working, &stop),
    );
    let mut sending = JoinSet::new();
    let post = sender.clone();
    sending.spawn(async move {
        for number in 0.. {
            drop(post.send(item(number)).await);
        }
    });
    receiver.watch().wait_for(|it| it.len() >= 20).await.unwrap();
    up.signal("TERM");
    let mut status = None;
    until("the end", Duration::from_secs(8), || {
        status = up.ended();
        status.is_some()
    })
    .await;
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert_eq!(status.unwrap().code(), Some(0), "{log}");
    assert!(!log.contains("cut off"), "{log}");
    sending.shutdown().await;
    stop.cancel();
    working.shutdown().await;
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once() {
    let folder = tempfile::tempdir().unwrap();
    write_registry(&folder.path().join("registry"), &AGENCIES);
    let mut up = Up::start(folder.path(), &[]);
    // A request without its body keeps the drain waiting.
    let mut open = TcpStream::connect(up.gateway().trim_start_matches("http://")).unwrap();
    let head = "POST /v1/submit HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer mot-token\r\n\
                Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";
    open.write_all(head.as_bytes()).unwrap();
    let port = up.ops_port();
    up.signal("TERM");
    let draining = || http_get(port, "/readyz").is_some_and(|it| it.contains("draining"));
    until("draining", Duration::from_secs(5), draining).await;
    assert!(up.ended().is_none(), "it waits for the open request");
    up.signal("TERM");
    let mut status = None;
    until("the end", Duration::from_secs(2), || {
        status = up.ended();
        status.is_some()
    })
    .await;
    assert_eq!(status.unwrap().code(), Some(130));
}

#[tokio::test]
async fn without_a_broker_health_answers_and_settings_of_the_environment_apply() {
    let folder = tempfile::tempdir().unwrap();
    write_registry(&folder.path().join("registry"), &AGENCIES);
    let token = folder.path().join("elsewhere.token");
    std::fs::write(&token, "a token of this test\n").unwrap();
    let mut command = Command::new(program());
    command
        .args(["up", "--data"])
        .arg(folder.path())
        .env("LIENTHONG__LISTEN__VENDORS", "127.0.0.1:0")
        .env("LIENTHONG__LISTEN__INTERNAL", "127.0.0.1:0")
        .env("LIENTHONG__LISTEN__OPS", "127.0.0.1:0")
        .env("LIENTHONG__LISTEN__INTERNAL_TOKEN_FILE", &token)
        .env("LIENTHONG__JOURNAL__DATABASE", folder.path().join("other.sqlite"))
        .env("LIENTHONG__BUS__URL", format!("amqp://127.0.0.1:{}/%2f", unused_port()));
    let log = folder.path().join("log");
    let mut running = Guarded::spawn(&command, &log);
    let ops = wait_for_port("up", "ops", (&mut running, &log));
    let reason = || http_get(ops, "/readyz").filter(|it| it.contains("broker"));
    until("the reason in /readyz", Duration::from_secs(30), || reason().is_some()).await;
    let words = reason().unwrap();
    assert!(words.starts_with("HTTP/1.1 503") && words.contains("\nstart: "), "{words}");
    assert!(http_get(ops, "/livez").unwrap().starts_with("HTTP/1.1 200"));
    // The configured token is used, so `up` makes no token of its own in the data folder.
    assert!(!folder.path().join("internal.token").exists(), "a second token was made");
    running.signal("TERM");
    until("the end", Duration::from_secs(5), || running.ended().is_some()).await;
}

#[test]
#[should_panic(expected = "up ended: ")]
fn a_process_that_cannot_start_is_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    write_registry(&folder.path().join("registry"), &AGENCIES);
    Up::start(folder.path(), &[("LIENTHONG__BUS__PARTITIONS", "0")]);
}
