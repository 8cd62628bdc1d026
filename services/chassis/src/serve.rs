//! Serving: HTTP/1.1 and HTTP/2 on one port, with bounds, until told to stop.

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

/// Bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at a time; more wait in the kernel's queue.
    pub connections_max: usize,
    /// Streams of one HTTP/2 connection at a time.
    pub streams_max: u32,
    /// Bytes of headers of one request.
    pub header_bytes_max: u32,
    /// How long a new connection may be silent, milliseconds: one without a first request would
    /// otherwise hold its place for ever.
    pub silence_ms_max: u64,
    /// How long open requests may go on after the stop, milliseconds.
    pub drain_ms_max: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections_max: 1_000,
            streams_max: 1_024,
            header_bytes_max: 64 * 1024,
            silence_ms_max: 15_000,
            drain_ms_max: 10_000,
        }
    }
}

/// Serves until `shutdown`, then lets open requests finish within the bound.
///
/// # Errors
///
/// The listener fails for good.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    bounds: Bounds,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    // Telemetry is set up first; a layer that has nothing to do would still cost every call.
    let app = if crate::trace::is_exported() {
        app.layer(axum::middleware::from_fn(traced))
    } else {
        app
    };
    let places = std::sync::Arc::new(Semaphore::new(bounds.connections_max));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await.map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>((place, listener.accept().await?.0))
        };
        let (place, stream) = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_ended) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = accepted => match accepted {
                Ok(accepted) => accepted,
                // A peer that went away, or no file handles: neither ends the listener.
                Err(error) => {
                    tracing::warn!(%error, "connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let (app, shutdown) = (app.clone(), shutdown.clone());
        connections.spawn(async move {
            connection(stream, app, bounds, shutdown).await;
            drop(place);
        });
    }
    let limit = Duration::from_millis(bounds.drain_ms_max);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limit, drained).await.is_err() {
        tracing::warn!("open requests were cut off");
    }
    Ok(())
}

async fn connection(stream: TcpStream, app: Router, bounds: Bounds, shutdown: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "connection keeps small packets together");
    }
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(15))
        .max_buf_size(256 * 1024)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.streams_max)
        .max_header_list_size(bounds.header_bytes_max)
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(16 << 20)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    let asked = CancellationToken::new();
    let app = Heard { app, asked: asked.clone() };
    let served =
        builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(app));
    tokio::pin!(served);
    let outcome = tokio::select! {
        outcome = served.as_mut() => outcome,
        () = silent(&asked, Duration::from_millis(bounds.silence_ms_max)) => {
            tracing::debug!("connection asked for nothing and is closed");
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

/// Pages that tell when they are asked for the first time.
#[derive(Clone)]
struct Heard {
    app: Router,
    asked: CancellationToken,
}

impl<R> Service<R> for Heard
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
        self.asked.cancel();
        self.app.call(request)
    }
}

/// Ends when nothing was asked for in time.
async fn silent(asked: &CancellationToken, limit: Duration) {
    if tokio::time::timeout(limit, asked.cancelled()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

async fn traced(
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> axum::response::Response {
    let span = crate::trace::call_span(request.uri().path(), request.headers());
    next.run(request).instrument(span).await
}
