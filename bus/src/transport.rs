//! The bus, whose users do not depend on its transport.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    channel::{Channel, partition},
    embedded::{self, Embedded},
    error::{BrokerError, ConnectError, ProbeError, PublishError, PublisherFailure, ReceiveError},
    message::Message,
    publish::Publish,
    rabbitmq::{self, RabbitMq},
    receive::{FailureStore, Handle, Receiver},
    settings::Settings,
};

/// The channels, over one of two transports. Clones share the transport.
#[derive(Clone, Debug)]
pub enum Bus {
    /// In the memory of this process.
    Embedded(Embedded),
    /// Over a RabbitMQ broker.
    RabbitMq(RabbitMq),
}

/// Publishes messages. Clones share one link.
#[derive(Clone, Debug)]
pub enum Publisher {
    /// In the memory of this process.
    Embedded(Embedded),
    /// Over a RabbitMQ broker.
    RabbitMq(rabbitmq::publisher::RabbitMqPublisher),
}

/// Receives broadcasts of [`Channel::control`] from the moment it was opened.
#[derive(Debug)]
pub enum Listener {
    /// In the memory of this process.
    Embedded(embedded::EmbeddedListener),
    /// Over a RabbitMQ broker.
    RabbitMq(Box<rabbitmq::receiver::RabbitMqListener>),
}

impl Bus {
    /// A bus in the memory of this process, with all channels except those of applications.
    pub fn embedded(settings: Settings) -> Self {
        Self::Embedded(Embedded::new(settings))
    }

    /// Connects to the broker: one connection for publishing and one for receiving, because a broker
    /// that blocks publishing reads nothing from that connection, acknowledgements included.
    ///
    /// # Errors
    ///
    /// The URL is invalid, or the broker does not answer in time or refuses.
    pub async fn connect(settings: Settings) -> Result<Self, ConnectError> {
        Ok(Self::RabbitMq(RabbitMq::connect(settings).await?))
    }

    /// The settings of this bus.
    pub fn settings(&self) -> &Settings {
        match self {
            Self::Embedded(bus) => bus.settings(),
            Self::RabbitMq(bus) => bus.settings(),
        }
    }

