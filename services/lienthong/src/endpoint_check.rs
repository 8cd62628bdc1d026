//! Why an address cannot be called: finds the true cause within two seconds, so that a command never
//! answers "unavailable" for a wrong port, a missing scheme or a mixture of `http` and `https`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use chassis::secret::redact;
use proto::fault::code;
use proto::fault::v1::Fault;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

/// The longest that a machine may take to open a connection.
const CONNECT_LIMIT: Duration = Duration::from_millis(1_000);
/// The longest that a server may take to say a first word.
const FIRST_WORD_LIMIT: Duration = Duration::from_millis(1_000);

/// What an HTTP/2 client says first: the preface and an empty SETTINGS frame (RFC 9113, 3.4).
const HTTP2_HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// The type of a SETTINGS frame, which a server sends first.
const SETTINGS: u8 = 4;
/// A TLS 1.2 ClientHello with one cipher suite. A TLS server answers it with a handshake record or
/// an alert; nothing else does.
const TLS_HELLO: [u8; 50] = tls_hello();
/// The first bytes of TLS records: alert, handshake.
const TLS_RECORDS: [u8; 2] = [0x15, 0x16];

const fn tls_hello() -> [u8; 50] {
    let mut hello = [0; 50];
    // Record: handshake, version 3.1, 45 bytes; message: ClientHello, 41 bytes, version 3.3. The 32
    // random bytes, the empty session id and the compression method `null` are zeros.
    let head = [0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3];
    let mut index = 0;
    while index < head.len() {
        hello[index] = head[index];
        index += 1;
    }
    // Behind the session id's length: one cipher suite, ECDHE-RSA-AES128-GCM-SHA256; one compression
    // method; no extensions.
    hello[45] = 2;
    hello[46] = 0xC0;
    hello[47] = 0x2F;
    hello[48] = 1;
    hello
}

/// An address as a setting names it, with the name of the setting for what a person reads.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// With its scheme.
    pub(crate) url: Url,
    /// The option that sets it, as `--internal`.
    pub(crate) setting: &'static str,
}

/// What a server is, by its first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoken {
    Http2,
    Tls,
    Other,
    Nothing,
}

/// An address with its scheme. Without one it is `http` for this machine and `https` for others, as
/// plain text to others is refused.
fn with_scheme(text: &str) -> String {
    let is_plain = |host: &str| !tls::is_exposed(&format!("http://{host}"));
    match text.split_once("://") {
        Some(_) => text.to_owned(),
        None if is_plain(text) => format!("http://{text}"),
        None => format!("https://{text}"),
    }
}

/// Addresses with a comma in between as they may be printed, without passwords.
pub(crate) fn printed_addresses(list: &str) -> String {
    list.split(',').map(|it| redact(&with_scheme(it.trim()))).collect::<Vec<_>>().join(",")
}

impl Address {
    /// Reads an address, which needs no scheme.
    pub(crate) fn parse(text: &str, setting: &'static str) -> Result<Self, Fault> {
        let full = with_scheme(text);
        let unusable = || Fault::new(&code::LT_CLI_006).param("address", redact(&full));
        let url = Url::parse(&full).map_err(|error| unusable().detail(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(unusable());
        }
        Ok(Self { url, setting })
    }

    /// The address as clients take it.
    pub(crate) fn text(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The address as it may be printed, without a password.
    pub(crate) fn printed(&self) -> String {
        redact(self.text())
    }

    /// A fault about this address.
    pub(crate) fn fault(&self, code: proto::fault::Code) -> Fault {
        Fault::new(code).param("address", self.printed()).param("setting", self.setting)
    }

    fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Checks that something listens.
    ///
    /// # Errors
    ///
    /// The machine is unknown, does not answer, or has nothing at the port.
    pub(crate) async fn check_reachable(&self) -> Result<(), Fault> {
        self.connect().await.map(drop)
    }

    async fn connect(&self) -> Result<TcpStream, Fault> {
        let host = self.url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = self.url.port_or_known_default().unwrap_or_default();
        let unknown = || self.fault(&code::LT_CLI_019).param("host", host);
        let lookup = timeout(CONNECT_LIMIT, tokio::net::lookup_host((host, port))).await;
        let addresses: Vec<SocketAddr> = match lookup {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(error)) => return Err(unknown().detail(error.to_string())),
            Err(_late) => return Err(unknown()),
        };
        match timeout(CONNECT_LIMIT, TcpStream::connect(addresses.as_slice())).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Err(self.fault(&code::LT_CLI_018))
            }
            Ok(Err(error)) => Err(self.fault(&code::LT_CLI_020).detail(error.to_string())),
            Err(_late) => Err(self.fault(&code::LT_CLI_020)),
        }
    }

    /// Why calls to this address fail although something listens; none when it speaks as it should.
    pub(crate) async fn find_wrong_protocol(&self) -> Option<Fault> {
        let spoken = |hello: &'static [u8]| async move {
            match self.connect().await {
                Ok(stream) => Ok(first_word(stream, hello).await),
                Err(fault) => Err(fault),
            }
        };
        let (first, second) = if self.is_encrypted() {
            (TLS_HELLO.as_slice(), HTTP2_HELLO)
        } else {
            (HTTP2_HELLO, TLS_HELLO.as_slice())
        };
        let own = match spoken(first).await {
            Ok(Spoken::Nothing | Spoken::Other) if self.is_encrypted() => spoken(second).await,
            // A TLS server may close without an alert; only its own hello tells.
            Ok(Spoken::Nothing) => spoken(second).await,
            other => other,
        };
        match (own, self.is_encrypted()) {
            (Err(fault), _) => Some(fault),
            (Ok(Spoken::Http2), false) | (Ok(Spoken::Tls), true) => None,
            (Ok(Spoken::Tls), false) => Some(self.fault(&code::LT_CLI_022)),
            (Ok(Spoken::Http2), true) => Some(self.fault(&code::LT_CLI_023)),
            (Ok(Spoken::Other), _) => Some(self.fault(&code::LT_CLI_021)),
            (Ok(Spoken::Nothing), _) => Some(self.fault(&code::LT_CLI_020)),
        }
    }
}

