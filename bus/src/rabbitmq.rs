//! The channels over a RabbitMQ broker. Nothing outside this module knows AMQP.
//!
//! A failure here is an error that ends the service; the chassis starts it again. So nothing in
//! this module reconnects, and every start is the same start.

mod event;
pub(crate) mod probe;
pub(crate) mod publisher;
pub(crate) mod receiver;
pub(crate) mod topology;
mod wire;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use lapin::{Connection, ConnectionProperties, tcp::OwnedTLSConfig, uri::AMQPUri};
use tokio::sync::watch;

pub use self::topology::{Difference, TopologyError};
use crate::{
    metrics::Metrics, publish::PublisherFailure, settings::Settings, transport::ConnectError,
};

/// Seconds between signs of life: a dead peer is noticed within twice that.
const HEARTBEAT_SECONDS: u16 = 20;

/// What a link is closed with when nothing is wrong.
const CLOSED_NORMALLY: u16 = 200;

/// A broker, connected to. Clones share the connections.
#[derive(Clone)]
pub struct RabbitMq(Arc<Inner>);

struct Inner {
    settings: Settings,
    publishing: Connection,
    consuming: Connection,
    failure: watch::Sender<Option<Arc<PublisherFailure>>>,
    metrics: Metrics,
}

/// Why a call to the broker did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// No answer came in time.
    #[error("the broker did not answer within {limit:?} ({call})")]
    Late {
        /// The call.
        call: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The call failed, or the link did.
    #[error("the broker failed ({call})")]
    Failed {
        /// The call.
        call: &'static str,
        /// What the client library says.
        #[source]
        source: lapin::Error,
    },
}

impl RabbitMq {
    pub(crate) async fn connect(settings: Settings) -> Result<Self, ConnectError> {
        if settings.partitions == 0 {
            return Err(ConnectError::NoPartitions);
        }
        let mut address: AMQPUri =
            settings.url.parse().map_err(|_words: String| ConnectError::Address)?;
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
                // Unreachable while `self` holds the sender.
                return std::future::pending().await;
            }
        }
    }

    /// Whether the broker takes nothing for now, because it is short of memory or disk.
    fn is_blocked(&self) -> bool {
        self.0.publishing.status().blocked()
    }

    /// A link for publishing, on which every publish is confirmed.
    async fn publishing_link(&self) -> Result<lapin::Channel, BrokerError> {
        let link = self.call("open link", self.0.publishing.create_channel()).await?;
        self.call(
            "select confirms",
            link.confirm_select(lapin::options::ConfirmSelectOptions::default()),
        )
        .await?;
        Ok(link)
    }

    /// A link for receiving and for looking after channels.
    async fn consuming_link(&self) -> Result<lapin::Channel, BrokerError> {
        self.call("open link", self.0.consuming.create_channel()).await
    }

    /// Closes a link; what is unsettled on it goes back to the broker.
    async fn close(&self, link: &lapin::Channel) {
        let closed = self.call("close link", link.close(CLOSED_NORMALLY, "done".into())).await;
        if let Err(error) = closed {
            tracing::debug!(%error, "link not closed in good order");
        }
    }

    async fn call<T>(
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
    let tls = OwnedTLSConfig { identity: None, cert_chain: settings.certificates.clone() };
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
        Ok(Err(source)) => Err(BrokerError::Failed { call, source }),
        Err(_elapsed) => Err(BrokerError::Late { call, limit }),
    }
}

impl fmt::Debug for RabbitMq {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RabbitMq").finish_non_exhaustive()
    }
}
