//! An HTTP/1.1 and HTTP/2 server on one port, with limits and a graceful shutdown.

use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::Service;
use tracing::Instrument as _;

/// Limits of a server.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Maximum number of connections; further ones wait in the kernel's queue.
    pub connections_max: usize,
    /// Maximum number of concurrent streams of one HTTP/2 connection.
    pub streams_max: u32,
    /// Maximum size of the headers of one request, bytes.
    pub header_bytes_max: u32,
    /// Time limit for the first request of a connection, milliseconds. Without it, idle connections
    /// could use up `connections_max`.
    pub first_request_ms_max: u64,
    /// Time limit for open requests after the shutdown, milliseconds.
    pub drain_ms_max: u64,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_max: 1_000,
            streams_max: 1_024,
            header_bytes_max: 64 * 1024,
            first_request_ms_max: 15_000,
            drain_ms_max: 10_000,
        }
    }
}

/// Serves until `shutdown`, then waits for open requests within the limit.
///
/// # Errors
///
/// The semaphore of the connections is closed, which does not happen.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    limits: ServerLimits,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    // Without an exporter the layer would cost every call and do nothing. Telemetry is initialized
    // before the server starts.
    let app = if crate::trace::is_exported() {
        app.layer(axum::middleware::from_fn(trace_request))
    } else {
        app
    };
    let permits = std::sync::Arc::new(Semaphore::new(limits.connections_max));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let permit = permits.clone().acquire_owned().await.map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>((permit, listener.accept().await?.0))
        };
        let (permit, stream) = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_ended) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = accepted => match accepted {
                Ok(accepted) => accepted,
                // The peer closed the connection, or the process has too many open files: the
                // listener stays usable.
                Err(error) => {
                    tracing::warn!(%error, "connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let (app, shutdown) = (app.clone(), shutdown.clone());
        connections.spawn(async move {
            serve_connection(stream, app, limits, shutdown).await;
            drop(permit);
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
    stream: TcpStream,
    app: Router,
    limits: ServerLimits,
    shutdown: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, option = "TCP_NODELAY", "socket option was not set");
    }
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(15))
        .max_buf_size(256 * 1024)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(limits.header_bytes_max)
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(16 << 20)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    let first_request = CancellationToken::new();
    let app = NotifyFirstRequest { app, first_request: first_request.clone() };
    let served =
        builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(app));
    tokio::pin!(served);
    let outcome = tokio::select! {
        outcome = served.as_mut() => outcome,
        () = no_request_within(Duration::from_millis(limits.first_request_ms_max), &first_request) => {
            tracing::debug!("connection without a request is closed");
            return;
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

/// Cancels a token with the first request of a connection.
#[derive(Clone)]
struct NotifyFirstRequest {
    app: Router,
    first_request: CancellationToken,
}

impl<R> Service<R> for NotifyFirstRequest
where
    Router: Service<R>,
{
    type Response = <Router as Service<R>>::Response;
    type Error = <Router as Service<R>>::Error;
    type Future = <Router as Service<R>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.app.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.first_request.cancel();
        self.app.call(request)
    }
}

/// Returns when there was no request within the limit, and never after a request.
async fn no_request_within(limit: Duration, first_request: &CancellationToken) {
    if tokio::time::timeout(limit, first_request.cancelled()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

async fn trace_request(
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> axum::response::Response {
    let span = crate::trace::request_span(request.uri().path(), request.headers());
    next.run(request).instrument(span).await
}
