//! The two connections to the broker, the links on them, and the time limit of every call.

use std::{fmt, future::Future, ops::Deref, sync::Arc, time::Duration};

use futures::FutureExt as _;
use lapin::{
    Connection, ConnectionProperties,
    options::ConfirmSelectOptions,
    tcp::{OwnedIdentity, OwnedTLSConfig},
    uri::AMQPUri,
};
use tokio::sync::watch;

use crate::{
    error::{BrokerError, ConnectError, PublisherFailure},
    metrics::Metrics,
    settings::Settings,
    uninterrupted::uninterrupted,
};

/// Seconds between heartbeats: a dead peer is noticed within twice that.
const HEARTBEAT_SECONDS: u16 = 20;

/// AMQP's reply code of a normal close.
pub(super) const CLOSED_NORMALLY: u16 = 200;

/// The connections to a broker. Clones share them.
#[derive(Clone)]
pub struct RabbitMq(Arc<Inner>);

struct Inner {
    settings: Settings,
    publishing: Connection,
    consuming: Connection,
    failure: watch::Sender<Option<Arc<PublisherFailure>>>,
    metrics: Metrics,
}

impl Drop for Inner {
    /// Closes the connections. The client library would leave one open for which it still holds a
    /// consumer, and the broker would go on delivering into it.
    fn drop(&mut self) {
        for connection in [&self.publishing, &self.consuming] {
            // The first poll sends the frame; the answer is not needed.
            drop(connection.close(CLOSED_NORMALLY, "done".into()).now_or_never());
        }
    }
}

/// A link, owned from before the first call on it. It is closed however its owner ends: in the middle
/// of a call too, where the client library would keep what the broker's answer creates. A consumer
/// of which nobody knows would then hold its link and its connection open, and keep every message
/// of its queue from the receiver that follows.
#[derive(Debug)]
pub(super) struct Link(lapin::Channel);

impl Deref for Link {
    type Target = lapin::Channel;

    fn deref(&self) -> &lapin::Channel {
        &self.0
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The first poll sends the frame; the answer is not needed. A closed link refuses the call.
        drop(self.0.close(CLOSED_NORMALLY, "done".into()).now_or_never());
    }
}

impl RabbitMq {
    pub(crate) async fn connect(settings: Settings) -> Result<Self, ConnectError> {
        if settings.partitions == 0 {
            return Err(ConnectError::NoPartitions);
        }
        let mut address: AMQPUri =
            settings.url.parse().map_err(|_reason: String| ConnectError::Address)?;
        address.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        address.query.connection_timeout.get_or_insert(settings.call_ms_max);
        let publishing = connect(&settings, &address, "publishing").await?;
        let consuming = connect(&settings, &address, "consuming").await?;
        let failure = watch::Sender::new(None);
        let metrics = Metrics::new("rabbitmq");
        Ok(Self(Arc::new(Inner { settings, publishing, consuming, failure, metrics })))
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) async fn publisher_failed(&self) -> Arc<PublisherFailure> {
        let mut failure = self.0.failure.subscribe();
        loop {
            if let Some(failed) = failure.borrow_and_update().clone() {
                return failed;
            }
            if failure.changed().await.is_err() {
                // Unreachable, because `self` owns the sender.
                return std::future::pending().await;
            }
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.0.publishing.status().connected() && self.0.consuming.status().connected()
    }

    /// Whether the broker blocks publishing, because it is short of memory or disk.
    pub(super) fn is_blocked(&self) -> bool {
        self.0.publishing.status().blocked()
    }

    /// A link for publishing, on which every publish is confirmed.
    ///
    /// The client library sometimes takes what nobody waits for any more for an error, and gives up
    /// the connection with everything on it. So a link is opened to the end.
    pub(super) async fn publishing_link(&self) -> Result<Link, BrokerError> {
        let bus = self.clone();
        uninterrupted(async move {
            let link = Link(bus.call("open link", bus.0.publishing.create_channel()).await?);
            let selecting = link.confirm_select(ConfirmSelectOptions::default());
            bus.call("select confirms", selecting).await?;
            Ok(link)
        })
        .await
    }

    /// A link for receiving and for the topology.
    pub(super) async fn consuming_link(&self) -> Result<Link, BrokerError> {
        let bus = self.clone();
        uninterrupted(async move {
            Ok(Link(bus.call("open link", bus.0.consuming.create_channel()).await?))
        })
        .await
    }

    /// The publishing connection.
    pub(super) fn publishing(&self) -> &Connection {
        &self.0.publishing
    }

    /// Tells every receiver of this bus that a publisher has ended.
    pub(super) fn report_failure(&self, failed: Arc<PublisherFailure>) {
        self.0.failure.send_replace(Some(failed));
    }

    /// Closes a link, and waits until the broker did so: its unsettled messages are back in their
    /// queues then.
    pub(super) async fn close(&self, link: &Link) {
        let closed = self.call("close link", link.close(CLOSED_NORMALLY, "done".into())).await;
        if let Err(error) = closed {
            tracing::debug!(%error, "link was not closed");
        }
    }

    /// Awaits a call of the client library, within the time limit of the settings.
    pub(super) async fn call<T>(
        &self,
        call: &'static str,
        answer: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, BrokerError> {
        within(self.0.settings.call_limit(), call, answer).await
    }
}

async fn connect(
    settings: &Settings,
    address: &AMQPUri,
    purpose: &str,
) -> Result<Connection, BrokerError> {
    let properties = ConnectionProperties::default()
        .with_connection_name(format!("{} {purpose}", settings.name).into());
    let identity = settings.certificate.as_ref().map(|(certificate, key)| {
        let (pem, key) = (certificate.clone().into_bytes(), key.clone().into_bytes());
        OwnedIdentity::PKCS8 { pem, key }
    });
    let tls = OwnedTLSConfig { identity, cert_chain: settings.authorities.clone() };
    let connecting = async {
        let runtime = lapin::runtime::default_runtime()?;
        Connection::connect_uri_with_config(address.clone(), properties, tls, runtime).await
    };
    within(settings.call_limit(), "connect", connecting).await
}

async fn within<T>(
    limit: Duration,
    call: &'static str,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, BrokerError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(answered)) => Ok(answered),
        Ok(Err(source)) => Err(BrokerError::Failed { call, source: source.into() }),
        Err(_elapsed) => Err(BrokerError::Timeout { call, limit }),
    }
}

impl fmt::Debug for RabbitMq {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RabbitMq").finish_non_exhaustive()
    }
}
