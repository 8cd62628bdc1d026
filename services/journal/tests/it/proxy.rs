//! A proxy that can stop forwarding while its connections stay open, as when a machine or a network
//! fails without closing anything.

use std::net::SocketAddr;

use tokio::io::{self, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<C: AsyncRead + AsyncWrite + Send + Unpin> Connection for C {}

#[derive(Clone)]
enum Target {
    Socket(String),
    Address(SocketAddr),
}

impl Target {
    async fn connect(&self) -> io::Result<Box<dyn Connection>> {
        Ok(match self {
            Self::Socket(path) => Box::new(UnixStream::connect(path).await?),
            Self::Address(address) => Box::new(TcpStream::connect(address).await?),
        })
    }
}

/// A listener whose connections are forwarded to a target.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    is_frozen: watch::Sender<bool>,
    _running: JoinSet<()>,
}

impl Proxy {
    /// In front of the server of a database that [`crate::postgres_cluster`] made; and the
    /// database's address through the proxy.
    pub(crate) async fn to_database(database: &str) -> (Self, String) {
        let (folder, name) = database.split_once('@').unwrap().1.rsplit_once('/').unwrap();
        let socket = format!("{}/.s.PGSQL.5432", folder.replace("%2F", "/"));
        let proxy = Self::start(Target::Socket(socket)).await;
        let through = format!("postgres://postgres@{}/{name}", proxy.address);
        (proxy, through)
    }

    /// In front of a listener.
    pub(crate) async fn to_address(target: SocketAddr) -> Self {
        Self::start(Target::Address(target)).await
    }

    async fn start(target: Target) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let is_frozen = watch::Sender::new(false);
        let switch = is_frozen.clone();
        let mut running = JoinSet::new();
        running.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let (target, switch) = (target.clone(), switch.subscribe());
                connections.spawn(forward_both(near, target, switch));
            }
        });
        Self { address, is_frozen, _running: running }
    }

    /// Keeps all connections open, accepts new ones, and forwards nothing.
    pub(crate) fn freeze(&self) {
        self.is_frozen.send_replace(true);
    }

    /// Forwards again, beginning with what was written meanwhile.
    pub(crate) fn thaw(&self) {
        self.is_frozen.send_replace(false);
    }
}

/// Forwards both directions of a connection to the target until either end closes.
async fn forward_both(near: TcpStream, target: Target, switch: watch::Receiver<bool>) {
    let Ok(far) = target.connect().await else { return };
    let (near_reader, near_writer) = io::split(near);
    let (far_reader, far_writer) = io::split(far);
    tokio::select! {
        () = forward(near_reader, far_writer, switch.clone()) => {}
        () = forward(far_reader, near_writer, switch) => {}
    }
}

/// Forwards one direction until either end closes.
async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut is_frozen: watch::Receiver<bool>,
) {
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut chunk).await {
        if is_frozen.wait_for(|it| !it).await.is_err()
            || to.write_all(&chunk[..count]).await.is_err()
        {
            return;
        }
    }
    // The end of a connection is not told either while nothing passes.
    drop(is_frozen.wait_for(|it| !it).await);
}
