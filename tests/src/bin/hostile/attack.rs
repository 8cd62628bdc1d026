//! Ten hostile clients, each from a loopback address of its own and with a token of its own: slow
//! bodies, idle and stalled connections, and loops of refused calls.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use proto::exchange::v1::exchange_client::ExchangeClient;
use proto::exchange::v1::{HelloRequest, ReceiveRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tonic::Request;

/// Hostile clients; the first one has the address 127.0.0.2.
pub(crate) const CLIENTS: u8 = 10;

/// What each client does at a time.
const SLOW_BODIES: usize = 100;
const IDLE_CONNECTIONS: usize = 110;
const STALLED_CONNECTIONS: usize = 4;
/// Streams of each stalled connection that are never read.
const STALLED_STREAMS: usize = 25;
/// Pause before a connection that ended is opened again: about 100 a second of each client.
const PAUSE: Duration = Duration::from_secs(2);
/// Refused calls a second of each client.
const REFUSED_PER_SECOND: u32 = 100;

/// How much was done so far.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) connections: AtomicUsize,
    pub(crate) refused: AtomicUsize,
    pub(crate) stalled_streams: AtomicUsize,
}

/// One hostile client.
#[derive(Clone)]
struct Client {
    from: IpAddr,
    gateway: SocketAddr,
    token: String,
    done: Arc<Done>,
}

/// Attacks until it is dropped. `token` gives the token of a client.
pub(crate) fn attack(
    gateway: SocketAddr,
    token: impl Fn(u8) -> String,
    done: &Arc<Done>,
) -> JoinSet<()> {
    let mut working = JoinSet::new();
    for number in 0..CLIENTS {
        let client = Client {
            from: Ipv4Addr::new(127, 0, 0, 2 + number).into(),
            gateway,
            token: token(number),
            done: done.clone(),
        };
        let each = |kind, count| std::iter::repeat_n(kind, count);
        let kinds = each(Kind::SlowBody, SLOW_BODIES)
            .chain(each(Kind::Idle, IDLE_CONNECTIONS))
            .chain((0..STALLED_CONNECTIONS).map(Kind::Stalled))
            .chain([Kind::Refused]);
        for kind in kinds {
            working.spawn(client.clone().repeat(kind));
        }
    }
    working
}

/// What is done over one connection.
#[derive(Clone, Copy, Debug)]
enum Kind {
    SlowBody,
    Idle,
    Stalled(usize),
    Refused,
}

impl Client {
    /// Does it over and over; each time it ends when the gateway closes its connection.
    async fn repeat(self, kind: Kind) {
        loop {
            let ended = match kind {
                Kind::SlowBody => self.send_slowly().await,
                Kind::Idle => self.stay_idle().await,
                Kind::Stalled(index) => self.stall(index).await,
                Kind::Refused => self.repeat_refused().await,
            };
            // The attacker does not care why its connection ended.
            drop(ended);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(self.from, 0))?;
        let stream = socket.connect(self.gateway).await?;
        self.done.connections.fetch_add(1, Ordering::Relaxed);
        Ok(stream)
    }

    /// Sends a byte of a body every two seconds.
    async fn send_slowly(&self) -> std::io::Result<()> {
        let mut stream = self.connect().await?;
        let head = format!(
            "POST /v1/submit HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: 1000000\r\n\r\n",
            self.token
        );
        stream.write_all(head.as_bytes()).await?;
        loop {
            stream.write_all(b" ").await?;
            let mut answer = [0; 512];
            let read = stream.read(&mut answer);
            if let Ok(ended) = tokio::time::timeout(Duration::from_secs(2), read).await {
                return ended.map(drop);
            }
        }
    }

    /// Sends nothing.
    async fn stay_idle(&self) -> std::io::Result<()> {
        self.connect().await?.read(&mut [0]).await.map(drop)
    }

    /// Opens a session and its stream, and lookups, in HTTP/2 streams whose window is never opened.
    async fn stall(&self, index: usize) -> std::io::Result<()> {
        let session = self.open_session(index).await.map_err(std::io::Error::other)?;
        let stream = self.connect().await?;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(0);
        let handshake = builder.handshake::<_, Bytes>(stream).await;
        let (requests, connection) = handshake.map_err(std::io::Error::other)?;
        let sending = async {
            let receive = ReceiveRequest { session, in_hand_max: 0 };
            let mut unread = Vec::new();
            let mut requests = requests;
            for number in 0..STALLED_STREAMS {
                let (method, message) = match number {
                    0 => ("Receive", prost_bytes(&receive)),
                    _ => ("Lookup", Vec::new()),
                };
                requests = requests.ready().await.map_err(std::io::Error::other)?;
                let (answer, mut body) = requests
                    .send_request(self.call(method), false)
                    .map_err(std::io::Error::other)?;
                body.send_data(framed(&message), true).map_err(std::io::Error::other)?;
                self.done.stalled_streams.fetch_add(1, Ordering::Relaxed);
                unread.push(answer);
            }
            std::future::pending::<()>().await;
            drop(unread);
            Ok(())
        };
        tokio::select! {
            ended = connection => ended.map_err(std::io::Error::other),
            sent = sending => sent,
        }
    }

    fn call(&self, method: &str) -> http::Request<()> {
        http::Request::post(format!("http://gateway/lienthong.exchange.v1.Exchange/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", format!("Bearer {}", self.token))
            .body(())
            .unwrap()
    }

    async fn open_session(
        &self,
        index: usize,
    ) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        let mut client = ExchangeClient::connect(format!("http://{}", self.gateway)).await?;
        let hello = HelloRequest { adapter: format!("stall-{index}"), ..HelloRequest::default() };
        let mut hello = Request::new(hello);
        let token = format!("Bearer {}", self.token);
        hello.metadata_mut().insert("authorization", token.parse()?);
        Ok(client.hello(hello).await?.into_inner().session)
    }

    /// Repeats calls with a wrong token, session and content.
    async fn repeat_refused(&self) -> std::io::Result<()> {
        let mut stream = self.connect().await?;
        let mut interval = tokio::time::interval(Duration::from_secs(1) / REFUSED_PER_SECOND);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let calls = [
            ("wrong", "/v1/lookup?text=a", ""),
            (
                &self.token,
                "/v1/settle",
                r#"{"session":"none","message_id":"m","lease":1,"taken":{}}"#,
            ),
            (&self.token, "/v1/submit", r#"{"format":"edxml.document","inline":"PGEvPg=="}"#),
        ];
        for (token, path, body) in calls.iter().cycle() {
            interval.tick().await;
            let method = if body.is_empty() { "GET" } else { "POST" };
            let call = format!(
                "{method} {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(call.as_bytes()).await?;
            read_answer(&mut stream).await?;
            self.done.refused.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Reads one HTTP answer with a declared length.
async fn read_answer(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut answer = Vec::new();
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let Some(end) = answer.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        let length = head.lines().find_map(|it| it.strip_prefix("content-length: ")?.parse().ok());
        if answer.len() >= end + 4 + length.unwrap_or(0_usize) {
            return Ok(());
        }
    }
}

fn prost_bytes(message: &ReceiveRequest) -> Vec<u8> {
    // Field 1, a string: the session.
    let mut bytes = vec![0x0a, u8::try_from(message.session.len()).unwrap_or_default()];
    bytes.extend_from_slice(message.session.as_bytes());
    bytes
}

/// A gRPC message with its prefix.
fn framed(message: &[u8]) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend_from_slice(&u32::try_from(message.len()).unwrap_or_default().to_be_bytes());
    bytes.extend_from_slice(message);
    bytes.into()
}
