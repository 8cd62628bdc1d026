//! Asks the process on this machine whether it is ready.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tls::ClientTls;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::command::doctor::check::{Check, within_limit};
use crate::output::Output;
use crate::settings::Settings;
use crate::system::encryption::Encryption;

pub(super) async fn check_readiness(output: Output, settings: &Settings) -> Check {
    let mut address = settings.listen.ops;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let asking = async {
        let tls = Encryption::new(&settings.tls)?;
        let tls = tls.client.filter(|_| tls.ops.is_some());
        let answer = get_readyz(address, tls).await?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let body = body.trim().replace('\n', "; ");
        anyhow::ensure!(head.starts_with("HTTP/1.1 200"), "{body}");
        anyhow::Ok(body)
    };
    Check {
        id: "readyz",
        title: output.localize("Tiến trình trên máy này", "The process on this machine"),
        outcome: within_limit(output, asking)
            .await
            .map_err(|error| format!("{address}/readyz: {error}")),
        remedy: output
            .localize(
                "Chạy `lienthong up` hoặc `lienthong serve`; nếu đang chạy, xem lý do được nêu.",
                "Run `lienthong up` or `lienthong serve`; if it runs, see the reason that is given.",
            )
            .to_owned(),
    }
}

/// `GET /readyz`: one request needs no HTTP client.
async fn get_readyz(address: SocketAddr, tls: Option<ClientTls>) -> std::io::Result<String> {
    let stream = TcpStream::connect(address).await?;
    match tls {
        None => read_readyz(stream).await,
        Some(tls) => read_readyz(tls.connect_http1(&address.ip().to_string(), stream).await?).await,
    }
}

async fn read_readyz(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<String> {
    let request = "GET /readyz HTTP/1.1\r\nHost: doctor\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
