//! The operations over HTTP/1.1 with JSON, on the port of gRPC.

use bus::Body;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::environment::Environment;
use crate::waiting::timed;

/// Makes a call over a plain socket; the status and the body.
pub(crate) async fn call(address: &str, head: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let (head, body) = call_with(address, (head, ""), body).await;
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
}

/// Makes a call with these header lines; the head of the response in lower case, and its body.
pub(crate) async fn call_with(
    address: &str,
    (head, lines): (&str, &str),
    body: &[u8],
) -> (String, Vec<u8>) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{head} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\nauthorization: Bearer \
         token-a-app\r\n{lines}content-length: {length}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    // The server may refuse and close the connection before it has read a long body.
    drop(socket.write_all(body).await);
    let mut answer = Vec::new();
    timed(socket.read_to_end(&mut answer)).await.unwrap();
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
    let rest = &answer[end + 4..];
    let is_chunked = head.contains("transfer-encoding: chunked");
    let rest = if is_chunked { unchunk(rest) } else { rest.to_vec() };
    (head, rest)
}

/// The content of a chunked body.
fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let end = rest.windows(2).position(|it| it == b"\r\n").unwrap();
        let size = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return content;
        }
        content.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
}

fn json_of((status, body): (u16, Vec<u8>)) -> (u16, Value) {
    (status, serde_json::from_slice(&body).unwrap())
}

pub(crate) async fn get(address: &str, path: &str) -> (u16, Value) {
    json_of(call(address, &format!("GET {path}"), b"").await)
}

