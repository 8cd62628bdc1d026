//! Sessions of adapters and pauses, on the real binary: who gets a message, and what operators see.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use lienthong_tests::packet::packet;
use lienthong_tests::roles::Roles;
use lienthong_tests::up::{Agency, Up, program, write_registry};
use proto::exchange::v1::exchange_client::ExchangeClient;
use proto::exchange::v1::settle_request::Answer;
use proto::exchange::v1::{HelloRequest, ReceiveRequest, SettleRequest, Taken};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{cluster, node};

const MOT: Agency = Agency { key: "mot", code: "A99.1", takes: "edxml.document" };
const HAI: Agency = Agency { key: "hai", code: "A99.2", takes: "edxml.document" };

/// The longest until another session has what was meant for one that went away.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Messages of a fair share.
const SHARED: usize = 200;

fn registry() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_registry(&folder.path().join("registry"), &[MOT, HAI]);
    folder
}

/// Starts a call over a connection of its own.
fn start_call(gateway: &str, key: &str, (method, path): (&str, &str), body: &str) -> TcpStream {
    let address = gateway.trim_start_matches("http://");
    let mut socket = TcpStream::connect(address).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer \
         {key}-token\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).unwrap();
    socket.write_all(body.as_bytes()).unwrap();
    socket
}

/// Status and answer of a call.
fn finish_call(mut socket: TcpStream) -> (u16, Value) {
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap())
}

fn call(gateway: &str, key: &str, line: (&str, &str), body: &Value) -> (u16, Value) {
    finish_call(start_call(gateway, key, line, &body.to_string()))
}

fn hello(gateway: &str, adapter: &str) -> String {
    let body = json!({ "adapter": adapter, "adapter_version": "1.2" });
    let (status, answer) = call(gateway, "hai", ("POST", "/v1/hello"), &body);
    assert_eq!(status, 200, "{answer}");
    answer["session"].as_str().unwrap().to_owned()
}

fn poll_path(session: &str, wait_ms: u32) -> String {
    format!("/v1/receive?session={session}&wait_ms={wait_ms}")
}

fn poll(gateway: &str, session: &str, wait_ms: u32) -> Vec<Value> {
    let path = poll_path(session, wait_ms);
    let (status, answer) = call(gateway, "hai", ("GET", &path), &Value::Null);
    assert_eq!(status, 200, "{answer}");
    answer["deliveries"].as_array().unwrap().clone()
}

fn settle(gateway: &str, session: &str, delivery: &Value) {
    let body = json!({
        "session": session, "message_id": delivery["message_id"], "lease": delivery["lease"],
        "taken": { "reference": "" },
    });
    let (status, answer) = call(gateway, "hai", ("POST", "/v1/settle"), &body);
    assert_eq!(status, 200, "{answer}");
}

/// Sends documents with these numbers, each in a conversation of its own.
fn send(gateway: &str, numbers: std::ops::Range<usize>) {
    let item = |number: usize| {
        let body = base64_simd::STANDARD.encode_to_string(packet(number, &MOT, &HAI));
        json!({ "format": "edxml.document", "inline": body })
    };
    let items: Vec<_> = numbers.map(item).collect();
    let body = json!({ "items": items });
    let (status, answer) = call(gateway, "mot", ("POST", "/v1/submit-batch"), &body);
    let is_taken = |it: &Value| it["submitted"]["receipt"]["message_id"].is_string();
    let results = answer["results"].as_array().cloned().unwrap_or_default();
    assert!(status == 200 && results.iter().all(is_taken), "{answer}");
}

/// Runs a command for operators: its JSON and its exit code.
fn operate(internal: &str, token: &Path, arguments: &[&str]) -> (Value, i32) {
    let output = Command::new(program())
        .args(arguments)
        .args(["--json", "--internal", internal, "--internal-token-file"])
        .arg(token)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{arguments:?}: {output:?}"));
    (value, output.status.code().unwrap_or(-1))
}

