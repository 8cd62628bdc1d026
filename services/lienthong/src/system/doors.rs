//! The addresses a process listens on, and what stands behind each.

use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use chassis::health;
use chassis::serve::{Bounds, serve};
use tokio_util::sync::CancellationToken;

use super::Start;
use crate::cli::Role;
use crate::settings::Settings;

/// An address that is listened on; none: not by this role.
type Listener = Option<Arc<TcpListener>>;

/// A door while it is open.
type Opened = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// Addresses that are bound once, whatever starts again behind them. A role has those it serves.
#[derive(Debug)]
pub(crate) struct Doors {
    vendors: Listener,
    internal: Listener,
    ops: Listener,
}

impl Doors {
    /// Binds the addresses of a role, or of all roles; port 0 takes a free one.
    pub(crate) fn open(settings: &Settings, role: Option<Role>) -> anyhow::Result<Self> {
        let bind = |address: SocketAddr, what: &str| -> anyhow::Result<Arc<TcpListener>> {
            let listener = TcpListener::bind(address)
                .with_context(|| format!("the {what} address {address} cannot be listened on"))?;
            listener.set_nonblocking(true)?;
            Ok(Arc::new(listener))
        };
        let (has_vendors, has_internal) = match role {
            None => (true, true),
            Some(Role::Gateway) => (true, false),
            Some(Role::Journal | Role::Mapping | Role::Registry) => (false, true),
            Some(Role::AdapterFolder) => (false, false),
        };
        let listen = &settings.listen;
        Ok(Self {
            vendors: has_vendors.then(|| bind(listen.vendors, "vendors'")).transpose()?,
            internal: has_internal.then(|| bind(listen.internal, "internal")).transpose()?,
            ops: Some(bind(listen.ops, "health")?),
        })
    }

    /// The address vendors come in by.
    pub(crate) fn vendors(&self) -> std::io::Result<SocketAddr> {
        address(&self.vendors)
    }

    /// The address of operators' commands.
    pub(crate) fn internal(&self) -> std::io::Result<SocketAddr> {
        address(&self.internal)
    }

    /// The address of the health pages.
    pub(crate) fn ops(&self) -> std::io::Result<SocketAddr> {
        address(&self.ops)
    }

    pub(super) fn vendors_listener(&self) -> Listener {
        self.vendors.clone()
    }

    pub(super) fn internal_listener(&self) -> Listener {
        self.internal.clone()
    }

    pub(super) fn ops_listener(&self) -> Listener {
        self.ops.clone()
    }
}

fn address(listener: &Listener) -> std::io::Result<SocketAddr> {
    listener.as_ref().ok_or(std::io::ErrorKind::AddrNotAvailable)?.local_addr()
}

/// Serves pages and `grpc.health.v1` beside them on a listener that stays open at a restart.
pub(super) fn door(
    start: &Start,
    listener: Listener,
    pages: Router,
) -> impl FnMut(CancellationToken) -> Opened + Send + use<> {
    let health = start.health.clone();
    move |stop| {
        let (pages, following) = health::grpc(pages.clone(), health.clone());
        let listener = listener.clone();
        Box::pin(async move {
            let listener = listener.context("this role has no such door")?.try_clone()?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::select! {
                outcome = serve(listener, pages, Bounds::default(), stop) => Ok(outcome?),
                () = following => anyhow::bail!("health is no longer told"),
            }
        })
    }
}