    /// The value of `messaging.system` in telemetry: `rabbitmq`, or `lienthong` in memory.
    pub fn system(&self) -> &'static str {
        match self {
            Self::Embedded(bus) => bus.metrics().system(),
            Self::RabbitMq(bus) => bus.metrics().system(),
        }
    }

    /// The partition of `intake` for a conversation.
    pub fn intake(&self, conversation: &str) -> Channel {
        Channel::intake(partition(conversation, self.settings().partitions))
    }

    /// Whether the connections to the broker are open, as far as this process knows.
    pub fn is_connected(&self) -> bool {
        match self {
            Self::Embedded(_) => true,
            Self::RabbitMq(bus) => bus.is_connected(),
        }
    }

    /// Whether the broker has held this mark since an earlier [`mark`](Self::mark); a broker that was
    /// replaced, or lost what it had, does not. Channels in memory are always new.
    ///
    /// # Errors
    ///
    /// The broker fails or does not answer.
    pub async fn is_marked(&self) -> Result<bool, ConnectError> {
        match self {
            Self::Embedded(_) => Ok(false),
            Self::RabbitMq(bus) => Ok(rabbitmq::topology::is_marked(bus).await?),
        }
    }

    /// Leaves the mark of [`is_marked`](Self::is_marked) at the broker.
    ///
    /// # Errors
    ///
    /// The broker fails or does not answer.
    pub async fn mark(&self) -> Result<(), ConnectError> {
        match self {
            Self::Embedded(_) => Ok(()),
            Self::RabbitMq(bus) => Ok(rabbitmq::topology::mark(bus).await?),
        }
    }

    /// How many messages a channel holds that no receiver has, and how many receivers it has. None:
    /// there is no such channel, or it is in memory.
    ///
    /// # Errors
    ///
    /// The broker fails or does not answer.
    pub async fn inspect(&self, channel: &Channel) -> Result<Option<(u32, u32)>, ConnectError> {
        match self {
            Self::Embedded(_) => Ok(None),
            Self::RabbitMq(bus) => Ok(rabbitmq::topology::inspect(bus, channel).await?),
        }
    }

    /// Declares all channels except those of applications. One service does this; the others
    /// [`compare_topology`](Self::compare_topology).
    ///
    /// # Errors
    ///
    /// The broker fails, or has a different queue or exchange of the same name.
    pub async fn declare_topology(&self) -> Result<(), ConnectError> {
        match self {
            Self::Embedded(_) => Ok(()),
            Self::RabbitMq(bus) => Ok(rabbitmq::topology::declare(bus).await?),
        }
    }

    /// Checks that the channels exist and have the right arguments, and changes nothing. Bindings cannot
    /// be asked for; the owner makes them anew with each [`declare_topology`](Self::declare_topology).
    ///
    /// # Errors
    ///
    /// The broker fails, or a channel is missing or different; the error lists all differences.
    pub async fn compare_topology(&self) -> Result<(), ConnectError> {
        match self {
            Self::Embedded(_) => Ok(()),
            Self::RabbitMq(bus) => Ok(rabbitmq::topology::compare(bus).await?),
        }
    }

    /// Declares the channel of an application, if it does not exist yet.
    ///
    /// # Errors
    ///
    /// The name is invalid, the broker fails, or has a different queue of that name.
    pub async fn declare_delivery(&self, application: &str) -> Result<Channel, ConnectError> {
        let channel = Channel::delivery(application)?;
        match self {
            Self::Embedded(bus) => bus.declare(&channel),
            Self::RabbitMq(bus) => rabbitmq::topology::declare_delivery(bus, &channel).await?,
        }
        Ok(channel)
    }

    /// The highest number of consumers of one partition of `intake`. Before this process receives,
    /// they belong to other processes.
    ///
    /// # Errors
    ///
    /// The broker fails or does not answer.
    pub async fn receivers(&self) -> Result<u32, ConnectError> {
        let Self::RabbitMq(bus) = self else { return Ok(0) };
        let mut highest = 0;
        for partition in 0..self.settings().partitions {
            let channel = Channel::intake(partition);
            highest = highest.max(rabbitmq::topology::count_consumers(bus, &channel).await?);
        }
        Ok(highest)
    }

    /// Deletes the channel of an application with its messages.
    ///
    /// # Errors
    ///
    /// The name is invalid, or the broker fails.
    pub async fn remove_delivery(&self, application: &str) -> Result<(), ConnectError> {
        let channel = Channel::delivery(application)?;
        match self {
            // Channels in memory end with the process.
            Self::Embedded(_) => Ok(()),
            Self::RabbitMq(bus) => Ok(rabbitmq::topology::remove_delivery(bus, &channel).await?),
        }
    }

    /// Opens a publisher. A service opens one and clones it, so that concurrent publishes share
    /// windows.
    ///
    /// # Errors
    ///
    /// The broker fails or does not answer.
    pub async fn publisher(&self) -> Result<Publisher, BrokerError> {
        Ok(match self {
            Self::Embedded(bus) => Publisher::Embedded(bus.clone()),
            Self::RabbitMq(bus) => {
                Publisher::RabbitMq(rabbitmq::publisher::RabbitMqPublisher::open(bus).await?)
            }
        })
    }

    /// Receives windows and settles them after the handler's verdicts are carried out, until
    /// `shutdown`; the current window is finished first. Dropping the future returns the current
    /// window to its channel.
    ///
    /// # Errors
    ///
    /// The channel does not exist, the broker or the failure store fails, or a publisher of this bus
    /// has ended. The service ends with it, and is started again.
    pub async fn receive<K: FailureStore, H: Handle>(
        &self,
        receiver: Receiver<K>,
        handler: H,
        shutdown: CancellationToken,
    ) -> Result<(), ReceiveError> {
        match self {
            Self::Embedded(bus) => embedded::receive(bus, &receiver, &handler, &shutdown).await,
            Self::RabbitMq(bus) => {
                rabbitmq::receiver::receive(bus, &receiver, &handler, &shutdown).await
            }
        }
    }

    /// Opens a listener for [`Channel::control`]. Earlier broadcasts are not repeated, so ask for the
    /// present state after this returned.
    ///
    /// # Errors
    ///
    /// The broker fails or does not answer.
    pub async fn listen(&self) -> Result<Listener, ReceiveError> {
        Ok(match self {
            Self::Embedded(bus) => Listener::Embedded(bus.listen()),
            Self::RabbitMq(bus) => {
                Listener::RabbitMq(Box::new(rabbitmq::receiver::RabbitMqListener::open(bus).await?))
            }
        })
    }

    /// Publishes a probe on a channel of its own and receives it: the only proof that the broker
    /// carries messages. It costs a dozen small calls on links of its own, so it may be repeated
    /// every few seconds under any load. Returns how long it took.
    ///
    /// # Errors
    ///
    /// The probe could not be published, or did not come back within the limit. A broker that is
    /// short of memory or disk refuses it at once.
    pub async fn probe(&self) -> Result<Duration, ProbeError> {
        let begun = tokio::time::Instant::now();
        let limit = self.settings().probe_limit();
        let probing = async {
            match self {
                Self::Embedded(bus) => embedded::send_probe(bus).await,
                Self::RabbitMq(bus) => rabbitmq::probe::send_probe(bus).await,
            }
        };
        match tokio::time::timeout(limit, probing).await {
            Ok(outcome) => outcome.map(|()| begun.elapsed()),
            Err(_elapsed) => Err(ProbeError::Timeout { limit }),
        }
    }

    /// Waits until a publisher of this bus fails. A service without a receiver must wait for this and
    /// end with it; receivers do so themselves.
    pub async fn publisher_failed(&self) -> std::sync::Arc<PublisherFailure> {
        match self {
            Self::Embedded(_) => std::future::pending().await,
            Self::RabbitMq(bus) => bus.publisher_failed().await,
        }
    }
}

impl Publish for Publisher {
    async fn publish(&self, batch: Vec<(Channel, Message)>) -> Vec<Result<(), PublishError>> {
        let begun = tokio::time::Instant::now();
        let channels: Vec<_> = batch.iter().map(|(channel, _)| channel.clone()).collect();
        let (metrics, outcomes) = match self {
            Self::Embedded(bus) => (bus.metrics(), bus.publish(batch).await),
            Self::RabbitMq(publisher) => (publisher.metrics(), publisher.publish(batch).await),
        };
        metrics.record_sent(&channels, &outcomes, begun.elapsed());
        outcomes
    }
}

impl Listener {
    /// The next broadcast.
    ///
    /// # Errors
    ///
    /// The broker fails, or broadcasts were missed: open another listener, and ask for the present
    /// state again.
    pub async fn next(&mut self) -> Result<Message, ReceiveError> {
        match self {
            Self::Embedded(listener) => listener.next().await,
            Self::RabbitMq(listener) => listener.next().await,
        }
    }
}