/// Sends a hello and looks at the first bytes of the answer.
async fn first_word(mut stream: TcpStream, hello: &[u8]) -> Spoken {
    let exchange = async {
        stream.write_all(hello).await?;
        let mut answer = [0; 9];
        let mut read = 0;
        while read < answer.len() {
            match stream.read(answer.get_mut(read..).unwrap_or_default()).await? {
                0 => break,
                more => read += more,
            }
        }
        io::Result::Ok((answer, read))
    };
    match timeout(FIRST_WORD_LIMIT, exchange).await {
        Err(_late) => Spoken::Nothing,
        Ok(Err(_) | Ok((_, 0))) => Spoken::Nothing,
        Ok(Ok((answer, _))) if TLS_RECORDS.contains(&answer[0]) && answer[1] == 3 => Spoken::Tls,
        Ok(Ok((answer, 9))) if answer[3] == SETTINGS && answer[5..] == [0; 4] => Spoken::Http2,
        Ok(Ok(_)) => Spoken::Other,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    use super::*;

    /// A server that answers every connection with these bytes, or never.
    async fn serve(servers: &mut JoinSet<()>, answer: Option<&'static [u8]>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        servers.spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                drop(stream.write_all(answer.unwrap_or_default()).await);
                drop(stream.read(&mut [0; 64]).await);
                // A server that never answers keeps its connections open.
                open.extend(answer.is_none().then_some(stream));
            }
        });
        address
    }

    fn address(text: &str) -> Address {
        Address::parse(text, "--internal").unwrap()
    }

    #[test]
    fn an_address_without_a_scheme_is_understood() {
        for (text, expected) in [
            ("localhost:7401", "http://localhost:7401"),
            ("127.0.0.1:7401", "http://127.0.0.1:7401"),
            ("[::1]:7401", "http://[::1]:7401"),
            ("bus.tinh.vn:7401", "https://bus.tinh.vn:7401"),
            ("10.0.0.5:7401", "https://10.0.0.5:7401"),
            ("http://10.0.0.5:7401/", "http://10.0.0.5:7401"),
            ("HTTPS://bus:1", "https://bus:1"),
        ] {
            assert_eq!(address(text).text(), expected, "{text}");
        }
        for text in ["", "http://", "ftp://x:1", "http://x:99999", "a b:1", "amqp://x"] {
            let fault = Address::parse(text, "--internal").unwrap_err();
            assert_eq!(fault.code, "LT-CLI-006", "{text}");
        }
    }

    #[tokio::test]
    async fn every_wrong_server_has_its_own_diagnosis() {
        let mut servers = JoinSet::new();
        let begun = tokio::time::Instant::now();
        let web = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n".as_slice();
        let http2 = b"\0\0\0\x04\0\0\0\0\0".as_slice();
        let alert = b"\x15\x03\x01\0\x02\x02\x28\0\0".as_slice();
        for (answer, scheme, code) in [
            (Some(web), "http", Some("LT-CLI-021")),
            (Some(web), "https", Some("LT-CLI-021")),
            (Some(b"SSH-2.0-OpenSSH_9.2\r\n".as_slice()), "http", Some("LT-CLI-021")),
            (Some(alert), "http", Some("LT-CLI-022")),
            (Some(alert), "https", None),
            (Some(http2), "https", Some("LT-CLI-023")),
            (Some(http2), "http", None),
        ] {
            let at = serve(&mut servers, answer).await;
            let address = address(&format!("{scheme}://{at}"));
            address.check_reachable().await.unwrap();
            let fault = address.find_wrong_protocol().await;
            assert_eq!(fault.map(|it| it.code).as_deref(), code, "{scheme} {answer:?}");
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        let silent = serve(&mut servers, None).await;
        let fault = address(&format!("http://{silent}")).find_wrong_protocol().await.unwrap();
        assert_eq!(fault.code, "LT-CLI-020");
    }

    #[tokio::test]
    async fn a_stopped_server_and_an_unknown_machine_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let free = listener.local_addr().unwrap();
        drop(listener);
        let fault = address(&free.to_string()).check_reachable().await.unwrap_err();
        assert_eq!(fault.code, "LT-CLI-018");
        let unknown = address("http://khong-co.invalid:7401").check_reachable().await.unwrap_err();
        assert_eq!(
            (unknown.code.as_str(), unknown.params["host"].as_str()),
            ("LT-CLI-019", "khong-co.invalid")
        );
    }
}
