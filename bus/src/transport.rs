//! The bus as its users see it: one value, whichever transport is behind it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    channel::{Channel, InvalidChannel, partition},
    embedded::{self, Embedded},
    message::Message,
    publish::{Publish, PublishError, PublisherFailure},
    rabbitmq::{self, BrokerError, RabbitMq, topology::TopologyError},
    receive::{FailureStore, Handle, ReceiveError, Receiver},
    settings::Settings,
};

/// Channels, over one of the two transports. Clones share them.
#[derive(Clone, Debug)]
pub enum Bus {
    /// In the memory of this process.
    Embedded(Embedded),
    /// Over a RabbitMQ broker.
    RabbitMq(RabbitMq),
}

/// Puts messages on channels; clones share one link.
#[derive(Clone, Debug)]
pub enum Publisher {
    /// In the memory of this process.
    Embedded(Embedded),
    /// Over a RabbitMQ broker.
    RabbitMq(rabbitmq::publisher::Publisher),
}

/// Hears what is broadcast on [`Channel::control`] from the moment it was made.
#[derive(Debug)]
pub enum Listener {
    /// In the memory of this process.
    Embedded(embedded::Listener),
    /// Over a RabbitMQ broker.
    RabbitMq(Box<rabbitmq::receiver::Listener>),
}

