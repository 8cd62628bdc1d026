//! Opens connections for gRPC channels.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tower::Service;

use crate::client::ClientTls;

/// Opens an encrypted TCP connection to the host and port of a URI; port 443 when it names none.
///
/// A channel with this connector takes `https` URIs. The library's own TLS reads the certificates
/// once; this connector takes them as they are when a connection opens.
#[derive(Clone, Debug)]
pub struct Connector {
    tls: ClientTls,
}

impl Connector {
    /// Opens connections with these certificates.
    pub fn new(tls: ClientTls) -> Self {
        Self { tls }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let tls = self.tls.clone();
        Box::pin(async move {
            let host = uri.host().ok_or(io::ErrorKind::InvalidInput)?;
            let plain_host = host.trim_start_matches('[').trim_end_matches(']');
            let stream = TcpStream::connect((plain_host, uri.port_u16().unwrap_or(443))).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(tls.connect(host, stream).await?))
        })
    }
}
