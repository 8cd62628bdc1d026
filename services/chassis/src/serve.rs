//! An HTTP/1.1 and HTTP/2 server on one port, with limits and a graceful shutdown.

mod connections;
mod limits;
mod tracked_body;
mod unread;

use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures::future::BoxFuture;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tls::ServerTls;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::Service;
use tracing::Instrument as _;

pub use self::connections::ServedConnection;
use self::connections::{Connections, OpenConnection, Unused};
pub use self::limits::{DEFAULTS, ServerLimits};
use self::tracked_body::TrackedBody;
pub use self::unread::ReadAtLeisure;
use crate::peer::Peer;

/// Pause after the process could not accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long an idle connection may take to close.
const IDLE_CLOSE: Duration = Duration::from_secs(5);
/// Interval of pings on an HTTP/2 connection, and how long the peer may take to answer one.
const PING: Duration = Duration::from_secs(20);
/// Bytes that one HTTP/2 stream, and one connection, may send before they are read: the largest
/// call, and several of them.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// A listening socket, and how its connections are encrypted.
#[derive(Debug)]
pub struct ServerSocket {
    socket: TcpListener,
    tls: Option<ServerTls>,
}

impl ServerSocket {
    /// Accepts encrypted connections only; without certificates, plain text.
    pub fn new(socket: TcpListener, tls: Option<ServerTls>) -> Self {
        Self { socket, tls }
    }
}

impl From<TcpListener> for ServerSocket {
    fn from(socket: TcpListener) -> Self {
        Self::new(socket, None)
    }
}

/// Serves until `shutdown`, then waits for open requests within the limit. Each request has its
/// [`ServedConnection`] among its extensions; a service that authenticates a request tells it. Requests of
/// encrypted connections have their [`Peer`] as well.
///
/// # Errors
///
/// None at present.
pub async fn serve(
    listener: impl Into<ServerSocket>,
    app: Router,
    limits: ServerLimits,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let ServerSocket { socket, tls } = listener.into();
    // Without an exporter the layer would cost every call and do nothing. Telemetry is initialized
    // before the server starts.
    let app = if crate::trace::is_exported() {
        app.layer(axum::middleware::from_fn(trace_request))
    } else {
        app
    };
    let open_connections = Connections::new(limits);
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer) = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_ended) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = socket.accept() => match accepted {
                Ok(accepted) => accepted,
                // The peer closed the connection, or the process has too many open files: the
                // listener stays usable.
                Err(error) => {
                    tracing::warn!(%error, "connection was not accepted");
                    open_connections.evict_unauthenticated();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let Some(open) = open_connections.open(peer.ip().to_canonical()) else {
            tracing::debug!(%peer, "connection was refused, its address has too many");
            continue;
        };
        let connection = open.connection().clone();
        let app = TrackRequests { app: app.clone(), connection, peer: None };
        let (shutdown, tls) = (shutdown.clone(), tls.clone());
        connections.spawn(async move {
            tokio::select! {
                () = open.evicted() => {}
                () = serve_connection((stream, tls), app, (&open, limits), shutdown) => {}
            }
        });
    }
    let limit = Duration::from_millis(limits.drain_ms_max);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limit, drained).await.is_err() {
        tracing::warn!("open requests were cut off");
    }
    Ok(())
}

async fn serve_connection(
    (stream, tls): (TcpStream, Option<ServerTls>),
    mut app: TrackRequests,
    (open, limits): (&OpenConnection, ServerLimits),
    shutdown: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, option = "TCP_NODELAY", "socket option was not set");
    }
    let Some(tls) = tls else {
        return serve_stream(stream, app, (open, limits), shutdown).await;
    };
    // The connection counts as unauthenticated meanwhile.
    let limit = Duration::from_millis(limits.handshake_ms_max);
    let handshake = tokio::time::timeout(limit, tls.accept(stream));
    let stream = tokio::select! {
        () = shutdown.cancelled() => return,
        stream = handshake => match stream {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(%error, "handshake failed"),
            Err(_elapsed) => return tracing::debug!("handshake took too long"),
        },
    };
    let certificate = ServerTls::client_certificate(&stream);
    app.peer = Some(Peer {
        has_certificate: certificate.is_some(),
        identity: certificate.and_then(|it| it.identity()),
    });
    serve_stream(stream, app, (open, limits), shutdown).await;
}

async fn serve_stream(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    app: TrackRequests,
    (open, limits): (&OpenConnection, ServerLimits),
    shutdown: CancellationToken,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits.first_request_ms_max))
        .max_buf_size(256 * 1024)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(limits.header_bytes_max)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    let service = TowerToHyperService::new(app);
    let mut served = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let outcome = tokio::select! {
        outcome = served.as_mut() => outcome,
        unused = open.unused(&limits) => {
            tracing::debug!(?unused, "unused connection is closed");
            if matches!(unused, Unused::Stranger | Unused::Unread) {
                return;
            }
            // A call that the peer has just sent is still answered.
            served.as_mut().graceful_shutdown();
            loop {
                match tokio::time::timeout(IDLE_CLOSE, served.as_mut()).await {
                    Ok(outcome) => break outcome,
                    Err(_elapsed) if open.is_idle() => return,
                    Err(_elapsed) => {}
                }
            }
        }
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(error, "connection broke");
    }
}

/// Counts the requests of a connection as in progress until their responses are sent.
#[derive(Clone)]
struct TrackRequests {
    app: Router,
    connection: ServedConnection,
    /// Set when the connection is encrypted.
    peer: Option<Peer>,
}

impl<B> Service<http::Request<B>> for TrackRequests
where
    Router: Service<http::Request<B>, Response = Response, Error = std::convert::Infallible>,
    <Router as Service<http::Request<B>>>::Future: Send + 'static,
{
    type Response = Response;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<'static, Result<Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<http::Request<B>>::poll_ready(&mut self.app, context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        let open = self.connection.start_request();
        request.extensions_mut().insert(self.connection.clone());
        if let Some(peer) = &self.peer {
            request.extensions_mut().insert(peer.clone());
        }
        let (responding, connection) = (self.app.call(request), self.connection.clone());
        Box::pin(async move {
            let response = responding.await?;
            let is_unhurried = response.extensions().get::<ReadAtLeisure>().is_some();
            let unread = (!is_unhurried).then(|| connection.unread());
            Ok(response.map(|body| Body::new(TrackedBody::new(body, open, unread))))
        })
    }
}

async fn trace_request(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let span = crate::trace::request_span(request.uri().path(), request.headers());
    next.run(request).instrument(span).await
}