fn eventually(limit: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + limit;
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_was_meant_for_a_client_that_stopped_asking_goes_to_another_session_at_once() {
    let folder = registry();
    let up = Up::start(folder.path(), &[]);
    let gateway = up.gateway();
    let (silent, second) = (hello(&gateway, "silent"), hello(&gateway, "second"));
    // It polls once and then never again; its connection is closed by the server.
    assert!(poll(&gateway, &silent, 0).is_empty());
    // It polls, and its connection is closed meanwhile.
    let broken = hello(&gateway, "broken");
    let socket = start_call(&gateway, "hai", ("GET", &poll_path(&broken, 30_000)), "");
    sleep(Duration::from_millis(300));
    drop(socket);
    for number in 0..5 {
        send(&gateway, number..number + 1);
        let begun = Instant::now();
        let deliveries = poll(&gateway, &second, 5_000);
        assert_eq!(deliveries.len(), 1, "after {:?}", begun.elapsed());
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
        settle(&gateway, &second, &deliveries[0]);
    }
}

/// Receives by polls until all have had their share; how many this one had.
fn work_by_polls(gateway: &str, adapter: &str, received: &AtomicUsize, until: usize) -> usize {
    let session = hello(gateway, adapter);
    let mut own = 0;
    while received.load(Ordering::SeqCst) < until {
        for delivery in poll(gateway, &session, 500) {
            sleep(Duration::from_millis(10));
            settle(gateway, &session, &delivery);
            received.fetch_add(1, Ordering::SeqCst);
            own += 1;
        }
    }
    own
}

/// The same over a stream.
fn work_by_stream(gateway: &str, adapter: &str, received: &AtomicUsize, until: usize) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = ExchangeClient::connect(gateway.to_owned()).await.unwrap();
        let hello = HelloRequest { adapter: adapter.to_owned(), ..HelloRequest::default() };
        let session = client.hello(authorized(hello)).await.unwrap().into_inner().session;
        let receive = ReceiveRequest { session: session.clone(), in_hand_max: 4 };
        let mut stream = client.receive(authorized(receive)).await.unwrap().into_inner();
        let mut own = 0;
        while received.load(Ordering::SeqCst) < until {
            let next = tokio::time::timeout(Duration::from_millis(500), stream.message()).await;
            let Ok(next) = next else { continue };
            let delivery = next.unwrap().unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
            let settle = SettleRequest {
                session: session.clone(),
                message_id: delivery.message_id,
                lease: delivery.lease,
                answer: Some(Answer::Taken(Taken::default())),
            };
            client.settle(authorized(settle)).await.unwrap();
            received.fetch_add(1, Ordering::SeqCst);
            own += 1;
        }
        own
    })
}

fn authorized<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("authorization", "Bearer hai-token".parse().unwrap());
    request
}

type Work = fn(&str, &str, &AtomicUsize, usize) -> usize;

#[test]
fn two_sessions_of_one_application_share_its_messages() {
    let folder = registry();
    let up = Up::start(folder.path(), &[]);
    let gateway = up.gateway();
    let pairs: [(&str, Work, Work); 3] = [
        ("two polls", work_by_polls, work_by_polls),
        ("two streams", work_by_stream, work_by_stream),
        ("a stream and a poll", work_by_stream, work_by_polls),
    ];
    for (index, (name, first, second)) in pairs.into_iter().enumerate() {
        let received = AtomicUsize::new(0);
        let (gateway, received) = (&gateway, &received);
        let (one, two) = scope(|scope| {
            let one = scope.spawn(move || first(gateway, "one", received, SHARED));
            let two = scope.spawn(move || second(gateway, "two", received, SHARED));
            sleep(Duration::from_millis(300));
            send(gateway, index * SHARED..(index + 1) * SHARED);
            (one.join().unwrap(), two.join().unwrap())
        });
        println!("{name}: {one} and {two}");
        assert_eq!(one + two, SHARED, "{name}");
        assert!(one.min(two) >= SHARED / 3, "{name}: {one} and {two}");
    }
}

