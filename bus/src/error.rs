//! Every error of the bus. They name no type of a broker's client library: its error is a boxed
//! source, so that only [`rabbitmq`](crate::rabbitmq) depends on it.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use crate::{
    channel::{Channel, InvalidChannel},
    message::InvalidMessage,
    verdict::{Fault, code},
};

/// A call to the broker failed.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// There was no answer in time.
    #[error("the broker did not answer within {limit:?} ({call})")]
    Timeout {
        /// The call.
        call: &'static str,
        /// The time limit.
        limit: Duration,
    },
    /// The call was refused, or the connection failed.
    #[error("the broker failed ({call})")]
    Failed {
        /// The call.
        call: &'static str,
        /// The error of the client library.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A bus could not be connected to, or its topology is wrong.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address cannot be parsed. The text leaves it out, because it holds a password.
    #[error("the broker's address is not an amqp or amqps address")]
    Address,
    /// A bus without partitions could carry nothing.
    #[error("there must be at least one partition of intake")]
    NoPartitions,
    /// The broker is unreachable or refused the connection.
    #[error("the broker could not be connected to")]
    Broker(#[from] BrokerError),
    /// A channel's name is invalid.
    #[error("the channel cannot be named")]
    Channel(#[from] InvalidChannel),
    /// The channels at the broker differ from those this bus needs.
    #[error("the broker's channels are not as they must be")]
    Topology(#[from] TopologyError),
    /// The connection was lost.
    #[error("the connection to the broker was lost")]
    Lost,
}

/// A queue, exchange or argument at the broker that differs from what the bus declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyDifference {
    /// The queue or exchange.
    pub name: String,
    /// The argument that differs; `None` when the whole item is missing or not expected.
    pub argument: Option<String>,
    /// The broker's text, or what is missing.
    pub detail: String,
}

impl fmt::Display for TopologyDifference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.argument {
            Some(argument) => {
                write!(formatter, "`{}`, argument `{argument}`: {}", self.name, self.detail)
            }
            None => write!(formatter, "`{}`: {}", self.name, self.detail),
        }
    }
}

/// The topology is wrong or could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// The broker has other items. Remove them at the broker once they and the channels behind them
    /// are empty, and let the owner declare them again.
    #[error("not as declared: {}", join(differences))]
    Differs {
        /// All differences.
        differences: Vec<TopologyDifference>,
    },
    /// The broker failed or did not answer.
    #[error("the topology could not be checked")]
    Broker(#[from] BrokerError),
}

fn join(differences: &[TopologyDifference]) -> String {
    let texts: Vec<String> = differences.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// A message is not, or may not be, on its channel.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PublishError {
    /// The channel does not exist; the message is not stored.
    #[error("the channel `{channel}` does not exist")]
    Unroutable {
        /// The channel.
        channel: Channel,
    },
    /// The channel is full or the broker refused the message; it is not stored.
    #[error("the channel `{channel}` takes no more for now")]
    Refused {
        /// The channel.
        channel: Channel,
    },
    /// There was no confirm, so the message may be stored or not. Publish it again under the same
    /// id.
    #[error("the broker did not say whether it took the message")]
    Unknown {
        /// The failure of the publisher; `None` when the caller's own time limit passed.
        #[source]
        source: Option<Arc<PublisherFailure>>,
    },
    /// The message was not sent, because the publisher has ended.
    #[error("the publisher has stopped")]
    NotSent {
        /// What ended the publisher, where it is known.
        #[source]
        source: Option<Arc<PublisherFailure>>,
    },
    /// No transport can carry the message.
    #[error("the message cannot be carried")]
    Invalid(#[source] InvalidMessage),
}

impl PublishError {
    /// Whether the same publish may succeed later. A missing channel counts, because it exists once
    /// its application is declared.
    pub const fn is_retryable(&self) -> bool {
        !matches!(self, Self::Invalid(_))
    }

    /// The code of this error in the catalogue of errors.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unroutable { .. } => code::UNROUTABLE,
            Self::Refused { .. } => code::REFUSED,
            Self::Unknown { .. } | Self::NotSent { .. } => code::UNKNOWN,
            Self::Invalid(_) => code::INVALID,
        }
    }
}

impl From<&PublishError> for Fault {
    fn from(error: &PublishError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// A publisher has ended. The service ends with it and is started again.
#[derive(Debug, thiserror::Error)]
pub enum PublisherFailure {
    /// The confirms of a window did not come in time.
    #[error("the broker left a window of publishes unconfirmed")]
    Unconfirmed,
    /// The link or the connection to the broker broke.
    #[error("the publishing link broke")]
    Link(#[source] BrokerError),
}

/// A receiver has ended. The broker delivers again what was not settled.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The channel does not exist.
    #[error("the channel `{channel}` does not exist")]
    NoChannel {
        /// The channel.
        channel: Channel,
    },
    /// The broker failed or did not answer.
    #[error("the receiving link broke")]
    Link(#[from] BrokerError),
    /// The broker cancelled the consumer, for instance because its queue was deleted.
    #[error("the broker dropped the consumer of `{channel}`")]
    ConsumerCancelled {
        /// The channel.
        channel: Channel,
    },
    /// The acknowledgement was not sent, because the link is closed.
    #[error("the window could not be settled")]
    NotSettled,
    /// The failure store did not store the failures.
    #[error("messages that cannot go on were not stored")]
    FailuresNotStored(#[from] FailureStoreError),
    /// The failure store did not answer in time.
    #[error("messages that cannot go on were not stored within {limit:?}")]
    FailureStoreTimeout {
        /// The time limit.
        limit: Duration,
    },
    /// A publisher of the same bus ended, so the results of a window could not be published.
    #[error("a publisher of this bus has ended")]
    Publisher(#[source] Arc<PublisherFailure>),
    /// A listener fell behind and broadcasts were dropped. Ask for the present state again.
    #[error("{missed} broadcasts were missed")]
    Missed {
        /// How many.
        missed: u64,
    },
}

/// A failure store could not store the messages, which stay on their channel.
#[derive(Debug, thiserror::Error)]
#[error("the failure store failed")]
pub struct FailureStoreError(#[source] Box<dyn Error + Send + Sync>);

impl FailureStoreError {
    /// Wraps the error of the store.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// A probe did not come back.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It did not come back in time.
    #[error("the probe did not come back within {limit:?}")]
    Timeout {
        /// The time limit.
        limit: Duration,
    },
    /// It could not be published.
    #[error("the probe could not be published")]
    Publish(#[from] PublishError),
    /// It could not be received.
    #[error("the probe could not be received")]
    Receive(#[from] ReceiveError),
}