/// Why there is no bus.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address cannot be read. It is not repeated, because it holds a password.
    #[error("the broker's address is not an amqp or amqps address")]
    Address,
    /// A bus without partitions would carry nothing.
    #[error("there must be at least one partition of intake")]
    NoPartitions,
    /// The broker could not be reached, or would not have us.
    #[error("the broker could not be connected to")]
    Broker(#[from] BrokerError),
    /// A channel's name cannot be.
    #[error("the channel cannot be named")]
    Channel(#[from] InvalidChannel),
    /// The broker holds channels other than those this bus needs.
    #[error("the broker's channels are not as they must be")]
    Topology(#[from] TopologyError),
}

/// Why a probe did not come through.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It did not come back in time.
    #[error("the probe did not come back within {limit:?}")]
    Late {
        /// The limit.
        limit: Duration,
    },
    /// It could not be published.
    #[error("the probe could not be published")]
    Publish(#[from] PublishError),
    /// It could not be received.
    #[error("the probe could not be received")]
    Receive(#[from] ReceiveError),
}

impl Bus {
    /// A bus in the memory of this process, with every channel but those of applications.
    pub fn embedded(settings: Settings) -> Self {
        Self::Embedded(Embedded::new(settings))
    }

    /// Connects to the broker: one connection for publishing and one for receiving, so that a
    /// blocked publisher blocks no acknowledgement.
    ///
    /// # Errors
    ///
    /// When the address is wrong, or the broker does not answer in time or refuses.
    pub async fn connect(settings: Settings) -> Result<Self, ConnectError> {
        Ok(Self::RabbitMq(RabbitMq::connect(settings).await?))
    }

    /// The bounds this bus was made with.
    pub fn settings(&self) -> &Settings {
        match self {
            Self::Embedded(bus) => bus.settings(),
            Self::RabbitMq(bus) => bus.settings(),
        }
    }

    /// What carries the messages, as telemetry calls it: `rabbitmq`, or `lienthong` in memory.
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

    /// Makes every channel but those of applications. One service owns this; the others
    /// [`compare_topology`](Self::compare_topology).
    ///
    /// # Errors
    ///
    /// When the broker fails, or has a channel of the same name that is not the same.
    pub async fn declare_topology(&self) -> Result<(), ConnectError> {
        match self {
            Self::Embedded(_) => Ok(()),
            Self::RabbitMq(bus) => Ok(rabbitmq::topology::declare(bus).await?),
        }
    }

    /// Checks that the channels are there and as they must be, and changes nothing. Bindings cannot
    /// be asked for; the owner makes them anew with each [`declare_topology`](Self::declare_topology).
    ///
    /// # Errors
    ///
    /// When the broker fails, or a channel is missing or different; all differences are named.
    pub async fn compare_topology(&self) -> Result<(), ConnectError> {
        match self {
            Self::Embedded(_) => Ok(()),
            Self::RabbitMq(bus) => Ok(rabbitmq::topology::compare(bus).await?),
        }
    }

    /// Makes the channel of an application, if it is not there yet.
    ///
    /// # Errors
    ///
    /// When the name cannot be a channel's, the broker fails, or has another channel of that name.
    pub async fn declare_delivery(&self, application: &str) -> Result<Channel, ConnectError> {
        let channel = Channel::delivery(application)?;
        match self {
            Self::Embedded(bus) => bus.declare(&channel),
            Self::RabbitMq(bus) => rabbitmq::topology::declare_delivery(bus, &channel).await?,
        }
        Ok(channel)
    }

    /// How many receivers the most have that read one partition of `intake`: before this process
    /// receives, they are somebody else's.
    ///
    /// # Errors
    ///
    /// When the broker fails or is silent.
    pub async fn receivers(&self) -> Result<u32, ConnectError> {
        let Self::RabbitMq(bus) = self else { return Ok(0) };
        let mut most = 0;
        for partition in 0..self.settings().partitions {
            let channel = Channel::intake(partition);
            most = most.max(rabbitmq::topology::receivers(bus, &channel).await?);
        }
        Ok(most)
    }

    /// Removes the channel of an application with everything in it.
    ///
    /// # Errors
    ///
    /// When the name cannot be a channel's, or the broker fails.
    pub async fn remove_delivery(&self, application: &str) -> Result<(), ConnectError> {
        let channel = Channel::delivery(application)?;
        match self {
            // It is gone with the process.
            Self::Embedded(_) => Ok(()),
            Self::RabbitMq(bus) => Ok(rabbitmq::topology::remove_delivery(bus, &channel).await?),
        }
    }

    /// Opens a publisher. Open one a service and clone it: waiting publishes share windows.
    ///
    /// # Errors
    ///
    /// When the broker fails or is silent.
    pub async fn publisher(&self) -> Result<Publisher, BrokerError> {
        Ok(match self {
            Self::Embedded(bus) => Publisher::Embedded(bus.clone()),
            Self::RabbitMq(bus) => {
                Publisher::RabbitMq(rabbitmq::publisher::Publisher::open(bus).await?)
            }
        })
    }

    /// Receives windows and settles them as the handler says, until `shutdown`; the window in hand
    /// is finished first. Dropping the future gives the window in hand back to its channel.
    ///
    /// # Errors
    ///
    /// When the channel is missing, the broker fails, the keeper fails, or a publisher of this bus
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

    /// Begins to hear what is published on [`Channel::control`]. What was said before is not
    /// repeated, so ask for the present state after this returned.
    ///
    /// # Errors
    ///
    /// When the broker fails or is silent.
    pub async fn listen(&self) -> Result<Listener, ReceiveError> {
        Ok(match self {
            Self::Embedded(bus) => Listener::Embedded(bus.listen()),
            Self::RabbitMq(bus) => {
                Listener::RabbitMq(Box::new(rabbitmq::receiver::Listener::open(bus).await?))
            }
        })
    }

    /// Sends a probe through a channel of its own and waits for it: the only proof of health. It
    /// costs a dozen small calls and never more than the limit, on links of its own, so it may be
    /// repeated every few seconds beside any load.
    ///
    /// # Errors
    ///
    /// When it could not be published, or did not come back within the limit. A broker that is
    /// short of memory or disk refuses it at once.
    pub async fn probe(&self) -> Result<Duration, ProbeError> {
        let begun = tokio::time::Instant::now();
        let limit = self.settings().probe_limit();
        let round = async {
            match self {
                Self::Embedded(bus) => embedded::probe(bus).await,
                Self::RabbitMq(bus) => rabbitmq::probe::round(bus).await,
            }
        };
        match tokio::time::timeout(limit, round).await {
            Ok(outcome) => outcome.map(|()| begun.elapsed()),
            Err(_elapsed) => Err(ProbeError::Late { limit }),
        }
    }

    /// Waits until a publisher of this bus ends by a failure. A service without a receiver waits
    /// for this beside its work, and ends with it; receivers do so by themselves.
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
        metrics.sent(&channels, &outcomes, begun.elapsed());
        outcomes
    }
}

impl Listener {
    /// The next broadcast.
    ///
    /// # Errors
    ///
    /// When the broker fails, or broadcasts were missed: begin again, and ask for the state anew.
    pub async fn next(&mut self) -> Result<Message, ReceiveError> {
        match self {
            Self::Embedded(listener) => listener.next().await,
            Self::RabbitMq(listener) => listener.next().await,
        }
    }
}