#[test]
fn operators_see_sessions_and_end_them() {
    let folder = registry();
    let up = Up::start(folder.path(), &[]);
    let (gateway, token) = (up.gateway(), up.token_file());
    let run = |arguments: &[&str]| operate(&up.internal(), &token, arguments);
    assert_eq!(run(&["sessions"]).0["sessions"], json!([]));
    let session = hello(&gateway, "vanthu-1");
    send(&gateway, 0..1);
    let delivery = poll(&gateway, &session, 5_000).remove(0);
    let (listed, code) = run(&["sessions", "--application", "hai-app"]);
    assert_eq!(code, 0, "{listed}");
    let of = &listed["sessions"][0];
    for (field, expected) in [
        ("id", json!(session)),
        ("application", json!("hai-app")),
        ("adapter", json!("vanthu-1")),
        ("adapter_version", json!("1.2")),
        ("address", json!("127.0.0.1")),
        ("in_flight", json!(1)),
        ("asking", json!("not_asking")),
        ("held", json!(true)),
    ] {
        assert_eq!(of[field], expected, "{field} of {listed}");
    }
    let id = delivery["message_id"].as_str().unwrap();
    let (trace, _) = run(&["trace", id]);
    let text = trace.to_string();
    assert!(text.contains("vanthu-1") && text.contains("lease_until"), "{trace}");

    assert_eq!(run(&["sessions", "end", "ffff"]).1, 4);
    let (ended, code) = run(&["sessions", "end", session.get(..30).unwrap(), "--reason", "treo"]);
    assert_eq!((code, &ended["ended"][0]["id"]), (0, &json!(session)), "{ended}");
    let path = poll_path(&session, 0);
    let (status, answer) = call(&gateway, "hai", ("GET", &path), &Value::Null);
    assert_eq!(answer["code"], "LT-JNL-004", "{status} {answer}");
    // The receiver can be asked or not: what it had in flight is not lost.
    let (sessions, _) = run(&["sessions"]);
    assert_eq!(sessions["sessions"], json!([]));
}

/// Pauses a target, and checks that messages wait, visibly, until it is resumed.
fn check_pause((gateway, internal): (&str, &str), token: &Path, (target, number): (&str, usize)) {
    let run = |arguments: &[&str]| operate(internal, token, arguments);
    let session = hello(gateway, "poller");
    let (paused, code) = run(&["pause", target, "--reason", "nâng cấp", "--actor", "chị Hoa"]);
    assert_eq!((code, &paused["paused"]["reason"]), (0, &json!("nâng cấp")), "{paused}");
    sleep(AT_ONCE);
    send(gateway, number..number + 1);
    assert!(poll(gateway, &session, 2_000).is_empty(), "{target} is paused");
    let (status, _) = run(&["status"]);
    let pause = &status["pauses"][0];
    assert_eq!((&pause["actor"], &pause["reason"]), (&json!("chị Hoa"), &json!("nâng cấp")));
    let waiting = |it: &Value| it["waiting"] == json!(1);
    assert!(status["channels"].as_array().unwrap().iter().any(waiting), "{status}");
    let (found, _) = run(&["find", &format!("{number}/CV-TU")]);
    assert!(found.to_string().contains("chị Hoa"), "{found}");
    let (resumed, code) = run(&["resume", target, "--reason", "xong"]);
    assert_eq!(code, 0, "{resumed}");
    let begun = Instant::now();
    let mut deliveries = Vec::new();
    while deliveries.is_empty() && begun.elapsed() < 3 * AT_ONCE {
        deliveries = poll(gateway, &session, 1_000);
    }
    assert_eq!(deliveries.len(), 1, "{target} was resumed");
    assert!(begun.elapsed() < 2 * AT_ONCE, "{target}: {:?}", begun.elapsed());
    settle(gateway, &session, &deliveries[0]);
    assert_eq!(run(&["resume", target, "--reason", "xong"]).1, 4, "it is not paused any more");
}

