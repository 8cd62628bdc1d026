//! The addresses a process listens on, and what stands behind each.

use std::net::{SocketAddr, TcpListener};

use anyhow::Context as _;
use axum::Router;
use chassis::health;
use chassis::serve::{Bounds, serve};
use tokio_util::sync::CancellationToken;

use super::{Start, Working};
use crate::cli::Role;
use crate::settings::Settings;

/// Addresses that are bound once, whatever starts again behind them. A role has those it serves.
#[derive(Debug)]
pub(crate) struct Doors {
    vendors: Option<TcpListener>,
    internal: Option<TcpListener>,
    ops: TcpListener,
}

impl Doors {
    /// Binds the addresses of a role, or of all roles; port 0 takes a free one.
    pub(crate) fn open(settings: &Settings, role: Option<Role>) -> anyhow::Result<Self> {
        let bind = |address: SocketAddr, what: &str| -> anyhow::Result<TcpListener> {
            let listener = TcpListener::bind(address)
                .with_context(|| format!("the {what} address {address} cannot be listened on"))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
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
            ops: bind(listen.ops, "health")?,
        })
    }

    /// The address vendors come in by.
    pub(crate) fn vendors(&self) -> std::io::Result<SocketAddr> {
        bound(self.vendors.as_ref())?.local_addr()
    }

    /// The address of operators' commands.
    pub(crate) fn internal(&self) -> std::io::Result<SocketAddr> {
        bound(self.internal.as_ref())?.local_addr()
    }

    /// The address of the health pages.
    pub(crate) fn ops(&self) -> std::io::Result<SocketAddr> {
        self.ops.local_addr()
    }

    pub(super) fn vendors_listener(&self) -> std::io::Result<&TcpListener> {
        bound(self.vendors.as_ref())
    }

    pub(super) fn internal_listener(&self) -> std::io::Result<&TcpListener> {
        bound(self.internal.as_ref())
    }

    pub(super) fn ops_listener(&self) -> &TcpListener {
        &self.ops
    }
}

fn bound(listener: Option<&TcpListener>) -> std::io::Result<&TcpListener> {
    listener.ok_or_else(|| std::io::ErrorKind::AddrNotAvailable.into())
}

/// Serves pages and `grpc.health.v1` beside them on a listener that stays open at a restart.
pub(super) fn door(
    start: &Start,
    listener: std::io::Result<&TcpListener>,
    pages: Router,
    (working, stop): (&mut Working, &CancellationToken),
) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener?.try_clone()?)?;
    let (pages, following) = health::grpc(pages, start.health.clone());
    let stop = stop.clone();
    working.spawn(async move {
        tokio::select! {
            outcome = serve(listener, pages, Bounds::default(), stop) => Ok(outcome?),
            () = following => anyhow::bail!("health is no longer told"),
        }
    });
    Ok(())
}
