//! Putting messages on channels, and every way it can end.

use std::{future::Future, sync::Arc};

use crate::{
    channel::Channel,
    message::{InvalidMessage, Message},
    rabbitmq::BrokerError,
    verdict::{Fault, code},
};

/// Puts messages on channels.
pub trait Publish: Clone + Send + Sync + 'static {
    /// Puts each message on its channel, and returns once all of them are answered for: one
    /// outcome a message, in their order. Messages of one batch for one channel keep their order.
    fn publish(
        &self,
        batch: Vec<(Channel, Message)>,
    ) -> impl Future<Output = Vec<Result<(), PublishError>>> + Send;
}

/// Why a message is not, or may not be, on its channel.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PublishError {
    /// There is no such channel; nothing is stored.
    #[error("the channel `{channel}` does not exist")]
    Unroutable {
        /// Its name.
        channel: Channel,
    },
    /// The channel is full, or the broker would not take it; try again later.
    #[error("the channel `{channel}` takes no more for now")]
    Refused {
        /// Its name.
        channel: Channel,
    },
    /// No answer came: it may be stored or not. Publish it again under the same name.
    #[error("the broker did not say whether it took the message")]
    Unknown {
        /// What broke, where it is known; a caller that ran out of time does not know.
        #[source]
        source: Option<Arc<PublisherFailure>>,
    },
    /// It was never sent, because this publisher is at its end.
    #[error("the publisher has stopped")]
    NotSent {
        /// What ended it, where it is known.
        #[source]
        source: Option<Arc<PublisherFailure>>,
    },
    /// No transport can carry it; trying again is of no use.
    #[error("the message cannot be carried")]
    Invalid(#[source] InvalidMessage),
}

impl PublishError {
    /// Whether the same publish may succeed later. Only what cannot be carried may not: a missing
    /// channel is there once its application is declared.
    pub const fn may_pass(&self) -> bool {
        !matches!(self, Self::Invalid(_))
    }

    /// The code of this failure in the catalogue of errors.
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

/// Why a publisher is at its end. Whoever runs the service starts it again.
#[derive(Debug, thiserror::Error)]
pub enum PublisherFailure {
    /// The broker was silent for too long about a window.
    #[error("the broker left a window of publishes unconfirmed")]
    Unconfirmed,
    /// The link or the connection to the broker broke.
    #[error("the publishing link broke")]
    Link(#[source] BrokerError),
}