#[test]
fn a_pause_holds_until_it_is_resumed_also_over_a_restart() {
    let folder = registry();
    let mut up = Up::start(folder.path(), &[]);
    let (gateway, internal, token) = (up.gateway(), up.internal(), up.token_file());
    for (number, target) in ["hai-app", "organisation:hai", "A99.2", "intake"].iter().enumerate() {
        check_pause((&gateway, &internal), &token, (target, number + 1));
    }
    let run = |arguments: &[&str]| operate(&internal, &token, arguments);
    for target in ["không-có", "intake.99", "application:hai"] {
        let (refused, code) = run(&["pause", target, "--reason", "x"]);
        assert_eq!(refused["error"]["code"], "LT-OPS-002", "{code} {refused}");
    }
    let (_, code) = run(&["pause", "hai-app", "--reason", "nâng cấp"]);
    assert_eq!(code, 0);
    send(&gateway, 50..51);
    up.kill();
    up.restart();
    let session = hello(&gateway, "poller");
    assert!(poll(&gateway, &session, 2_000).is_empty(), "paused before the restart");
    assert_eq!(run(&["resume", "hai-app", "--reason", "xong"]).1, 0);
    eventually(3 * AT_ONCE, "resumed", || !poll(&gateway, &session, 500).is_empty());
}

#[test]
fn separate_roles_answer_operators_and_a_dead_gateway_leaves_no_living_session() {
    let folder = registry();
    let (node, database) = (node::Node::start(1), cluster::database());
    let mut roles = Roles::start(folder.path(), (&node.url(0), &database), &[]);
    let (gateway, internal, token) =
        (roles.gateway(), roles.operated_addresses(), roles.token_file());
    let run = |arguments: &[&str]| operate(&internal, &token, arguments);
    assert_eq!(run(&["status"]).1, 0);
    let (status, code) = run(&["status", "--test"]);
    let names = |of: &Value| -> Vec<String> {
        let roles = of["roles"].as_array().unwrap();
        roles.iter().map(|it| it["role"].as_str().unwrap().to_owned()).collect()
    };
    let mut roles_named = names(&status);
    roles_named.sort();
    assert_eq!(roles_named, ["gateway", "journal", "mapping", "registry"]);
    let links = status["connections"].as_array().unwrap();
    let broken: Vec<_> = links.iter().filter(|it| it["ok"] == json!(false)).collect();
    assert_eq!((code, links.len(), broken.len()), (0, 12, 0), "{status}");
    for (number, target) in ["hai-app", "intake"].iter().enumerate() {
        check_pause((&gateway, &internal), &token, (target, number + 1));
    }
    let session = hello(&gateway, "vanthu-1");
    let (listed, code) = run(&["sessions"]);
    let of = |listed: &Value| -> Value {
        let sessions = listed["sessions"].as_array().unwrap();
        sessions.iter().find(|it| it["id"] == json!(session)).cloned().unwrap_or_default()
    };
    assert_eq!((code, &of(&listed)["held"]), (0, &json!(true)), "{listed}");

    roles.kill("gateway");
    let (listed, code) = run(&["sessions"]);
    assert_eq!((code, &of(&listed)["held"]), (8, &json!(false)), "{listed}");
    assert_eq!(listed["no_answer"].as_array().unwrap().len(), 1, "{listed}");
    let (status, code) = run(&["status"]);
    assert_eq!((code, names(&status).len()), (8, 3), "{status}");
    roles.restart("gateway");
    let (listed, code) = run(&["sessions"]);
    assert_eq!((code, &of(&listed)["held"]), (0, &json!(false)), "{listed}");
    assert_eq!(run(&["sessions", "end", &session]).1, 0);
    assert_eq!(of(&run(&["sessions"]).0), Value::Null);
}
