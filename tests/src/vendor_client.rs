//! An application as a vendor without an SDK writes it: one HTTP call after another, in JSON.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// An application's calls over HTTP/1.1.
#[derive(Clone, Debug)]
pub struct VendorClient {
    /// Host and port of the gateway.
    address: String,
    token: String,
}

impl VendorClient {
    /// A client of the gateway at this URL (`http://…`), with an application's token.
    pub fn new(gateway: &str, token: impl Into<String>) -> Self {
        let address = gateway.trim_start_matches("http://").to_owned();
        Self { address, token: token.into() }
    }

    /// Sends a request and leaves its connection open: the answer is not read.
    ///
    /// # Panics
    ///
    /// The gateway cannot be reached.
    pub fn begin(&self, method: &str, path: &str, body: &str) -> TcpStream {
        self.connect(method, path, body).unwrap()
    }

    fn connect(&self, method: &str, path: &str, body: &str) -> Option<TcpStream> {
        let mut socket = TcpStream::connect(&self.address).ok()?;
        socket.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nauthorization: Bearer \
             {}\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        );
        socket.write_all(request.as_bytes()).ok()?;
        Some(socket)
    }

    /// Makes a call: its status and its JSON.
    ///
    /// # Panics
    ///
    /// The answer is not HTTP with JSON.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.try_call(method, path, body).unwrap()
    }

    /// Makes a call that may fail on its way: its status and its JSON.
    pub fn try_call(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, content) = self.exchange(method, path, &body)?;
        Some((status, serde_json::from_slice(&content).ok()?))
    }

    /// Downloads bytes; none when the call fails.
    pub fn try_bytes(&self, method: &str, path: &str) -> Option<Vec<u8>> {
        let (status, content) = self.exchange(method, path, "")?;
        (status == 200).then_some(content)
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> Option<(u16, Vec<u8>)> {
        let mut socket = self.connect(method, path, body)?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|it| it == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&answer[..end]).ok()?.to_ascii_lowercase();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let content = &answer[end + 4..];
        let is_chunked = head.contains("transfer-encoding: chunked");
        Some((status, if is_chunked { unchunk(content)? } else { content.to_vec() }))
    }

    /// Makes a call that must succeed.
    ///
    /// # Panics
    ///
    /// It fails.
    pub fn expect(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call(method, path, body);
        assert_eq!(status, 200, "{method} {path}: {answer:#}");
        answer
    }

    /// Opens a session for an adapter of this name.
    ///
    /// # Panics
    ///
    /// It is refused.
    pub fn hello(&self, adapter: &str) -> String {
        let opened = self.expect("POST", "/v1/hello", &json!({ "adapter": adapter }));
        opened["session"].as_str().unwrap().to_owned()
    }

    /// Polls once; the first delivery.
    ///
    /// # Panics
    ///
    /// The poll is refused.
    pub fn poll(&self, session: &str, wait: Duration) -> Option<Value> {
        let path = format!("/v1/receive?session={session}&wait_ms={}", wait.as_millis());
        self.expect("GET", &path, &Value::Null)["deliveries"].get(0).cloned()
    }

    /// Polls until a delivery comes.
    ///
    /// # Panics
    ///
    /// None comes within 30 s.
    pub fn receive(&self, session: &str) -> Value {
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(delivery) = self.poll(session, Duration::from_secs(2)) {
                return delivery;
            }
            assert!(Instant::now() < limit, "nothing was delivered within 30 s");
        }
    }

    /// Settles a delivery with an answer, such as `{"taken": {}}`.
    ///
    /// # Panics
    ///
    /// The answer is not accepted.
    pub fn settle(&self, session: &str, delivery: &Value, answer: &Value) {
        let mut body = answer.clone();
        body["session"] = json!(session);
        body["message_id"] = delivery["message_id"].clone();
        body["lease"] = delivery["lease"].clone();
        self.expect("POST", "/v1/settle", &body);
    }
}

/// The content of a body in chunks (RFC 9112, section 7.1); none when the last one is missing.
fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let end = rest.windows(2).position(|it| it == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(content);
        }
        let chunk = rest.get(end + 2..end + 2 + size)?;
        content.extend_from_slice(chunk);
        rest = rest.get(end + 4 + size..)?;
    }
}
