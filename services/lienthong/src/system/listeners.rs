//! The addresses that a process listens on.

use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use chassis::health::{self, Health};
use chassis::serve::{ServerLimits, ServerSocket, serve};
use tls::ServerTls;
use tokio_util::sync::CancellationToken;

use crate::cli::Role;
use crate::settings::Settings;
use crate::system::encryption::Encryption;

/// A bound address; none when the role does not listen on it.
type Bound = Option<Arc<TcpListener>>;

/// A bound address, and how its connections are encrypted.
type Endpoint = (Bound, Option<ServerTls>);

/// A listener while it is served.
type Serving = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// The bound addresses of a role. They stay bound while the services behind them start again, so a
/// client is not refused in between.
#[derive(Debug)]
pub(crate) struct Listeners {
    vendors: Bound,
    internal: Bound,
    ops: Bound,
    limits: ServerLimits,
    encryption: Encryption,
}

impl Listeners {
    /// Binds the addresses of a role, or of all roles; port 0 takes a free one. An adapter listens on
    /// the internal address only where it is operated from there.
    pub(crate) fn bind(
        settings: &Settings,
        encryption: &Encryption,
        role: Option<Role>,
        is_adapter_operated: bool,
    ) -> anyhow::Result<Self> {
        let bind = |address: SocketAddr, what: &str| -> anyhow::Result<Arc<TcpListener>> {
            let listener = TcpListener::bind(address)
                .with_context(|| format!("the {what} address {address} cannot be listened on"))?;
            listener.set_nonblocking(true)?;
            Ok(Arc::new(listener))
        };
        let (has_vendors, has_internal) = match role {
            None | Some(Role::Gateway) => (true, true),
            Some(Role::Journal | Role::Mapping | Role::Registry) => (false, true),
            Some(Role::AdapterFolder) => (false, is_adapter_operated),
        };
        let listen = &settings.listen;
        Ok(Self {
            vendors: has_vendors.then(|| bind(listen.vendors, "vendors'")).transpose()?,
            internal: has_internal.then(|| bind(listen.internal, "internal")).transpose()?,
            ops: Some(bind(listen.ops, "health")?),
            limits: settings.server,
            encryption: encryption.clone(),
        })
    }

    /// Logs each bound address, so that a process that was given port 0 can be reached.
    pub(crate) fn log_addresses(&self) {
        let servers =
            [("vendors", &self.vendors), ("internal", &self.internal), ("ops", &self.ops)];
        for (server, listener) in servers {
            if let Ok(address) = address(listener) {
                tracing::info!(server, %address, "listening");
            }
        }
    }

    /// The URL for vendors' adapters.
    pub(crate) fn vendors_url(&self) -> std::io::Result<String> {
        Ok(url(self.vendors()?, &self.encryption.vendors))
    }

    /// The URL for roles and operators' commands.
    pub(crate) fn internal_url(&self) -> std::io::Result<String> {
        Ok(url(self.internal()?, &self.encryption.internal))
    }

    /// The URL of health and metrics.
    pub(crate) fn ops_url(&self) -> std::io::Result<String> {
        Ok(url(self.ops()?, &self.encryption.ops))
    }

    /// True when the process listens on the internal address.
    pub(super) fn has_internal(&self) -> bool {
        self.internal.is_some()
    }

    /// The address for vendors' adapters.
    pub(crate) fn vendors(&self) -> std::io::Result<SocketAddr> {
        address(&self.vendors)
    }

    /// The address for roles and operators' commands.
    pub(crate) fn internal(&self) -> std::io::Result<SocketAddr> {
        address(&self.internal)
    }

    /// The address of health and metrics.
    pub(crate) fn ops(&self) -> std::io::Result<SocketAddr> {
        address(&self.ops)
    }

    /// Serves vendors' calls.
    pub(super) fn serve_vendors(&self, routes: Router, health: &Health) -> impl ServeListener {
        serve_listener(
            (self.vendors.clone(), self.encryption.vendors.clone()),
            routes,
            health,
            self.limits,
        )
    }

    /// Serves the calls of roles and operators.
    pub(super) fn serve_internal(&self, routes: Router, health: &Health) -> impl ServeListener {
        serve_listener(
            (self.internal.clone(), self.encryption.internal.clone()),
            routes,
            health,
            self.limits,
        )
    }

    /// Serves health and metrics.
    pub(super) fn serve_ops(&self, routes: Router, health: &Health) -> impl ServeListener {
        serve_listener((self.ops.clone(), self.encryption.ops.clone()), routes, health, self.limits)
    }
}

/// Serves a listener until the token is cancelled; may be called again after it failed.
pub(super) trait ServeListener:
    FnMut(CancellationToken) -> Serving + Send + 'static
{
}

impl<S> ServeListener for S where S: FnMut(CancellationToken) -> Serving + Send + 'static {}

fn address(listener: &Bound) -> std::io::Result<SocketAddr> {
    listener.as_ref().ok_or(std::io::ErrorKind::AddrNotAvailable)?.local_addr()
}

fn url(address: SocketAddr, tls: &Option<ServerTls>) -> String {
    let scheme = if tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// Serves the routes and `grpc.health.v1` on a listener.
fn serve_listener(
    (listener, tls): Endpoint,
    routes: Router,
    health: &Health,
    limits: ServerLimits,
) -> impl FnMut(CancellationToken) -> Serving + Send + use<> {
    let health = health.clone();
    move |stop| {
        let (routes, following) = health::grpc(routes.clone(), health.clone());
        let (listener, tls) = (listener.clone(), tls.clone());
        Box::pin(async move {
            let listener = listener.context("this role does not listen here")?.try_clone()?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::select! {
                outcome = serve(ServerSocket::new(listener, tls), routes, limits, stop) => Ok(outcome?),
                () = following => anyhow::bail!("health is no longer reported"),
            }
        })
    }
}
