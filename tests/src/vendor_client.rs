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
        let mut socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nauthorization: Bearer \
             {}\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        );
        socket.write_all(request.as_bytes()).unwrap();
        socket
    }

    /// Makes a call: its status and its JSON.
    ///
    /// # Panics
    ///
    /// The answer is not HTTP with JSON.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut socket = self.begin(method, path, &body);
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap())
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