pub(crate) async fn post(address: &str, path: &str, body: &Value) -> (u16, Value) {
    json_of(call(address, &format!("POST {path}"), body.to_string().as_bytes()).await)
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

pub(crate) async fn open_session(address: &str) -> String {
    let (_, hello) = post(address, "/v1/hello", &json!({ "adapter": "php" })).await;
    hello["session"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_item_is_uploaded_submitted_and_tracked_over_http_as_over_grpc() {
    let environment = Environment::new().await;
    let at = environment.address.as_str();
    let file = b"a scanned page";
    let sha256 = bus::Claim::from_content(file).sha256_hex();
    let part = format!("/v1/parts/scan?offset=0&size={}&sha256={sha256}", file.len());
    let (status, put) = json_of(call(at, &format!("PUT {part}"), file).await);
    assert_eq!((status, &put["complete"]), (200, &json!(true)));
    assert_eq!(get(at, &part).await, (200, put));

    let item = json!({
        "key": "k1", "format": "plain", "inline": base64(b"native words"),
        "attachments": [{ "reference": "r", "part": "scan", "file_name": "scan.pdf" }],
    });
    let (status, submitted) = post(at, "/v1/submit", &item).await;
    assert_eq!(status, 200, "{submitted}");
    let receipt = &submitted["receipt"];
    assert_eq!(receipt["repeat"], json!(false));
    // The same content over gRPC is a repeat of what came over HTTP.
    let again = environment.submit("k1", b"native words").await.unwrap().receipt.unwrap();
    assert!(again.repeat);
    assert_eq!(json!(again.message_id), receipt["message_id"]);
    let (_, tracked) = get(at, "/v1/track?key=k1").await;
    assert_eq!(tracked["messages"][0]["receipt"]["message_id"], receipt["message_id"]);

    let plain =
        |key: &str, body: &[u8]| json!({ "key": key, "format": "plain", "inline": base64(body) });
    let batch = json!({ "items": [plain("k1", b"native words"), plain("k1", b"other words")] });
    let (status, several) = post(at, "/v1/submit-batch", &batch).await;
    assert_eq!(status, 200, "{several}");
    let results = &several["results"];
    assert_eq!(results[0]["submitted"]["receipt"]["message_id"], receipt["message_id"]);
    assert_eq!(results[1]["refused"]["fault"]["code"], json!("LT-JNL-001"));
    assert_ne!(results[1]["refused"]["remedy_vi"], json!(""));
}

#[tokio::test]
async fn a_delivery_is_received_read_and_settled_over_http() {
    let environment = Environment::new().await;
    let at = environment.address.as_str();
    let greeting = json!({ "protocol_versions": [1], "adapter": "php" });
    let (status, hello) = post(at, "/v1/hello", &greeting).await;
    assert_eq!((status, &hello["organisation"]), (200, &json!("a")));
    let session = hello["session"].as_str().unwrap();
    let receive = format!("/v1/receive?session={session}&wait_ms=10000&max=10");
    let claim = environment.claims.put("a large body".into()).await.unwrap();
    let id = environment.publish_delivery("m1", Body::Claim(claim), &[b"attached"]).await;
    let (_, received) = get(at, &receive).await;
    let delivery = &received["deliveries"][0];
    assert_eq!((&delivery["message_id"], &delivery["attempt"]), (&json!(id), &json!(1)));
    let parts = format!("GET /v1/deliveries/{id}/parts");
    let body = format!("GET /v1/deliveries/{id}/body?session={session}&offset=2");
    assert_eq!(call(at, &body, b"").await, (200, b"large body".to_vec()));
    let file = format!("{parts}/0?session={session}&offset=2");
    assert_eq!(call(at, &file, b"").await, (200, b"tached".to_vec()));

    let answer = json!({
        "session": session, "message_id": id, "lease": delivery["lease"],
        "taken": { "reference": "vb-1" },
    });
    let (status, settled) = post(at, "/v1/settle", &answer).await;
    assert_eq!(
        (status, &settled["state"], &settled["repeat"]),
        (200, &json!("TAKEN"), &json!(false))
    );
    let (_, settled) = post(at, "/v1/settle", &answer).await;
    assert_eq!(settled["repeat"], json!(true));
    let unknown = json!({ "message_id": "m", "lease": 1, "taken": {} });
    let batch = json!({ "items": [answer, unknown] });
    let (status, settled) = post(at, "/v1/settle-batch", &batch).await;
    assert_eq!((status, &settled["results"][0]["settled"]["repeat"]), (200, &json!(true)));
    let refused = &settled["results"][1];
    assert_eq!(refused["refused"]["fault"]["code"], json!("LT-EX-014"));
    for text in ["title_vi", "title_en", "remedy_vi", "remedy_en"] {
        assert_ne!(refused["refused"][text], json!(""), "{text}");
    }
}

#[tokio::test]
async fn a_long_poll_ends_with_the_first_delivery_or_its_time_limit() {
    let environment = Environment::new().await;
    let at = environment.address.as_str();
    let session = open_session(at).await;
    let poll = |wait: u32| format!("/v1/receive?session={session}&wait_ms={wait}");
    assert_eq!(get(at, &poll(10)).await, (200, json!({ "deliveries": [] })));
    let path = poll(20_000);
    let waiting = get(at, &path);
    let body = Body::Inline("x".into());
    let publishing = environment.publish_delivery("m1", body, &[]);
    let ((_, received), id) = tokio::join!(waiting, publishing);
    assert_eq!(received["deliveries"][0]["message_id"], json!(id));
    assert_eq!(received["deliveries"][0]["inline"], json!(base64(b"x")));
}

#[tokio::test]
async fn every_refusal_is_json_with_a_code_in_two_languages() {
    let environment = Environment::new().await;
    let at = environment.address.as_str();
    let (status, unknown) = get(at, "/v1/nothing").await;
    assert_eq!((status, &unknown["code"]), (404, &json!("LT-GW-008")));
    assert!(!unknown["title_vi"].as_str().unwrap().is_empty());
    assert_ne!(unknown["title_vi"], unknown["title_en"]);
    let (status, method) = json_of(call(at, "DELETE /v1/submit", b"").await);
    assert_eq!((status, &method["code"]), (405, &json!("LT-GW-009")));
    let (status, cut) = json_of(call(at, "POST /v1/submit", b"{\"key\":").await);
    assert_eq!((status, &cut["code"]), (400, &json!("LT-EX-011")));
    let (status, misspelled) = post(at, "/v1/submit", &json!({ "kee": "typo" })).await;
    assert_eq!((status, &misspelled["code"]), (400, &json!("LT-EX-011")));
    let item = json!({ "format": "plain", "inline": base64(b"refuse") });
    let (status, secret) = post(at, "/v1/submit", &item).await;
    assert_eq!((status, &secret["code"]), (403, &json!("LT-MAP-210")));
    assert_eq!(secret["violations"][0]["field"], json!("/Noi dung"));
    assert_eq!((&secret["reason"], &secret["retry"]), (&json!("FORBIDDEN"), &json!("never")));
    let (status, offset) = get(at, "/v1/parts/p?offset=7&size=9&sha256=zz").await;
    assert_eq!((status, &offset["code"]), (400, &json!("LT-EX-011")));
    let long = vec![b' '; 5 << 20];
    let (status, large) = json_of(call(at, "POST /v1/submit", &long).await);
    assert_eq!((status, &large["code"]), (413, &json!("LT-GW-001")));
}

#[tokio::test]
async fn a_wrong_token_is_refused_before_the_body_is_read() {
    let environment = Environment::new().await;
    let mut socket = TcpStream::connect(&environment.address).await.unwrap();
    let head = "POST /v1/submit HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer wrong\r\n\
                content-length: 4000000\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 64];
    timed(socket.read_exact(&mut answer)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_poll_takes_no_more_than_the_adapter_asked_for() {
    let environment = Environment::new().await;
    let at = environment.address.as_str();
    let session = open_session(at).await;
    let poll = format!("/v1/receive?session={session}&in_hand_max=1&max=10&wait_ms=10000");
    environment.publish_delivery("m1", Body::Inline("x".into()), &[]).await;
    environment.publish_delivery("m2", Body::Inline("x".into()), &[]).await;
    let (_, first) = get(at, &poll).await;
    assert_eq!(first["deliveries"].as_array().unwrap().len(), 1);
    let delivery = &first["deliveries"][0];
    let answer = json!({
        "session": session, "message_id": delivery["message_id"], "lease": delivery["lease"],
        "taken": { "reference": "vb-1" },
    });
    assert_eq!(post(at, "/v1/settle", &answer).await.0, 200);
    let (_, second) = get(at, &poll).await;
    assert_ne!(second["deliveries"][0]["message_id"], delivery["message_id"]);
}
